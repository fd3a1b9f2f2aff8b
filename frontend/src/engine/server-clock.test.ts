// @vitest-environment node
import { expect, it } from 'vitest';
import { Backoff } from './backoff';
import { addRange } from './ranges';
import { ServerClock } from './server-clock';

const timeOf = (id: string) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

it('makes ids of version 7 from the time of the server', () => {
  const clock = new ServerClock(0, () => 1_000);
  clock.learn(1_790_000_000_000);
  const id = clock.newId();
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(timeOf(id)).toBe(1_790_000_000_000);
});

it('knows an id that was made before the time was known, and makes better ones', () => {
  const clock = new ServerClock(0, () => 1_000_000);
  const before = clock.newId();
  expect(clock.isAhead(before)).toBe(false);
  clock.learn(500_000);
  expect(clock.isAhead(before)).toBe(true);
  expect(clock.isAhead(clock.newId())).toBe(false);
});

it('waits at most twice as long each time, up to a ceiling', () => {
  const backoff = new Backoff(500, 30_000, () => 1);
  const waits = Array.from({ length: 9 }, () => backoff.nextMs());
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  backoff.reset();
  expect(backoff.nextMs()).toBe(500);
});

it('joins ranges that touch', () => {
  const ranges = [
    { from: 1, to: 3 },
    { from: 8, to: 9 },
  ];
  expect(addRange(ranges, { from: 4, to: 7 })).toEqual([{ from: 1, to: 9 }]);
  expect(addRange(ranges, { from: 5, to: 6 })).toHaveLength(3);
  expect(addRange(ranges, { from: 6, to: 5 })).toEqual(ranges);
});

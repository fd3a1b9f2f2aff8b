import { describe, expect, it } from 'vitest';
import { unknownConversation } from '@/engine/conversation';
import { openingWindow, type TimelineWindow, withNewer, withOlder } from './timeline-window';

const range = { from: 1, to: 100_000 };

function conversation(read: number, unread: number) {
  const state = {
    head_number: range.to,
    head_countable_total: range.to,
    read_number: read,
    unread_count: unread,
    counts_from_number: read,
    marked_unread: false,
    hidden_count: 0,
    marks_version: 1,
  };
  const top = { number: range.to, countable_total: range.to };
  return { ...unknownConversation('tea'), state, top };
}

const sizeOf = ({ from, to }: TimelineWindow) => (to === 'tail' ? range.to : to) - from;

describe('the window of a timeline', () => {
  it('opens at the end, or where the unread begin', () => {
    expect(openingWindow(conversation(range.to, 0), range)).toMatchObject({ to: 'tail' });
    expect(openingWindow(conversation(range.to - 100, 100), range)).toMatchObject({ to: 'tail' });
    const far = openingWindow(conversation(50_000, 50_000), range);
    expect(far.from).toBeLessThan(50_000);
    expect(far.to).toBeGreaterThan(50_000);
  });

  it('stays of bounded size from one end to the other and back', () => {
    let window = openingWindow(conversation(range.to, 0), range);
    let steps = 0;
    while (window.from > 1) {
      window = withOlder(window, range);
      expect(sizeOf(window)).toBeLessThanOrEqual(320);
      steps += 1;
    }
    expect(steps).toBeGreaterThan(1_000);
    while (window.to !== 'tail') {
      const before = window;
      window = withNewer(window, range);
      expect(sizeOf(window)).toBeLessThanOrEqual(320);
      // What was in sight at the end of the window is still in it.
      expect(window.from).toBeLessThan(before.to as number);
    }
  });

  it('leaves nothing out between two steps', () => {
    const window = { from: 500, to: 800 };
    expect(withOlder(window, range)).toEqual({ from: 440, to: 760 });
    expect(withNewer(window, range)).toEqual({ from: 540, to: 860 });
  });
});

// @vitest-environment node
import 'fake-indexeddb/auto';
import { afterEach, expect, it, vi } from 'vitest';
import { ClientDatabase } from './database';
import { Outbox } from './outbox';
import { DEFAULT_TIMING } from './ports';
import { ServerClock } from './server-clock';
import { until } from './simulation/device';
import type { ClientFrame, Send } from './wire';

const clock = new ServerClock();
const opened: ClientDatabase[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const database of opened.splice(0)) await database.delete();
});

/** An outbox of which a test sees what leaves bench. `isAsked` runs whenever it asks for the connection. */
function newBench(timing = DEFAULT_TIMING) {
  const database = new ClientDatabase(crypto.randomUUID());
  opened.push(database);
  const sent: Send[] = [];
  const parts = { database, sent, isAsked: () => {} };
  const link = {
    isOpen: () => {
      parts.isAsked();
      return true;
    },
    send: (frame: ClientFrame) => {
      if ('send' in frame) sent.push(frame.send);
      return true;
    },
  };
  const outbox = new Outbox(database, link, clock, timing);
  const write = async (text: string) => {
    await database.outbox.add({
      kind: 'message',
      client_message_id: clock.newId(),
      conversation_id: 'tea',
      text,
      attachment_ids: [],
      reply_to_number: 0,
      written_at_ms: 0,
      attempt: 0,
      status: 'waiting',
    });
    outbox.pump();
  };
  return Object.assign(parts, { outbox, write });
}

it('holds back what was about to leave when what comes before it is refused', async () => {
  const bench = newBench();
  await bench.write('one');
  await until(() => bench.sent.length === 1);
  const client_message_id = bench.sent[0]?.client_message_id ?? '';
  const refusal = { conversation_id: 'tea', client_message_id, code: 'retry', detail: '' };
  bench.isAsked = () => {
    bench.isAsked = () => {};
    // Once the next one was chosen, and before that is in the store.
    queueMicrotask(() => void bench.outbox.refused({ ...refusal, retry: true, retry_after_ms: 5 }));
  };
  await bench.write('two');
  await until(() => bench.sent.length === 3);
  bench.outbox.lost();
  expect(bench.sent.map((send) => [send.text, send.outbox_restart])).toEqual([
    ['one', false],
    ['one', true],
    ['two', false],
  ]);
});

it('waits twice as long for an answer each time that none came', async () => {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const bench = newBench({ ...DEFAULT_TIMING, answerTimeout: 20 });
  await bench.write('one');
  await until(() => bench.sent.length === 4);
  bench.outbox.lost();
  expect(bench.sent.map((send) => [send.attempt, send.outbox_restart])).toEqual([
    [1, false],
    [2, true],
    [3, true],
    [4, true],
  ]);
  // What was asked for: how late a timer fires says nothing.
  const waits = timers.mock.calls.map(([, delayMs]) => delayMs ?? 0).filter((ms) => ms >= 20);
  expect(waits).toEqual([20, 40, 80, 160]);
});

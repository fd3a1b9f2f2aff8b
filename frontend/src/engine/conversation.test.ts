// @vitest-environment node
import { describe, expect, it } from 'vitest';
import {
  type ConversationRecord,
  takeEntry,
  takePage,
  takeState,
  unknownConversation,
  unreadCount,
  withDescription,
} from './conversation';
import { seededRandom } from './simulation/random';
import type { ConversationState, Entry } from './wire';

const ME = 'me';

function entry(number: number, actor_id: string): Entry {
  return {
    conversation_id: 'tea',
    number,
    previous_number: number - 1,
    countable_total: number,
    time_unix_ms: number,
    actor_id,
    message: {
      message_id: `m${number}`,
      client_message_id: `c${number}`,
      text: `${number}`,
      attachment_ids: [],
      reply_to_number: 0,
      changed_number: 0,
      edited_time_unix_ms: 0,
      deleted: false,
      reactions: [],
    },
  };
}

const TEA = {
  conversation_id: 'tea',
  kind: 'group',
  name: 'tea',
  created_at: new Date(0).toISOString(),
} as const;

function fresh(): ConversationRecord {
  return withDescription(unknownConversation('tea'), TEA, 0);
}

function stateAt(log: readonly Entry[], head: number, read_number: number): ConversationState {
  return {
    conversation_id: 'tea',
    head_number: head,
    head_countable_total: head,
    read_number,
    counts_from_number: read_number,
    marked_unread: false,
    hidden_count: 0,
    marks_version: read_number,
    unread_count: log.filter((e) => e.number > read_number && e.number <= head && e.actor_id !== ME)
      .length,
  };
}

describe('a conversation', () => {
  it('has nothing unread for who left, and counts from a return', () => {
    const moved = (number: number, change: object): Entry => {
      const { message: _, ...rest } = entry(number, ME);
      return { ...rest, countable_total: number - 1, ...change };
    };
    let record = fresh();
    for (const next of [entry(1, 'ada'), entry(2, 'ada')]) {
      record = takeEntry(record, next, ME).record;
    }
    expect(unreadCount(record)).toBe(2);
    record = takeEntry(record, moved(3, { left: { user_id: ME } }), ME).record;
    expect(unreadCount(record)).toBe(0);
    const joined = { ...moved(9, { joined: { user_id: ME } }), countable_total: 7 };
    record = takePage(record, { entries: [joined], covered_from: 4, covered_to: 9 }, ME);
    expect(unreadCount(record)).toBe(0);
    record = takeEntry(record, { ...entry(10, 'ada'), countable_total: 8 }, ME).record;
    expect(unreadCount(record)).toBe(1);
  });

  it('ends when the group is deleted, with nothing unread', () => {
    const { record } = takeEntry(fresh(), entry(1, 'ada'), ME);
    const { message: _, ...rest } = entry(2, 'ada');
    const deleted = { ...rest, countable_total: 1, group_deleted: {} };
    const ended = takeEntry(record, deleted, ME).record;
    expect([unreadCount(record), unreadCount(ended), ended.member]).toEqual([1, 0, 0]);
  });

  it('reads what was before again when more of it is opened, or the person is back', () => {
    const { message: _, ...rest } = entry(4, 'ada');
    const log = [1, 2, 3].map((number) => entry(number, 'ada'));
    const page = { entries: log, covered_from: 1, covered_to: 3 };
    const held = takePage(fresh(), page, ME);
    for (const change of [
      { history_opened: { user_id: ME, from_number: 1 } },
      { joined: { user_id: ME } },
    ]) {
      const next = { ...rest, countable_total: 3, ...change };
      expect(takeEntry(held, next, ME).record.held).toEqual([{ from: 4, to: 4 }]);
      const late = { entries: [next], covered_from: 4, covered_to: 5 };
      expect(takePage(held, late, ME).held).toEqual([{ from: 4, to: 5 }]);
    }
    const ofAda = { ...rest, countable_total: 3, joined: { user_id: 'ada' } };
    expect(takeEntry(held, ofAda, ME).record.held).toEqual([{ from: 1, to: 4 }]);
  });

  it('takes an entry that follows, and notes a hole before one that does not', () => {
    const first = takeEntry(fresh(), entry(1, 'ada'), ME);
    expect(first.taken).toBe(true);
    const third = takeEntry(first.record, entry(3, 'ada'), ME);
    expect(third).toMatchObject({ taken: false, record: { behind: 1, heard_of: 3 } });
    expect(third.record.top.number).toBe(1);
  });

  it('counts what others wrote since the last word of the server, never what I wrote', () => {
    let record = takeState(fresh(), stateAt([], 0, 0));
    for (const next of [entry(1, 'ada'), entry(2, ME), entry(3, 'ada')]) {
      record = takeEntry(record, next, ME).record;
    }
    expect(unreadCount(record)).toBe(2);
    expect(unreadCount({ ...record, wanted_read: 3 })).toBe(0);
  });

  it('takes off a deletion only where the word of the server still counts the message', () => {
    const log = [1, 2, 3].map((number) => entry(number, 'ada'));
    const { message: _, ...rest } = entry(4, 'ada');
    const deleted = { client_message_id: 'd', number: 1, author_id: 'ada' };
    let record = takeState(fresh(), stateAt(log, 3, 0));
    for (const next of [...log, { ...rest, countable_total: 3, deleted }]) {
      record = takeEntry(record, next, ME).record;
    }
    expect(unreadCount(record)).toBe(2);
    // The mark moved before the deletion, which this word therefore doesn't know.
    const late = takeState(record, stateAt(log, 3, 1));
    expect(unreadCount(late)).toBe(2);
    const hidden = record.deleted_above.map((deletion) => ({ ...deletion, hidden_as: 1 }));
    const state = { ...record.state, unread_count: 2, hidden_count: 1 };
    expect(unreadCount({ ...record, state, deleted_above: hidden })).toBe(2);
    expect(unreadCount({ ...record, deleted_above: hidden })).toBe(2);
  });

  it('asks again for a description that may be older than what came meanwhile', () => {
    const { message: _, ...rest } = entry(1, 'ada');
    const asked = fresh().description_version;
    for (const change of [{ renamed: { name: 'coffee' } }, { left: { user_id: ME } }]) {
      const { record } = takeEntry(fresh(), { ...rest, ...change }, ME);
      const late = withDescription(record, TEA, asked);
      expect(late).toEqual({ ...record, described: false, behind: 1 });
      const again = withDescription(late, TEA, late.description_version);
      expect(again).toMatchObject({ name: 'tea', member: 1, described: true, behind: 0 });
    }
  });

  it('asks again for the description where history is passed over', () => {
    const { record } = takeEntry(fresh(), entry(1, 'ada'), ME);
    const next = { entries: [entry(2, 'ada')], covered_from: 2, covered_to: 2 };
    expect(takePage(record, next, ME)).toMatchObject({ described: true, behind: 0 });
    const far = { entries: [entry(9, 'ada')], covered_from: 9, covered_to: 9 };
    expect(takePage(record, far, ME)).toMatchObject({ described: false, behind: 1 });
  });

  it('keeps the newer of two words of the server', () => {
    const log = [1, 2, 3].map((number) => entry(number, 'ada'));
    const newer = takeState(fresh(), stateAt(log, 3, 3));
    expect(takeState(newer, stateAt(log, 3, 1))).toEqual(newer);
    expect(takeState(newer, stateAt(log, 2, 2))).toEqual(newer);
  });

  it('ends the same whatever the order in which it learned', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = seededRandom(seed);
      const length = 1 + Math.floor(random() * 12);
      const log = Array.from({ length }, (_, index) =>
        entry(index + 1, random() < 0.3 ? ME : 'ada'),
      );
      const read = Math.floor(random() * (length + 1));
      let record = fresh();
      for (let step = 0; step < 30; step += 1) {
        const number = 1 + Math.floor(random() * length);
        const dice = random();
        if (dice < 0.6) record = takeEntry(record, log[number - 1] as Entry, ME).record;
        else if (dice < 0.8)
          record = takeState(record, stateAt(log, number, Math.min(read, number)));
        else {
          const from = Math.max(1, number - 3);
          const entries = log.slice(from - 1, number);
          const page = { entries, covered_from: from, covered_to: number };
          // The engine asks for what follows what it has, or for what is before.
          if (from <= record.top.number + 1) record = takePage(record, page, ME);
        }
      }
      record = takePage(
        record,
        { entries: log, covered_from: 1, covered_to: length, state: stateAt(log, length, read) },
        ME,
      );
      const loaded = takePage(
        fresh(),
        { entries: log, covered_from: 1, covered_to: length, state: stateAt(log, length, read) },
        ME,
      );
      expect({ seed, ...record }).toEqual({ seed, ...loaded });
    }
  });
});

import { describe, expect, it } from 'vitest';
import type { MemberMarks, OutboxItem } from '@/engine/database';
import type { Entry } from '@/engine/wire';
import { type TimelineRow, timelineRows } from './timeline-rows';

const NOON = new Date(2026, 4, 20, 12).getTime();
const MINUTE = 60_000;

function entry(number: number, actor_id: string, minute: number, text = `${number}`): Entry {
  return {
    conversation_id: 'tea',
    number,
    previous_number: number - 1,
    countable_total: number,
    time_unix_ms: NOON + minute * MINUTE,
    actor_id,
    message: {
      message_id: `m${number}`,
      client_message_id: `c${number}`,
      text,
      attachment_ids: [],
      reply_to_number: 0,
      changed_number: 0,
      edited_time_unix_ms: 0,
      deleted: false,
      reactions: [],
    },
  };
}

function from(entries: Entry[], outbox: OutboxItem[] = [], marks: MemberMarks[] = []) {
  return { entries, outbox, marks, hidden: new Set<number>() };
}

/** One word a row, and what one person wrote without a pause in one. */
function shape(rows: TimelineRow[]): string[] {
  const words: string[] = [];
  for (const row of rows) {
    if (row.kind !== 'message') words.push(row.kind);
    else if (row.isFirst) words.push(`${row.own ? 'me' : row.actorId}: ${row.bubble.text}`);
    else words.push(`${words.pop()} ${row.bubble.text}`);
  }
  return words;
}

describe('timelineRows', () => {
  it('groups what one person writes without a pause', () => {
    const entries = [entry(1, 'ada', 0), entry(2, 'ada', 1), entry(3, 'me', 2), entry(4, 'ada', 3)];
    expect(shape(timelineRows(from(entries), 'me', undefined))).toEqual([
      'day',
      'ada: 1 2',
      'me: 3',
      'ada: 4',
    ]);
  });

  it('starts a new group after a pause and a new day at midnight', () => {
    const entries = [entry(1, 'ada', 0), entry(2, 'ada', 10), entry(3, 'ada', 24 * 60)];
    expect(shape(timelineRows(from(entries), 'me', undefined))).toEqual([
      'day',
      'ada: 1',
      'ada: 2',
      'day',
      'ada: 3',
    ]);
  });

  it('puts the divider before the first unread message of somebody else', () => {
    const entries = [entry(1, 'ada', 0), entry(2, 'me', 0), entry(3, 'ada', 0), entry(4, 'ada', 0)];
    expect(shape(timelineRows(from(entries), 'me', 1))).toEqual([
      'day',
      'ada: 1',
      'me: 2',
      'new-messages',
      'ada: 3 4',
    ]);
  });

  it('says who came and went between the messages', () => {
    const { message: _, ...rest } = entry(2, 'ben', 0);
    const joined: Entry = { ...rest, joined: { user_id: 'ben' } };
    expect(shape(timelineRows(from([entry(1, 'ada', 0), joined]), 'me', undefined))).toEqual([
      'day',
      'ada: 1',
      'change',
    ]);
  });

  it('keeps the key of a bubble when its message is stored, and the outbox below', () => {
    const waiting: OutboxItem = {
      kind: 'message',
      position: 1,
      client_message_id: 'c2',
      conversation_id: 'tea',
      text: 'hello',
      attachment_ids: [],
      reply_to_number: 0,
      written_at_ms: NOON,
      attempt: 0,
      status: 'waiting',
    };
    const before = timelineRows(from([entry(1, 'ada', 0)], [waiting]), 'me', undefined).at(-1);
    const after = timelineRows(from([entry(1, 'ada', 0), entry(2, 'me', 0)]), 'me', undefined).at(
      -1,
    );
    expect(before).toMatchObject({ key: 'c2', bubble: { state: 'waiting' } });
    expect(after).toMatchObject({ key: 'c2', bubble: { state: 'stored' } });
  });

  it('shows how far the others have got', () => {
    const entries = [1, 2, 3].map((number) => entry(number, 'me', 0));
    const mark = { conversation_id: 'tea', user_id: 'ada', read_number: 1, delivered_number: 2 };
    const states = timelineRows(from(entries, [], [mark]), 'me', undefined).map((row) =>
      row.kind === 'message' ? row.bubble.state : row.kind,
    );
    expect(states).toEqual(['day', 'read', 'delivered', 'stored']);
  });

  it('shows what waits to be changed as it will be, and leaves out what was hidden', () => {
    const edit: OutboxItem = {
      kind: 'change',
      position: 1,
      client_message_id: 'c9',
      conversation_id: 'tea',
      target: 2,
      change: { edit: { text: 'better' } },
      written_at_ms: NOON,
      attempt: 0,
      status: 'waiting',
    };
    const source = from([entry(1, 'ada', 0), entry(2, 'me', 0)], [edit]);
    const rows = timelineRows({ ...source, hidden: new Set([1]) }, 'me', undefined);
    expect(shape(rows)).toEqual(['day', 'me: better']);
  });
});

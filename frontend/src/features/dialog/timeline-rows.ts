/** Turns entries and the outbox into the rows that stand under one another in a dialog. Pure. */
import type { OutboxItem } from '@/engine/database';
import type { Entry } from '@/engine/wire';
import { daysAgo } from '@/shared/ui/time';

export interface Bubble {
  text: string;
  attachmentIds: string[];
  timeMs: number;
  state: 'waiting' | 'stored' | 'refused';
  /** 0 while it has none. */
  number: number;
  outboxItem?: OutboxItem;
}

export type TimelineRow =
  | { kind: 'beginning'; key: string }
  | { kind: 'day'; key: string; timeMs: number }
  | { kind: 'new-messages'; key: string }
  | { kind: 'change'; key: string; entry: Entry }
  | {
      kind: 'message';
      /** The same before and after the message is stored, so that its bubble stays where it is. */
      key: string;
      actorId: string;
      own: boolean;
      /** Of a run of messages that one person wrote without a pause. */
      isFirst: boolean;
      isLast: boolean;
      bubble: Bubble;
    };

export type MessageRow = Extract<TimelineRow, { kind: 'message' }>;

/** A pause that starts a new run. */
const PAUSE_MS = 5 * 60_000;

export function timelineRows(
  entries: readonly Entry[],
  outbox: readonly OutboxItem[],
  me: string,
  /** The first message of others above this number stands under "New messages". */
  newAbove: number | undefined,
): TimelineRow[] {
  const rows: TimelineRow[] = [];
  let lastMs: number | undefined;
  let isDivided = newAbove === undefined;
  const startDay = (timeMs: number) => {
    if (lastMs === undefined || daysAgo(lastMs, timeMs) !== 0) {
      rows.push({ kind: 'day', key: `day-${new Date(timeMs).toDateString()}`, timeMs });
    }
  };
  const addMessage = (key: string, actorId: string, bubble: Bubble) => {
    startDay(bubble.timeMs);
    const last = rows.at(-1);
    const goesOn =
      last?.kind === 'message' &&
      last.actorId === actorId &&
      bubble.timeMs - last.bubble.timeMs < PAUSE_MS;
    if (goesOn) last.isLast = false;
    const own = actorId === me;
    rows.push({ kind: 'message', key, actorId, own, isFirst: !goesOn, isLast: true, bubble });
    lastMs = bubble.timeMs;
  };
  for (const entry of entries) {
    if (entry.message) {
      if (!isDivided && entry.actor_id !== me && entry.number > (newAbove ?? 0)) {
        startDay(entry.time_unix_ms);
        lastMs = entry.time_unix_ms;
        rows.push({ kind: 'new-messages', key: 'new-messages' });
        isDivided = true;
      }
      const { text, attachment_ids, client_message_id } = entry.message;
      addMessage(entry.actor_id === me ? client_message_id : `${entry.number}`, entry.actor_id, {
        text,
        attachmentIds: attachment_ids,
        timeMs: entry.time_unix_ms,
        state: 'stored',
        number: entry.number,
      });
    } else {
      startDay(entry.time_unix_ms);
      lastMs = entry.time_unix_ms;
      rows.push({ kind: 'change', key: `change-${entry.number}`, entry });
    }
  }
  for (const item of outbox) {
    addMessage(item.client_message_id, me, {
      text: item.text,
      attachmentIds: item.attachment_ids,
      timeMs: Math.max(item.written_at_ms, lastMs ?? 0),
      state: item.status,
      number: 0,
      outboxItem: item,
    });
  }
  return rows;
}

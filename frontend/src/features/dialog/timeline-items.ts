/** Turns entries and the outbox into what stands under one another in a dialog. Pure. */
import type { OutboxItem } from '@/engine/database';
import type { Entry } from '@/engine/wire';
import { daysAgo } from '@/shared/ui/time';

export interface BubbleItem {
  /** The same before and after the message is stored, so that its bubble stays where it is. */
  key: string;
  text: string;
  attachmentIds: string[];
  timeMs: number;
  state: 'waiting' | 'stored' | 'refused';
  outboxItem?: OutboxItem;
}

/** What happened on one day. */
export interface TimelineDay {
  key: string;
  timeMs: number;
  items: TimelineItem[];
}

export type TimelineItem =
  | { kind: 'new-messages'; key: string }
  | { kind: 'change'; key: string; entry: Entry }
  | { kind: 'group'; key: string; actorId: string; own: boolean; bubbles: BubbleItem[] };

/** A pause that starts a new group of bubbles. */
const PAUSE_MS = 5 * 60_000;

export function timelineDays(
  entries: readonly Entry[],
  outbox: readonly OutboxItem[],
  me: string,
  /** The first message of others above this number stands under "New messages". */
  newAbove: number | undefined,
): TimelineDay[] {
  const days: TimelineDay[] = [];
  let lastMs: number | undefined;
  let divided = newAbove === undefined;
  const itemsOf = (timeMs: number): TimelineItem[] => {
    const last = days.at(-1);
    if (last && lastMs !== undefined && daysAgo(lastMs, timeMs) === 0) return last.items;
    const day: TimelineDay = { key: `day-${timeMs}`, timeMs, items: [] };
    days.push(day);
    return day.items;
  };
  const addBubble = (actorId: string, bubble: BubbleItem) => {
    const items = itemsOf(bubble.timeMs);
    const last = items.at(-1);
    const pause = bubble.timeMs - (lastMs ?? 0);
    if (last?.kind === 'group' && last.actorId === actorId && pause < PAUSE_MS) {
      last.bubbles.push(bubble);
    } else {
      const own = actorId === me;
      items.push({ kind: 'group', key: `group-${bubble.key}`, actorId, own, bubbles: [bubble] });
    }
    lastMs = bubble.timeMs;
  };
  for (const entry of entries) {
    if (!divided && entry.message && entry.actor_id !== me && entry.number > (newAbove ?? 0)) {
      itemsOf(entry.time_unix_ms).push({ kind: 'new-messages', key: 'new-messages' });
      lastMs = entry.time_unix_ms;
      divided = true;
    }
    if (entry.message) {
      addBubble(entry.actor_id, {
        key: entry.actor_id === me ? entry.message.client_message_id : String(entry.number),
        text: entry.message.text,
        attachmentIds: entry.message.attachment_ids,
        timeMs: entry.time_unix_ms,
        state: 'stored',
      });
    } else {
      itemsOf(entry.time_unix_ms).push({ kind: 'change', key: `change-${entry.number}`, entry });
      lastMs = entry.time_unix_ms;
    }
  }
  for (const item of outbox) {
    addBubble(me, {
      key: item.client_message_id,
      text: item.text,
      attachmentIds: item.attachment_ids,
      timeMs: Math.max(item.written_at_ms, lastMs ?? 0),
      state: item.status,
      outboxItem: item,
    });
  }
  return days;
}

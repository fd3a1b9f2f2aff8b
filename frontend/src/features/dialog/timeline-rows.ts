/** Turns entries and the outbox into the rows that stand under one another in a dialog. Pure. */
import type { MemberMarks, OutboxChange, OutboxItem, OutboxMessage } from '@/engine/database';
import { targetOf, withPending } from '@/engine/message-changes';
import type { Entry, Message, Reaction } from '@/engine/wire';
import { daysAgo } from '@/shared/ui/time';

export interface Bubble {
  text: string;
  attachmentIds: string[];
  timeMs: number;
  state: 'waiting' | 'stored' | 'delivered' | 'read' | 'refused';
  /** 0 while it has none. */
  number: number;
  isDeleted: boolean;
  isEdited: boolean;
  reactions: Reaction[];
  /** Number of the message that it answers; 0: none. */
  replyTo: number;
  /** A message that is not stored, or a change of this one that was refused. */
  refused?: OutboxItem;
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

export interface TimelineSource {
  entries: readonly Entry[];
  outbox: readonly OutboxItem[];
  /** Numbers that the person has deleted for themselves. */
  hidden: ReadonlySet<number>;
  /** How far the other members have got. */
  marks: readonly MemberMarks[];
}

/** A pause that starts a new run. */
const PAUSE_MS = 5 * 60_000;

export function timelineRows(
  source: TimelineSource,
  me: string,
  /** The first message of others above this number stands under "New messages". */
  newAbove: number | undefined,
): TimelineRow[] {
  const rows: TimelineRow[] = [];
  const changes = source.outbox.filter((item) => item.kind === 'change');
  const reached = reachedBy(source.marks, me);
  let lastMs: number | undefined;
  let isDivided = newAbove === undefined;
  const startDay = (timeMs: number) => {
    if (lastMs === undefined || daysAgo(lastMs, timeMs) !== 0) {
      rows.push({ kind: 'day', key: `day-${new Date(timeMs).toDateString()}`, timeMs });
    }
    lastMs = timeMs;
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
  };
  for (const entry of source.entries) {
    const { number, message, actor_id, time_unix_ms } = entry;
    if (source.hidden.has(number) || targetOf(entry) !== undefined) continue;
    if (!message) {
      startDay(time_unix_ms);
      rows.push({ kind: 'change', key: `change-${number}`, entry });
      continue;
    }
    if (!isDivided && actor_id !== me && number > (newAbove ?? 0)) {
      startDay(time_unix_ms);
      rows.push({ kind: 'new-messages', key: 'new-messages' });
      isDivided = true;
    }
    const key = actor_id === me ? message.client_message_id : `${number}`;
    addMessage(key, actor_id, storedBubble(entry, message, changes, reached, me));
  }
  for (const item of source.outbox) {
    if (item.kind === 'message') {
      addMessage(item.client_message_id, me, waitingBubble(item, lastMs ?? 0));
    }
  }
  return rows;
}

interface Reached {
  read: number;
  delivered: number;
}

/** How far anybody else has got. */
function reachedBy(marks: readonly MemberMarks[], me: string): Reached {
  const reached = { read: 0, delivered: 0 };
  for (const { user_id, read_number, delivered_number } of marks) {
    if (user_id === me) continue;
    reached.read = Math.max(reached.read, read_number);
    reached.delivered = Math.max(reached.delivered, delivered_number, read_number);
  }
  return reached;
}

function storedBubble(
  entry: Entry,
  message: Message,
  changes: readonly OutboxChange[],
  reached: Reached,
  me: string,
): Bubble {
  const { number } = entry;
  const own = changes.filter((item) => item.target === number);
  const refused = own.find((item) => item.status === 'refused');
  const now = own
    .filter((item) => item.status !== 'refused')
    .reduce((before, item) => withPending(before, item.change, me), message);
  const state =
    number <= reached.read ? 'read' : number <= reached.delivered ? 'delivered' : 'stored';
  return {
    text: now.text,
    attachmentIds: now.attachment_ids,
    timeMs: entry.time_unix_ms,
    state,
    number,
    isDeleted: now.deleted ?? false,
    isEdited: (now.edited_time_unix_ms ?? 0) > 0,
    reactions: now.reactions ?? [],
    replyTo: now.reply_to_number,
    ...(refused && { refused }),
  };
}

function waitingBubble(item: OutboxMessage, notBeforeMs: number): Bubble {
  return {
    text: item.text,
    attachmentIds: item.attachment_ids,
    timeMs: Math.max(item.written_at_ms, notBeforeMs),
    state: item.status,
    number: 0,
    isDeleted: false,
    isEdited: false,
    reactions: [],
    replyTo: item.reply_to_number,
    ...(item.status === 'refused' && { refused: item }),
  };
}

/**
 * What a device knows of one conversation, and how it learns more. Pure: the same knowledge in any
 * order, twice or late ends in the same record.
 */
import { targetOf } from './message-changes';
import { addRange, type Range, rangesAbove, rangeWith } from './ranges';
import type { ConversationState, Entry } from './wire';

/** What a group says of itself. */
interface GroupDescription {
  visibility: 'public' | 'private';
  description: string;
  picture_id?: string | undefined;
  member_count: number;
}

/** What the person wants for themselves; newer ones have a greater version. */
export interface ConversationSettings {
  version: number;
  mute: 'off' | 'until' | 'forever';
  muted_until?: string | null | undefined;
  archived: boolean;
  /** From the top; absent: not pinned. */
  pin_position?: number | null | undefined;
}

const NO_SETTINGS: ConversationSettings = { version: 0, mute: 'off', archived: false };

export interface ConversationDescription {
  conversation_id: string;
  kind: 'direct' | 'group';
  name?: string | undefined;
  peer_id?: string | undefined;
  group?: GroupDescription | undefined;
  created_at: string;
}

/** A message of somebody else was deleted. */
export interface Deletion {
  /** Of the entry that says so. */
  number: number;
  /** Of the message. */
  target: number;
  /** Whether the person has hidden the message, and as the how manyth, from 1. */
  hidden_as?: number | undefined;
}

export interface ConversationRecord {
  conversation_id: string;
  /** Unknown until described: an event came before the conversation itself. */
  kind: 'direct' | 'group' | 'unknown';
  /** What it says of itself is known as of when the person last came, and nothing of it was passed over. */
  described: boolean;
  /** Grows with what is learnt of that: an answer to a question of before may be older. */
  description_version: number;
  name?: string | undefined;
  peer_id?: string | undefined;
  group?: GroupDescription | undefined;
  settings: ConversationSettings;
  /** The newest version of the settings that was heard of. */
  settings_heard_of: number;
  /** 1 while the person is in it; kept as a number because IndexedDB has no index of booleans. */
  member: 0 | 1;
  /** The latest word of the server. */
  state: Omit<ConversationState, 'conversation_id'>;
  /** The newest entry that was taken in order. */
  top: { number: number; countable_total: number };
  /** Own messages above `state.head_number`: the totals count them, the unread count doesn't. */
  own_above: number[];
  /** Deletions of what others wrote, above `state.head_number`. */
  deleted_above: Deletion[];
  /** Numbers whose entries are in the store. */
  held: Range[];
  /** The highest number heard of. */
  heard_of: number;
  /** 1 while something up to `heard_of`, or the description, is missing. */
  behind: 0 | 1;
  /** The read mark that the person wants; the server's own follows. */
  wanted_read: number;
  /** How many of the hidden entries are known here. */
  hidden_known: number;
  /** The server knows that this device has everything up to here. */
  told_delivered: number;
  created_ms: number;
  /** The last one that stands in lists, as it is now. */
  last_entry?: Entry | undefined;
  /** Orders the list: the time of `last_entry`. */
  activity_ms: number;
}

export interface Page {
  entries: Entry[];
  covered_from: number;
  covered_to: number;
  state?: ConversationState | undefined;
}

export function unknownConversation(conversation_id: string): ConversationRecord {
  return {
    conversation_id,
    kind: 'unknown',
    described: false,
    description_version: 0,
    settings: NO_SETTINGS,
    settings_heard_of: 0,
    member: 1,
    state: {
      head_number: 0,
      head_countable_total: 0,
      read_number: 0,
      unread_count: 0,
      counts_from_number: 0,
      marked_unread: false,
      hidden_count: 0,
      marks_version: 0,
    },
    top: { number: 0, countable_total: 0 },
    own_above: [],
    deleted_above: [],
    held: [],
    heard_of: 0,
    behind: 1,
    wanted_read: 0,
    hidden_known: 0,
    told_delivered: 0,
    created_ms: 0,
    activity_ms: 0,
  };
}

/** `asked`: the `description_version` of when it was asked for. If that has changed, it is to be asked for anew. */
export function withDescription(
  record: ConversationRecord,
  description: ConversationDescription,
  asked: number,
): ConversationRecord {
  if (record.description_version !== asked) return askAgain(record);
  return settle({
    ...record,
    kind: description.kind,
    described: true,
    description_version: asked + 1,
    name: description.name,
    peer_id: description.peer_id,
    group: description.group ?? record.group,
    member: 1,
    created_ms: Date.parse(description.created_at),
    activity_ms: record.activity_ms || Date.parse(description.created_at),
  });
}

/** What it says of itself may have changed. */
export function askAgain(record: ConversationRecord): ConversationRecord {
  return settle({ ...record, described: false });
}

/** Takes a live entry if nothing is missing before it, else notes that something is. */
export function takeEntry(
  record: ConversationRecord,
  entry: Entry,
  me: string,
): { record: ConversationRecord; taken: boolean } {
  if (entry.number <= record.top.number) {
    return { record, taken: rangeWith(record.held, entry.number) !== undefined };
  }
  if (entry.previous_number > record.top.number) {
    return {
      record: settle({ ...record, heard_of: Math.max(record.heard_of, entry.number) }),
      taken: false,
    };
  }
  const advanced = advance(record, entry, me);
  const before = opensWhatWas(entry, me) ? [] : advanced.held;
  const held = addRange(before, { from: entry.previous_number + 1, to: entry.number });
  return { record: settle({ ...advanced, held }), taken: true };
}

/** Takes the server's word. Its numbers only grow, so an older word is one that is lower in any. */
export function takeState(
  record: ConversationRecord,
  state: ConversationState,
): ConversationRecord {
  const { conversation_id: _, ...next } = state;
  const { state: known } = record;
  const isOlder =
    next.head_number < known.head_number ||
    next.read_number < known.read_number ||
    (next.marks_version ?? 0) < (known.marks_version ?? 0);
  if (isOlder) return record;
  return settle({
    ...record,
    state: next,
    own_above: record.own_above.filter((number) => number > next.head_number),
    deleted_above: record.deleted_above.filter(({ number }) => number > next.head_number),
    heard_of: Math.max(record.heard_of, next.head_number),
  });
}

/** Takes a piece of history, old or new. */
export function takePage(record: ConversationRecord, page: Page, me: string): ConversationRecord {
  const covered = { from: page.covered_from, to: page.covered_to };
  const isOpened = page.entries.some((entry) => opensWhatWas(entry, me));
  const before = isOpened ? rangesAbove(record.held, covered.to) : record.held;
  // It may have been renamed, or the person removed, in what is passed over.
  const passes = record.top.number > 0 && covered.from > record.top.number + 1;
  let next: ConversationRecord = {
    ...record,
    held: addRange(before, covered),
    described: record.described && !passes,
  };
  for (const entry of page.entries) {
    if (entry.number > next.top.number) next = advance(next, entry, me);
  }
  if (page.covered_to > next.top.number) {
    // The rest of what the page covers is nothing that this person may see.
    next = { ...next, top: { ...next.top, number: page.covered_to } };
  }
  return page.state ? takeState(next, page.state) : settle(next);
}

/** A line of the conversation list: preview and standing without the history. */
export function takeSummary(
  record: ConversationRecord,
  state: ConversationState,
  lastEntry: Entry | undefined,
  me: string,
): ConversationRecord {
  const next = takeState(record, state);
  // Where entries are held, the history fills the hole; elsewhere the preview is all that is shown.
  if (next.held.length > 0 || state.head_number <= next.top.number) return next;
  const advanced = lastEntry ? advance(next, lastEntry, me) : next;
  return settle({
    ...advanced,
    top: { number: state.head_number, countable_total: state.head_countable_total },
    own_above: [],
    deleted_above: [],
  });
}

/** An entry was changed or hidden: the last one of the list is looked up anew. */
export function withLastEntry(
  record: ConversationRecord,
  last_entry: Entry | undefined,
): ConversationRecord {
  return { ...record, last_entry, activity_ms: last_entry?.time_unix_ms ?? record.created_ms };
}

/** Whether an entry stands in lists: what only changes another one doesn't. */
export function isShown(entry: Entry): boolean {
  return targetOf(entry) === undefined;
}

export function withSettings(
  record: ConversationRecord,
  settings: ConversationSettings,
): ConversationRecord {
  if (settings.version < record.settings.version) return record;
  return settle({ ...record, settings });
}

/** Settings of this version exist; they are asked for. */
export function hearOfSettings(record: ConversationRecord, version: number): ConversationRecord {
  return settle({ ...record, settings_heard_of: Math.max(record.settings_heard_of, version) });
}

export function isMuted({ settings }: ConversationRecord, nowMs: number): boolean {
  if (settings.mute === 'forever') return true;
  return settings.mute === 'until' && Date.parse(settings.muted_until ?? '') > nowMs;
}

/** More of the hidden entries are known now. */
export function withHiddenKnown(
  record: ConversationRecord,
  hidden_known: number,
): ConversationRecord {
  return settle({ ...record, hidden_known: Math.max(record.hidden_known, hidden_known) });
}

/** The person isn't in it any more: nothing is unread, and only what came until then is missing. */
export function leave(record: ConversationRecord): ConversationRecord {
  const { number, countable_total } = record.top;
  return settle({
    ...record,
    member: 0,
    described: true,
    state: {
      ...record.state,
      head_number: Math.max(record.state.head_number, number),
      head_countable_total: countable_total,
      unread_count: 0,
    },
    own_above: [],
    deleted_above: [],
    settings_heard_of: 0,
  });
}

/** Nor can any of it be read. */
export function close(record: ConversationRecord): ConversationRecord {
  return settle({
    ...leave(record),
    heard_of: record.top.number,
    hidden_known: record.state.hidden_count,
  });
}

/** Countable messages of others above the read mark: differences of the server's totals. */
export function unreadCount(record: ConversationRecord): number {
  const readHere = Math.max(record.wanted_read, record.state.read_number);
  if (readHere >= record.top.number) return 0;
  const { state } = record;
  const above = record.top.countable_total - state.head_countable_total - record.own_above.length;
  // The state doesn't count what was hidden by then, so it can't be counted less.
  const gone = record.deleted_above.filter(
    ({ target, hidden_as = Number.POSITIVE_INFINITY }) =>
      target > (state.counts_from_number ?? 0) && hidden_as > state.hidden_count,
  );
  return Math.max(0, state.unread_count + above - gone.length);
}

/** The unbroken run of entries that ends at the newest one. */
export function newestRange(record: ConversationRecord): Range | undefined {
  return rangeWith(record.held, record.top.number);
}

function advance(record: ConversationRecord, entry: Entry, me: string): ConversationRecord {
  const isAbove = entry.number > record.state.head_number;
  const isOwn = isAbove && entry.message !== undefined && entry.actor_id === me;
  const { number: target = 0, author_id } = entry.deleted ?? {};
  const isDeletion = isAbove && target > 0 && author_id !== me;
  // Nothing is unread for who leaves, nor for who comes back.
  const moves = comesOrGoes(entry, me);
  const describes = moves || entry.renamed !== undefined || entry.picture_changed !== undefined;
  const counts = moves ? startCounting(record, entry) : record;
  return {
    ...counts,
    top: { number: entry.number, countable_total: entry.countable_total },
    ...(isOwn && { own_above: [...counts.own_above, entry.number] }),
    ...(isDeletion && {
      deleted_above: [...counts.deleted_above, { number: entry.number, target }],
    }),
    member: moves ? (entry.joined ? 1 : 0) : record.member,
    heard_of: Math.max(record.heard_of, entry.number),
    ...(isShown(entry) && { last_entry: entry, activity_ms: entry.time_unix_ms }),
    ...(entry.joined?.user_id === me && { described: false }),
    ...(describes && { description_version: record.description_version + 1 }),
    ...(entry.renamed && { name: entry.renamed.name }),
    ...(entry.picture_changed &&
      record.group && {
        group: { ...record.group, picture_id: entry.picture_changed.picture || undefined },
      }),
  };
}

/**
 * Whether what was before this entry has to be read again: the person may see more of it, or messages were
 * deleted while they were not there to be told.
 */
function opensWhatWas(entry: Entry, me: string): boolean {
  return entry.joined?.user_id === me || entry.history_opened?.user_id === me;
}

/** Whether the person comes or goes with this entry. */
export function comesOrGoes({ joined, left, group_deleted }: Entry, me: string): boolean {
  return joined?.user_id === me || left?.user_id === me || group_deleted !== undefined;
}

function startCounting(record: ConversationRecord, entry: Entry): ConversationRecord {
  if (entry.number <= record.state.head_number) return record;
  const state = {
    ...record.state,
    head_number: entry.number,
    head_countable_total: entry.countable_total,
    counts_from_number: entry.number,
    unread_count: 0,
  };
  return { ...record, state, own_above: [], deleted_above: [] };
}

function settle(record: ConversationRecord): ConversationRecord {
  const isBehind =
    !record.described ||
    record.heard_of > record.top.number ||
    record.hidden_known < (record.state.hidden_count ?? 0) ||
    record.settings.version < record.settings_heard_of;
  const behind = isBehind ? 1 : 0;
  return { ...record, behind };
}

/** What became of a message: changes come as entries of their own and are taken in here. Pure. */
import type { Entry, Message, MessageChange, Reaction } from './wire';

/** Number of the message that this entry changes; undefined: it changes none. */
export function targetOf(entry: Entry): number | undefined {
  return (entry.edited ?? entry.deleted ?? entry.reacted)?.number;
}

/** The id under which somebody sent this entry. */
export function clientIdOf(entry: Entry): string | undefined {
  return (entry.message ?? entry.edited ?? entry.deleted ?? entry.reacted)?.client_message_id;
}

/**
 * The message with a change in it. One that is in it already changes nothing, so changes may come twice,
 * as long as they come in the order of their numbers.
 */
export function takeIn(message: Message, entry: Entry): Message {
  if (targetOf(entry) === undefined || entry.number <= (message.changed_number ?? 0)) {
    return message;
  }
  const changed_number = entry.number;
  if (entry.deleted) return { ...deletedMessage(message), changed_number };
  if (message.deleted) return { ...message, changed_number };
  if (entry.edited) {
    const { text } = entry.edited;
    return { ...message, text, edited_time_unix_ms: entry.time_unix_ms, changed_number };
  }
  const reactions = withReaction(message.reactions ?? [], entry.reacted ?? {}, entry.actor_id);
  return { ...message, reactions, changed_number };
}

/** As it will be once a change that still waits in the outbox is stored. */
export function withPending(message: Message, change: MessageChange, me: string): Message {
  if (message.deleted) return message;
  if ('delete' in change) return deletedMessage(message);
  if ('edit' in change) {
    return { ...message, text: change.edit.text, edited_time_unix_ms: Date.now() };
  }
  const { react } = change;
  const reacted = 'add' in react ? { added: react.add } : { removed: react.remove };
  return { ...message, reactions: withReaction(message.reactions ?? [], reacted, me) };
}

function deletedMessage(message: Message): Message {
  return { ...message, deleted: true, text: '', attachment_ids: [], reactions: [] };
}

function withReaction(
  reactions: readonly Reaction[],
  reacted: { added?: string; removed?: string },
  userId: string,
): Reaction[] {
  const { added, removed } = reacted;
  const without = reactions.map((kind) =>
    kind.emoji === removed
      ? { ...kind, user_ids: kind.user_ids.filter((id) => id !== userId) }
      : kind,
  );
  if (added === undefined) return without.filter((kind) => kind.user_ids.length > 0);
  const known = without.find((kind) => kind.emoji === added);
  if (!known) return [...without, { emoji: added, user_ids: [userId] }];
  if (known.user_ids.includes(userId)) return without;
  return without.map((kind) =>
    kind === known ? { ...kind, user_ids: [...kind.user_ids, userId] } : kind,
  );
}

/** Tells the server how far the person has read; says it again after a loss until the server agrees. */
import type { ClientDatabase } from './database';
import type { OutboxLink } from './outbox';
import type { ConversationState } from './wire';

/** Whether a mark has done what it can. One below the server's takes nothing off that was marked as unread. */
export function isAnswered(number: number, state: ConversationState): boolean {
  const { read_number, marked_unread } = state;
  return number < read_number || (number === read_number && !marked_unread);
}

export class ReadMarks {
  /** What waits for its effect, by conversation. */
  #sent = new Map<string, number>();

  constructor(
    private readonly database: ClientDatabase,
    private readonly link: OutboxLink,
  ) {}

  lost(): void {
    this.#sent.clear();
  }

  /** The same number may be wanted again later: it also takes a mark as unread off. */
  answered(states: readonly ConversationState[]): void {
    for (const state of states) {
      const sent = this.#sent.get(state.conversation_id);
      if (sent !== undefined && isAnswered(sent, state)) this.#sent.delete(state.conversation_id);
    }
  }

  async pump(): Promise<void> {
    if (!this.link.isOpen()) return;
    for (const { conversation_id, number } of await this.database.marks.toArray()) {
      if ((this.#sent.get(conversation_id) ?? 0) >= number) continue;
      if (this.link.send({ mark_read: { conversation_id, number } })) {
        this.#sent.set(conversation_id, number);
      }
    }
  }
}

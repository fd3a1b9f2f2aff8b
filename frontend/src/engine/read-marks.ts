/** Tells the server how far the person has read; says it again after a loss until the server agrees. */
import type { ClientDatabase } from './database';
import type { OutboxLink } from './outbox';
import type { ConversationState } from './wire';

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
    for (const { conversation_id, read_number, marked_unread } of states) {
      const sent = this.#sent.get(conversation_id);
      if (sent !== undefined && sent <= read_number && !marked_unread) {
        this.#sent.delete(conversation_id);
      }
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

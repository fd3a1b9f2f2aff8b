/** Tells the server how far the person has read; says it again after a loss until the server agrees. */
import type { ClientDatabase } from './database';
import type { OutboxLink } from './outbox';

export class ReadMarks {
  #sent = new Map<string, number>();

  constructor(
    private readonly database: ClientDatabase,
    private readonly link: OutboxLink,
  ) {}

  lost(): void {
    this.#sent.clear();
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

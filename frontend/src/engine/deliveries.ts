/**
 * Tells the server up to where this device has stored each conversation. That is told by nothing in
 * return, so it counts as told when the socket has lived on for a heartbeat.
 */
import { newestRange } from './conversation';
import type { ClientDatabase } from './database';
import type { OutboxLink } from './outbox';

export class Deliveries {
  #sent = new Map<string, number>();
  /** Was sent before the last heartbeat. */
  #older = new Map<string, number>();

  constructor(
    private readonly database: ClientDatabase,
    private readonly link: OutboxLink,
  ) {}

  lost(): void {
    this.#sent.clear();
    this.#older.clear();
  }

  async pump(): Promise<void> {
    if (!this.link.isOpen()) return;
    const untold = await this.database.conversations
      .where({ member: 1 })
      .filter((record) => record.told_delivered < record.top.number)
      .toArray();
    for (const record of untold) {
      const { conversation_id, top } = record;
      // Of a conversation that only its line is known of nothing was delivered yet.
      if (!newestRange(record)) continue;
      const known = Math.max(
        this.#sent.get(conversation_id) ?? 0,
        this.#older.get(conversation_id) ?? 0,
      );
      if (known >= top.number) continue;
      const frame = { conversation_id, number: top.number };
      if (this.link.send({ mark_delivered: frame })) this.#sent.set(conversation_id, top.number);
    }
  }

  async heartbeat(): Promise<void> {
    const told = this.#older;
    this.#older = this.#sent;
    this.#sent = new Map();
    for (const [conversation_id, number] of told) {
      await this.database.conversations.where({ conversation_id }).modify((record) => {
        record.told_delivered = Math.max(record.told_delivered, number);
      });
    }
  }
}

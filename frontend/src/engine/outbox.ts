/**
 * Sends what was written, each conversation in the order of writing. One message of a conversation is
 * under way at a time: the next goes when the server has numbered or refused the one before, so nothing
 * can overtake.
 */
import { inBackground } from './background';
import type { ClientDatabase, OutboxItem } from './database';
import type { Timing } from './ports';
import type { ServerClock } from './server-clock';
import type { ClientFrame, Refused } from './wire';

interface UnderWay {
  client_message_id: string;
  timer: ReturnType<typeof setTimeout>;
}

export interface OutboxLink {
  isOpen(): boolean;
  send(frame: ClientFrame): boolean;
}

function frameOf(item: OutboxItem, attempt: number): ClientFrame {
  const common = {
    client_message_id: item.client_message_id,
    conversation_id: item.conversation_id,
    attempt,
    outbox_restart: item.restart,
  };
  if (item.kind === 'change') return { change: { ...common, number: item.target, ...item.change } };
  const { text, attachment_ids, reply_to_number } = item;
  return { send: { ...common, text, attachment_ids, reply_to_number } };
}

export class Outbox {
  #underWay = new Map<string, UnderWay>();
  #resting = new Map<string, ReturnType<typeof setTimeout>>();
  #pumping = false;
  #again = false;

  constructor(
    private readonly database: ClientDatabase,
    private readonly link: OutboxLink,
    private readonly clock: ServerClock,
    private readonly timing: Timing,
  ) {}

  /** Sends what can be sent now. */
  pump(): void {
    this.#again = true;
    if (!this.#pumping) inBackground(this.#run());
  }

  /** The socket is gone: only the server knows what became of what was under way. */
  lost(): void {
    for (const { timer } of this.#underWay.values()) clearTimeout(timer);
    for (const timer of this.#resting.values()) clearTimeout(timer);
    this.#underWay.clear();
    this.#resting.clear();
  }

  answered(clientMessageIds: readonly string[]): void {
    for (const [conversationId, item] of this.#underWay) {
      if (clientMessageIds.includes(item.client_message_id)) this.#settle(conversationId);
    }
    this.pump();
  }

  async refused(refusal: Refused): Promise<void> {
    const { client_message_id, conversation_id, code, detail } = refusal;
    if (this.#underWay.get(conversation_id)?.client_message_id === client_message_id) {
      this.#settle(conversation_id);
    }
    const row = this.database.outbox.where({ client_message_id });
    if (refusal.retry) {
      await row.modify({ restart: true });
      this.#rest(conversation_id, refusal.retry_after_ms);
    } else if (code === 'client_message_id_in_future') {
      // Written before the server's time was known. The refusal is final for the id, not for the text.
      await row.modify({ client_message_id: this.clock.newId(), attempt: 0 });
    } else if (code === 'target_deleted') {
      // Everybody sees that the message is gone: there is nothing to say.
      await row.delete();
    } else {
      await row.modify({ status: 'refused', refusal: { code, detail } });
    }
    this.pump();
  }

  async #run(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#again) {
        this.#again = false;
        if (this.link.isOpen()) await this.#sendFirsts();
      }
    } finally {
      this.#pumping = false;
    }
  }

  async #sendFirsts(): Promise<void> {
    const waiting = await this.database.outbox.where({ status: 'waiting' }).sortBy('position');
    const seen = new Set<string>();
    for (const item of waiting) {
      const id = item.conversation_id;
      if (seen.has(id)) continue;
      seen.add(id);
      if (!this.#underWay.has(id) && !this.#resting.has(id)) await this.#send(item);
    }
  }

  async #send(item: OutboxItem): Promise<void> {
    const attempt = item.attempt + 1;
    // Counted before it leaves: after a crash the next one must not pass for the first.
    const changed = await this.database.outbox.update(item.position, { attempt, restart: false });
    if (changed === 0 || !this.link.isOpen()) return;
    const timer = setTimeout(() => {
      this.#settle(item.conversation_id);
      this.pump();
    }, this.timing.answerTimeout);
    this.#underWay.set(item.conversation_id, { client_message_id: item.client_message_id, timer });
    this.link.send(frameOf(item, attempt));
  }

  #settle(conversationId: string): void {
    clearTimeout(this.#underWay.get(conversationId)?.timer);
    this.#underWay.delete(conversationId);
  }

  #rest(conversationId: string, ms: number): void {
    clearTimeout(this.#resting.get(conversationId));
    const timer = setTimeout(() => {
      this.#resting.delete(conversationId);
      this.pump();
    }, ms);
    this.#resting.set(conversationId, timer);
  }
}

/**
 * Sends what was written, each conversation in the order of writing. Several messages of a conversation may
 * be under way: the server takes the frames of a socket in their order, and after a refusal with retry it
 * takes none of the conversation until that begins anew from its oldest unanswered one. So nothing can
 * overtake, whatever is refused, lost or answered twice.
 */

import { inBackground, OneAtATime } from './background';
import { Backoff } from './backoff';
import type { ClientDatabase, OutboxItem } from './database';
import type { Timing } from './ports';
import type { ServerClock } from './server-clock';
import type { ClientFrame, Refused } from './wire';

/**
 * Of one conversation. More than anybody types while an answer is on its way, and what was written offline
 * goes in a few rounds; yet several conversations at once stay within the frames that the server takes from a
 * person in a burst (200), and what a refusal sends once more is little.
 */
export const IN_FLIGHT_AT_MOST = 32;

export interface OutboxLink {
  isOpen(): boolean;
  send(frame: ClientFrame): boolean;
}

function frameOf(item: OutboxItem, outbox_restart: boolean): ClientFrame {
  const { client_message_id, conversation_id, attempt } = item;
  const common = { client_message_id, conversation_id, attempt, outbox_restart };
  if (item.kind === 'change') return { change: { ...common, number: item.target, ...item.change } };
  const { text, attachment_ids, reply_to_number } = item;
  return { send: { ...common, text, attachment_ids, reply_to_number } };
}

/** What of one conversation is under way on this connection. */
class Lane {
  readonly #inFlight = new Set<string>();
  #restarts = false;
  #isFirst = true;
  #isResting = false;
  /** Times in a row that answers were overdue. */
  #overdue = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #refusals: Backoff;

  constructor(
    private readonly timing: Timing,
    private readonly wake: () => void,
  ) {
    this.#refusals = new Backoff(timing.resendFirst, timing.resendCeiling);
  }

  get room(): number {
    return this.#isResting ? 0 : IN_FLIGHT_AT_MOST - this.#inFlight.size;
  }

  holds(clientMessageId: string): boolean {
    return this.#inFlight.has(clientMessageId);
  }

  take(clientMessageId: string): void {
    this.#inFlight.add(clientMessageId);
    if (this.#inFlight.size === 1) this.#expectAnswer();
  }

  /** Whether the frame that leaves now is the first of a new beginning. */
  restartsWith(item: OutboxItem): boolean {
    // On an earlier connection it may have been refused, and with it what followed.
    const restarts = this.#restarts || (this.#isFirst && item.attempt > 1);
    this.#restarts = false;
    this.#isFirst = false;
    return restarts;
  }

  answered(clientMessageIds: readonly string[]): void {
    const before = this.#inFlight.size;
    for (const id of clientMessageIds) this.#inFlight.delete(id);
    if (this.#inFlight.size === before) return;
    this.#overdue = 0;
    this.#refusals.reset();
    this.#expectAnswer();
  }

  /** Refused with retry. Those that followed were refused too, which adds nothing. */
  rest(clientMessageId: string, retryAfterMs: number): void {
    if (!this.#inFlight.has(clientMessageId)) return;
    this.#beginAnew();
    this.#isResting = true;
    this.#timer = setTimeout(() => {
      this.#isResting = false;
      this.wake();
    }, retryAfterMs + this.#refusals.nextMs());
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #expectAnswer(): void {
    clearTimeout(this.#timer);
    if (this.#inFlight.size === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#overdue += 1;
        this.#beginAnew();
        this.wake();
      },
      this.timing.answerTimeout * 2 ** Math.min(this.#overdue, 3),
    );
  }

  #beginAnew(): void {
    clearTimeout(this.#timer);
    this.#inFlight.clear();
    this.#restarts = true;
  }
}

export class Outbox {
  #lanes = new Map<string, Lane>();
  readonly #sending = new OneAtATime(() => this.#sendNext());

  constructor(
    private readonly database: ClientDatabase,
    private readonly link: OutboxLink,
    private readonly clock: ServerClock,
    private readonly timing: Timing,
  ) {}

  /** Sends what can be sent now. */
  pump(): void {
    inBackground(this.#sending.run());
  }

  /** The socket is gone: only the server knows what became of what was under way. */
  lost(): void {
    for (const lane of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }

  answered(clientMessageIds: readonly string[]): void {
    for (const lane of this.#lanes.values()) lane.answered(clientMessageIds);
    this.pump();
  }

  async refused(refusal: Refused): Promise<void> {
    const { client_message_id, conversation_id, code, detail } = refusal;
    const lane = this.#lanes.get(conversation_id);
    if (refusal.retry) {
      lane?.rest(client_message_id, refusal.retry_after_ms);
      return;
    }
    const row = this.database.outbox.where({ client_message_id });
    if (code === 'target_deleted') {
      // Everybody sees that the message is gone: there is nothing to say.
      await row.delete();
    } else {
      await row.modify({ status: 'refused', refusal: { code, detail } });
    }
    // Only now: it would be sent again.
    lane?.answered([client_message_id]);
    this.pump();
  }

  async #sendNext(): Promise<void> {
    const { outbox } = this.database;
    // Counted before it leaves: after a crash the next one must not pass for the first.
    const leaving = await this.database.transaction('rw', outbox, async () => {
      const next = this.#takeNext(await outbox.where({ status: 'waiting' }).sortBy('position'));
      await outbox.bulkPut(next);
      return next;
    });
    for (const item of leaving) {
      const lane = this.#lanes.get(item.conversation_id);
      // Else the lane began anew meanwhile, and this one waits until those before it were sent again.
      if (!lane?.holds(item.client_message_id)) continue;
      this.link.send(frameOf(item, lane.restartsWith(item)));
    }
  }

  /** The oldest of each conversation, as many as there is room for, are under way from now on. */
  #takeNext(waiting: readonly OutboxItem[]): OutboxItem[] {
    // It may have gone while the store was read.
    if (!this.link.isOpen()) return [];
    return waiting.flatMap((item) => {
      const lane = this.#lane(item.conversation_id);
      if (lane.room === 0 || lane.holds(item.client_message_id)) return [];
      const isNew = item.attempt === 0;
      // Made before the server's time was known. It was never sent, so another id is as good.
      const client_message_id =
        isNew && this.clock.isAhead(item.client_message_id)
          ? this.clock.newId()
          : item.client_message_id;
      lane.take(client_message_id);
      return [{ ...item, client_message_id, attempt: item.attempt + 1 }];
    });
  }

  #lane(conversationId: string): Lane {
    const lane = this.#lanes.get(conversationId) ?? new Lane(this.timing, () => this.pump());
    this.#lanes.set(conversationId, lane);
    return lane;
  }
}

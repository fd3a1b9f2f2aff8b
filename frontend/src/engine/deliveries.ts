/**
 * Tells the server up to where this device has stored each conversation. That is told by nothing in
 * return: it counts as told when a heartbeat has counted its frame, and another one that is a while younger
 * has come without a complaint.
 */
import { OneAtATime } from './background';
import { newestRange } from './conversation';
import type { ClientDatabase } from './database';
import type { OutboxLink } from './outbox';
import type { Timing } from './ports';
import type { Heartbeat } from './wire';

export interface CountingLink extends OutboxLink {
  /** Frames sent on this socket since `welcome`. */
  framesSent(): number;
}

interface OnItsWay {
  number: number;
  /** It is at the latest this frame of the socket. */
  frame: number;
  /** When a heartbeat counted it, by this device's clock and by the server's. */
  read?: { atMs: number; serverMs: number };
}

export class Deliveries {
  #sent = new Map<string, OnItsWay>();
  readonly #telling = new OneAtATime(() => this.#tell());

  constructor(
    private readonly database: ClientDatabase,
    private readonly link: CountingLink,
    private readonly timing: Timing,
  ) {}

  lost(): void {
    this.#sent.clear();
  }

  pump(): Promise<void> {
    return this.#telling.run();
  }

  async #tell(): Promise<void> {
    if (!this.link.isOpen()) return;
    const untold = await this.database.conversations
      .where({ member: 1 })
      .filter((record) => record.told_delivered < record.top.number)
      .toArray();
    for (const record of untold) {
      const { conversation_id, top } = record;
      // Of a conversation that only its line is known of nothing was delivered yet.
      if (!newestRange(record)) continue;
      if ((this.#sent.get(conversation_id)?.number ?? 0) >= top.number) continue;
      const frame = { conversation_id, number: top.number };
      if (this.link.send({ mark_delivered: frame })) {
        this.#sent.set(conversation_id, { number: top.number, frame: this.link.framesSent() });
      }
    }
  }

  async heartbeat({ frames_received, server_time_unix_ms }: Heartbeat): Promise<void> {
    const atMs = performance.now();
    const told: [string, number][] = [];
    for (const [id, mark] of this.#sent) {
      if (!mark.read) {
        if (mark.frame <= frames_received) mark.read = { atMs, serverMs: server_time_unix_ms };
        continue;
      }
      const { settledAfter } = this.timing;
      const isOld = mark.read.atMs + settledAfter <= atMs;
      if (isOld && mark.read.serverMs + settledAfter <= server_time_unix_ms) {
        this.#sent.delete(id);
        told.push([id, mark.number]);
      }
    }
    for (const [conversation_id, number] of told) {
      await this.database.conversations.where({ conversation_id }).modify((record) => {
        record.told_delivered = Math.max(record.told_delivered, number);
      });
    }
  }
}

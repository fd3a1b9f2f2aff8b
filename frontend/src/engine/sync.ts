/**
 * Brings the store up to the server after a gap: resume where the server vouches for continuity, else a
 * comparison of all heads, and for each conversation that is behind the entries that are missing.
 */

import { inBackground } from './background';
import { Backoff } from './backoff';
import { type ConversationRecord, close, leave, withDescription } from './conversation';
import type { ClientDatabase } from './database';
import type { Inbox } from './inbox';
import { type EngineApi, NotAllowed, type Timing } from './ports';
import type { Heartbeat, Resumed, Welcome } from './wire';

const PAGE = 100;
/** A conversation that is further behind shows its newest page; what is between comes as one scrolls. */
const FILL_AT_MOST = 500;
const REPAIRS_AT_ONCE = 4;

export class Sync {
  /** Set while the store can't be continued from a cursor. */
  #comparing: Promise<void> | undefined;
  #compareAgain = false;
  #awaitingResumed = false;
  /** Stands for what was sent on this socket; kept once the comparison is through. */
  #pendingCursor: string | undefined;
  #queue = new Set<string>();
  #repairing = new Set<string>();
  /** Work of an earlier socket stops when this changes. */
  #epoch = 0;
  #connected = false;

  constructor(
    private readonly database: ClientDatabase,
    private readonly api: EngineApi,
    private readonly inbox: Inbox,
    private readonly timing: Timing,
    private readonly changed: () => void,
  ) {}

  get isCaughtUp(): boolean {
    return (
      this.#connected &&
      !this.#awaitingResumed &&
      !this.#comparing &&
      this.#queue.size === 0 &&
      this.#repairing.size === 0
    );
  }

  welcomed(welcome: Welcome, cursorSent: string): void {
    this.#epoch += 1;
    this.#connected = true;
    this.#pendingCursor = undefined;
    this.#awaitingResumed = cursorSent !== '';
    if (cursorSent === '') {
      this.#pendingCursor = welcome.cursor;
      this.#compare();
    }
    inBackground(this.#queueBehind());
    this.changed();
  }

  resumed(resumed: Resumed): void {
    this.#awaitingResumed = false;
    this.inbox.post({ resumed });
    if (resumed.complete) {
      this.#keepCursor(resumed.cursor);
    } else {
      this.#pendingCursor = resumed.cursor;
      this.#compare();
    }
    this.changed();
  }

  heartbeat(heartbeat: Heartbeat): void {
    // Until `resumed` has come only the older cursor covers what was missed.
    if (!this.#awaitingResumed) this.#keepCursor(heartbeat.cursor);
  }

  resync(): void {
    this.#pendingCursor = undefined;
    // A reload in the middle must compare too.
    this.inbox.post({ cursor: '' });
    this.#compare();
  }

  lost(): void {
    this.#epoch += 1;
    this.#connected = false;
    this.#awaitingResumed = false;
    this.#compareAgain = false;
    this.#comparing = undefined;
    this.#queue.clear();
    this.#repairing.clear();
    this.changed();
  }

  repair(conversationIds: readonly string[]): void {
    if (!this.#connected) return;
    for (const id of conversationIds) if (!this.#repairing.has(id)) this.#queue.add(id);
    while (this.#repairing.size < REPAIRS_AT_ONCE) {
      const [next] = this.#queue;
      if (next === undefined) break;
      this.#queue.delete(next);
      this.#repairing.add(next);
      inBackground(this.#repairOne(next, this.#epoch));
    }
    this.changed();
  }

  #keepCursor(cursor: string): void {
    if (cursor === '') return;
    if (this.#comparing) this.#pendingCursor = cursor;
    else this.inbox.post({ cursor });
  }

  async #queueBehind(): Promise<void> {
    const epoch = this.#epoch;
    await this.inbox.idle();
    const behind = await this.database.conversations.where({ behind: 1 }).primaryKeys();
    if (epoch === this.#epoch) this.repair(behind);
  }

  #compare(): void {
    // One that is under way may have read before what is now in doubt.
    if (this.#comparing) {
      this.#compareAgain = true;
      return;
    }
    const epoch = this.#epoch;
    this.#comparing = this.#compareUntilDone(epoch).then(() => {
      if (epoch !== this.#epoch) return;
      this.#comparing = undefined;
      if (this.#compareAgain) {
        this.#compare();
        return;
      }
      if (this.#pendingCursor !== undefined) this.inbox.post({ cursor: this.#pendingCursor });
      this.#pendingCursor = undefined;
      this.changed();
    });
    this.changed();
  }

  async #compareUntilDone(epoch: number): Promise<void> {
    do {
      this.#compareAgain = false;
      await this.#untilItWorks(epoch, () => this.#compareOnce(epoch));
    } while (this.#compareAgain && epoch === this.#epoch);
  }

  async #compareOnce(epoch: number): Promise<void> {
    const asked = new Map<string, number>();
    const unseen = new Set<string>();
    await this.database.conversations.each((record) => {
      asked.set(record.conversation_id, record.description_version);
      if (record.member === 1) unseen.add(record.conversation_id);
    });
    let cursor: string | undefined;
    do {
      const page = await this.api.listConversations(cursor);
      if (epoch !== this.#epoch) return;
      await this.inbox.takeLines(page.items, asked);
      for (const line of page.items) unseen.delete(line.conversation.conversation_id);
      cursor = page.next_cursor;
    } while (cursor !== undefined && cursor !== '');
    for (const id of unseen) await this.#withDescription(id);
  }

  async #repairOne(id: string, epoch: number): Promise<void> {
    await this.#untilItWorks(epoch, async () => {
      for (;;) {
        const record = await this.database.conversations.get(id);
        if (!record?.behind || epoch !== this.#epoch) return;
        if (!record.described) {
          await this.#withDescription(id);
          continue;
        }
        if (record.hidden_known < record.state.hidden_count) {
          await this.#fetchHidden(id);
          continue;
        }
        if (record.settings.version < record.settings_heard_of) {
          await this.#fetchSettings(id);
          continue;
        }
        const missing = record.heard_of - record.top.number;
        const position =
          record.held.length === 0 || missing > FILL_AT_MOST
            ? { before: record.heard_of + 1 }
            : { after: record.top.number };
        await this.#fetch(id, position);
        const after = await this.database.conversations.get(id);
        if (after?.behind && after.top.number === record.top.number) {
          throw new Error(`the history of ${id} ends before ${after.heard_of}`);
        }
      }
    });
    if (epoch !== this.#epoch) return;
    this.#repairing.delete(id);
    // Something may have come between the last look and now.
    const record = await this.database.conversations.get(id);
    if (epoch === this.#epoch) this.repair(record?.behind ? [id] : []);
  }

  async #fetch(id: string, position: { after: number } | { before: number }): Promise<void> {
    await this.#whileReadable(id, async () => {
      await this.inbox.takePage(id, await this.api.listEntries(id, position, PAGE));
    });
  }

  async #fetchSettings(id: string): Promise<void> {
    await this.#whileMember(id, async () => {
      await this.inbox.takeSettings(id, await this.api.getSettings(id));
    });
  }

  async #fetchHidden(id: string): Promise<void> {
    await this.#whileReadable(id, async () => {
      await this.inbox.takeHidden(id, await this.api.listHidden(id));
    });
  }

  async #withDescription(id: string): Promise<void> {
    const asked = (await this.database.conversations.get(id))?.description_version ?? 0;
    await this.#whileMember(id, async () => {
      const description = await this.api.getConversation(id);
      await this.#change(id, (record) => withDescription(record, description, asked));
    });
  }

  /** Of what is for everybody who ever was a member. */
  async #whileReadable(id: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      await this.#change(id, close);
    }
  }

  /** Of what is for members only. Who isn't one any more may still read what came until then. */
  async #whileMember(id: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      await this.#change(id, leave);
      await this.database.marks.delete(id);
      const record = await this.database.conversations.get(id);
      if (record) await this.#fetch(id, { after: record.top.number });
    }
  }

  async #change(
    id: string,
    change: (record: ConversationRecord) => ConversationRecord,
  ): Promise<void> {
    await this.database.conversations.where({ conversation_id: id }).modify((record, reference) => {
      reference.value = change(record);
    });
  }

  /** Errors of the network pass; each is tried again for as long as this socket lives. */
  async #untilItWorks(epoch: number, task: () => Promise<void>): Promise<void> {
    const backoff = new Backoff(this.timing.repairFirst, this.timing.repairCeiling);
    while (epoch === this.#epoch) {
      try {
        return await task();
      } catch (error) {
        if (epoch === this.#epoch) console.warn('catching up is tried again', error);
        await new Promise((resolve) => setTimeout(resolve, backoff.nextMs() + 1));
      }
    }
  }
}

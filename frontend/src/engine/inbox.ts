/**
 * Writes what the server says into the store, in the order in which it was said. One transaction takes
 * all frames that wait, so a burst costs little more than one frame.
 */

import { inBackground } from './background';
import {
  type ConversationRecord,
  type Page,
  takeEntry,
  takePage,
  takeState,
  takeSummary,
  unknownConversation,
  withDescription,
} from './conversation';
import type { ClientDatabase } from './database';
import type { ConversationLine } from './ports';
import type { ConversationState, Entry, Refused, ServerFrame } from './wire';

/** A frame to apply, or a cursor that stands for all frames before it. */
export type Letter = ServerFrame | { cursor: string };

export interface InboxEvents {
  /** These conversations may miss something now. */
  touched(conversationIds: string[]): void;
  answered(clientMessageIds: string[]): void;
  refused(refusals: Refused[]): void;
  states(states: ConversationState[]): void;
  newEntries(entries: Entry[]): void;
}

export class Inbox {
  #waiting: Letter[] = [];
  #running: Promise<void> | undefined;

  constructor(
    private readonly database: ClientDatabase,
    private readonly me: string,
    private readonly events: InboxEvents,
  ) {}

  post(letter: Letter): void {
    this.#waiting.push(letter);
    if (this.#running) return;
    this.#running = this.#run();
    inBackground(this.#running);
  }

  /** When all that was posted is in the store. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  /** A piece of history; also called by tabs that hold no socket. */
  async takePage(conversationId: string, page: Page): Promise<void> {
    const batch = new Batch(this.database, this.me);
    await batch.write(async () => {
      const before = await batch.record(conversationId);
      batch.put(takePage(before, page, this.me));
      for (const entry of page.entries) batch.store(entry);
      if (page.state) await batch.reached(page.state);
    });
    this.#tell(batch);
  }

  /** Lines of the conversation list. */
  async takeLines(lines: readonly ConversationLine[]): Promise<void> {
    const batch = new Batch(this.database, this.me);
    await batch.write(async () => {
      for (const { conversation, state, last_entry } of lines) {
        const before = await batch.record(conversation.conversation_id);
        batch.put(takeSummary(withDescription(before, conversation), state, last_entry, this.me));
        await batch.reached(state);
      }
    });
    this.#tell(batch);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const letters = this.#waiting;
      this.#waiting = [];
      const batch = new Batch(this.database, this.me);
      await batch.write(async () => {
        for (const letter of letters) await batch.take(letter);
      });
      this.#tell(batch);
    }
    this.#running = undefined;
  }

  #tell(batch: Batch): void {
    if (batch.answered.length > 0) this.events.answered(batch.answered);
    if (batch.refusals.length > 0) this.events.refused(batch.refusals);
    if (batch.states.length > 0) this.events.states(batch.states);
    if (batch.fresh.length > 0) this.events.newEntries(batch.fresh);
    const behind = batch.behind();
    if (behind.length > 0) this.events.touched(behind);
  }
}

/** One transaction: records are read once, changed in memory, written once. */
class Batch {
  readonly answered: string[] = [];
  readonly refusals: Refused[] = [];
  readonly states: ConversationState[] = [];
  readonly fresh: Entry[] = [];
  #records = new Map<string, ConversationRecord>();
  #entries: Entry[] = [];
  #own: string[] = [];
  #stored = new Map<string, number>();
  #cursor: string | undefined;

  constructor(
    private readonly database: ClientDatabase,
    private readonly me: string,
  ) {}

  async write(change: () => Promise<void>): Promise<void> {
    const { conversations, entries, outbox, marks, meta } = this.database;
    await this.database.transaction(
      'rw',
      [conversations, entries, outbox, marks, meta],
      async () => {
        await change();
        await conversations.bulkPut([...this.#records.values()]);
        await entries.bulkPut(this.#entries);
        if (this.#own.length > 0) {
          await outbox.where('client_message_id').anyOf(this.#own).delete();
          this.answered.push(...this.#own);
        }
        if (this.#stored.size > 0) {
          const ids = [...this.#stored.keys()];
          await outbox
            .where('client_message_id')
            .anyOf(ids)
            .modify((item) => {
              item.status = 'stored';
              item.number = this.#stored.get(item.client_message_id) ?? 0;
            });
          this.answered.push(...ids);
        }
        await this.#passStored();
        if (this.#cursor !== undefined) await this.database.writeMeta('cursor', this.#cursor);
      },
    );
  }

  async record(conversationId: string): Promise<ConversationRecord> {
    return (
      this.#records.get(conversationId) ??
      (await this.database.conversations.get(conversationId)) ??
      unknownConversation(conversationId)
    );
  }

  put(record: ConversationRecord): void {
    this.#records.set(record.conversation_id, record);
  }

  /** Its own entry is what takes a message out of the outbox: the screen shows one or the other. */
  store(entry: Entry): void {
    this.#entries.push(entry);
    if (entry.message && entry.actor_id === this.me) {
      this.#own.push(entry.message.client_message_id);
    }
  }

  async reached(state: ConversationState): Promise<void> {
    this.states.push(state);
    const mark = await this.database.marks.get(state.conversation_id);
    if (mark && mark.number <= state.read_number) {
      await this.database.marks.delete(state.conversation_id);
    }
  }

  behind(): string[] {
    return [...this.#records.values()]
      .filter((record) => record.behind === 1)
      .map((record) => record.conversation_id);
  }

  async take(letter: Letter): Promise<void> {
    if ('cursor' in letter) {
      this.#cursor = letter.cursor;
    } else if ('entry' in letter) {
      const before = await this.record(letter.entry.conversation_id);
      const { record, taken } = takeEntry(before, letter.entry, this.me);
      this.put(record);
      if (taken) this.store(letter.entry);
      if (record.top.number > before.top.number) this.fresh.push(letter.entry);
    } else if ('state' in letter) {
      await this.#takeState(letter.state);
    } else if ('resumed' in letter) {
      for (const state of letter.resumed.changed) await this.#takeState(state);
    } else if ('accepted' in letter) {
      const { conversation_id, client_message_id, number } = letter.accepted;
      const record = await this.record(conversation_id);
      if (number <= record.top.number) {
        this.#own.push(client_message_id);
      } else {
        this.#stored.set(client_message_id, number);
        this.put({ ...record, heard_of: Math.max(record.heard_of, number), behind: 1 });
      }
    } else if ('refused' in letter) {
      this.refusals.push(letter.refused);
    }
  }

  /** A jump over a stored message leaves its entry to the history: nothing else will come for it. */
  async #passStored(): Promise<void> {
    await this.database.outbox
      .where({ status: 'stored' })
      .filter((item) => {
        const record = this.#records.get(item.conversation_id);
        return record !== undefined && (item.number ?? 0) <= record.top.number;
      })
      .delete();
  }

  async #takeState(state: ConversationState): Promise<void> {
    this.put(takeState(await this.record(state.conversation_id), state));
    await this.reached(state);
  }
}

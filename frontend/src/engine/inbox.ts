/**
 * Writes what the server says into the store, in the order in which it was said. One transaction takes
 * all frames that wait, so a burst costs little more than one frame.
 */
import { eachInTransaction, inBackground } from './background';
import {
  type ConversationRecord,
  type ConversationSettings,
  comesOrGoes,
  type Deletion,
  hearOfSettings,
  isShown,
  type Page,
  takeEntry,
  takePage,
  takeState,
  takeSummary,
  unknownConversation,
  withDescription,
  withHiddenKnown,
  withLastEntry,
  withSettings,
} from './conversation';
import type { ClientDatabase, HiddenEntry, MemberMarks, StoredEntry } from './database';
import { clientIdOf, takeIn, targetOf } from './message-changes';
import type { ConversationLine } from './ports';
import { isAnswered } from './read-marks';
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
  /** Something was stored. */
  stored(): void;
  /** What a socket brought could not be stored. Only the cursor in the store reaches back before it. */
  failed(): void;
}

/** How far back a last entry is looked for that isn't hidden. */
const LOOK_BACK = 50;

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
    await this.#inBatch(async (batch) => {
      const before = await batch.record(conversationId);
      batch.put(takePage(before, page, this.me));
      for (const entry of page.entries) if (entry.number > before.top.number) batch.moved(entry);
      await eachInTransaction(page.entries, (entry) => batch.store(entry));
      if (page.state) await batch.reached(page.state);
    });
  }

  /** Lines of the conversation list; `asked`: the versions of the descriptions when it was asked for. */
  async takeLines(
    lines: readonly ConversationLine[],
    asked: ReadonlyMap<string, number>,
  ): Promise<void> {
    await this.#inBatch(async (batch) => {
      await eachInTransaction(lines, async ({ conversation, state, last_entry, settings }) => {
        const id = conversation.conversation_id;
        const described = withDescription(await batch.record(id), conversation, asked.get(id) ?? 0);
        const next = takeSummary(described, state, last_entry, this.me);
        batch.put(settings ? withSettings(next, settings) : next);
        await batch.reached(state);
      });
    });
  }

  /** Everything that the person has hidden in a conversation. */
  async takeHidden(conversationId: string, numbers: readonly number[]): Promise<void> {
    const rows = numbers.map((number, index) => ({ number, position: index + 1 }));
    await this.#inBatch((batch) => batch.hide(conversationId, rows, numbers.length));
  }

  /** One more, hidden on this device; `count`: how many there are with it. */
  async takeHiddenNow(conversationId: string, number: number, count: number): Promise<void> {
    await this.#inBatch((batch) => batch.hideNext(conversationId, number, count));
  }

  async takeSettings(conversationId: string, settings: ConversationSettings): Promise<void> {
    await this.#inBatch(async (batch) => {
      batch.put(withSettings(await batch.record(conversationId), settings));
    });
  }

  /** How far the members of a conversation have got. */
  async takeMarks(marks: readonly MemberMarks[]): Promise<void> {
    await this.#inBatch((batch) => eachInTransaction(marks, (mark) => batch.receipt(mark)));
  }

  /** The answer to a call that moved the person's own marks. */
  async takeState(state: ConversationState): Promise<void> {
    await this.#inBatch((batch) => batch.take({ state }));
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const letters = this.#waiting;
        this.#waiting = [];
        await this.#inBatch((batch) => eachInTransaction(letters, (letter) => batch.take(letter)));
      }
    } catch (error) {
      // What follows would stand behind a hole that nothing tells of.
      this.#waiting = [];
      this.events.failed();
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #inBatch(change: (batch: Batch) => Promise<void>): Promise<void> {
    const batch = new Batch(this.database, this.me);
    await batch.write(() => change(batch));
    if (batch.answered.length > 0) this.events.answered(batch.answered);
    if (batch.refusals.length > 0) this.events.refused(batch.refusals);
    if (batch.states.length > 0) this.events.states(batch.states);
    if (batch.fresh.length > 0) this.events.newEntries(batch.fresh);
    const behind = batch.behind();
    if (behind.length > 0) this.events.touched(behind);
    this.events.stored();
  }
}

/** One transaction: records are read once, changed in memory, written once. */
class Batch {
  readonly answered: string[] = [];
  readonly refusals: Refused[] = [];
  readonly states: ConversationState[] = [];
  readonly fresh: Entry[] = [];
  #records = new Map<string, ConversationRecord>();
  #entries = new Map<string, StoredEntry>();
  #hidden = new Map<string, HiddenEntry>();
  /** Their last entry has to be looked up anew. */
  #withoutLast = new Set<string>();
  #receipts = new Map<string, MemberMarks>();
  /** By which entry the person last came or went: marks of before say nothing any more. */
  #moved = new Map<string, number>();
  #own: string[] = [];
  #stored = new Map<string, number>();
  #cursor: string | undefined;

  constructor(
    private readonly database: ClientDatabase,
    private readonly me: string,
  ) {}

  async write(change: () => Promise<void>): Promise<void> {
    const { conversations, entries, hidden, receipts, outbox, marks, meta } = this.database;
    await this.database.transaction(
      'rw',
      [conversations, entries, hidden, receipts, outbox, marks, meta],
      async () => {
        await change();
        await entries.bulkPut([...this.#entries.values()]);
        await hidden.bulkPut([...this.#hidden.values()]);
        await receipts.bulkPut([...this.#receipts.values()]);
        await eachInTransaction(this.#withoutLast, (id) => this.#findLastEntry(id));
        const records = [...this.#records.values()];
        const withDeletions = records.filter((record) => record.deleted_above.length > 0);
        await eachInTransaction(withDeletions, (record) => this.#noteHidden(record));
        await conversations.bulkPut([...this.#records.values()]);
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
        await eachInTransaction(this.#moved, ([id, number]) =>
          marks
            .where({ conversation_id: id })
            .filter((mark) => mark.number <= number)
            .delete(),
        );
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

  /**
   * An entry of the history is as it was when it was read, and a change of it may have come meanwhile: of
   * two states of a message the one with the later change stands, and changes that are held go into it.
   */
  async store(entry: Entry): Promise<void> {
    // Its own entry is what takes something out of the outbox: the screen shows one or the other.
    const clientId = clientIdOf(entry);
    if (clientId !== undefined && entry.actor_id === this.me) this.#own.push(clientId);
    const { conversation_id, number, message } = entry;
    if (message) {
      const held = (await this.#entry(conversation_id, number))?.message;
      const isOlder = (held?.changed_number ?? 0) > (message.changed_number ?? 0);
      let now = isOlder && held ? held : message;
      for (const change of await this.#changesOf(conversation_id, number))
        now = takeIn(now, change);
      this.#putEntry({ ...entry, message: now });
      return;
    }
    const target = targetOf(entry);
    if (target === undefined) {
      this.#putEntry(entry);
      return;
    }
    this.#putEntry({ ...entry, target });
    await this.#change(target, entry);
    await this.#forgetEdits(conversation_id, target);
  }

  /** What was said in edits of a message goes with it. */
  async #forgetEdits(conversationId: string, target: number): Promise<void> {
    const changes = await this.#changesOf(conversationId, target);
    if (!changes.some((change) => change.deleted)) return;
    for (const change of changes) {
      if (change.edited?.text) {
        this.#putEntry({ ...change, target, edited: { ...change.edited, text: '' } });
      }
    }
  }

  /** `known`: how many are known with these. */
  async hide(
    conversation_id: string,
    rows: readonly { number: number; position: number }[],
    known: number,
  ): Promise<void> {
    const record = await this.record(conversation_id);
    await eachInTransaction(rows, async ({ number, position }) => {
      const before = await this.#hiddenEntry(conversation_id, number);
      // Told twice, the second time may say how many there are by then.
      const first = Math.min(position, before?.position ?? position);
      this.#hidden.set(`${conversation_id} ${number}`, {
        conversation_id,
        number,
        position: first,
      });
      if (record.last_entry?.number === number) this.#withoutLast.add(conversation_id);
    });
    this.put(withHiddenKnown(record, known));
  }

  /** One more; if it doesn't follow on what is known, all are asked for. */
  async hideNext(conversationId: string, number: number, count: number): Promise<void> {
    const { hidden_known } = await this.record(conversationId);
    // One that was known says nothing of another that makes up the count.
    const isNew = (await this.#hiddenEntry(conversationId, number)) === undefined;
    const known = isNew && hidden_known + 1 >= count ? count : hidden_known;
    await this.hide(conversationId, [{ number, position: count }], known);
  }

  async receipt(marks: MemberMarks): Promise<void> {
    const { conversation_id, user_id } = marks;
    const key = `${conversation_id} ${user_id}`;
    const known =
      this.#receipts.get(key) ?? (await this.database.receipts.get([conversation_id, user_id]));
    this.#receipts.set(key, {
      conversation_id,
      user_id,
      delivered_number: Math.max(marks.delivered_number, known?.delivered_number ?? 0),
      read_number: Math.max(marks.read_number, known?.read_number ?? 0),
    });
  }

  /** The first time that this entry is seen here. */
  moved(entry: Entry): void {
    if (!comesOrGoes(entry, this.me)) return;
    const { conversation_id, number } = entry;
    this.#moved.set(conversation_id, Math.max(number, this.#moved.get(conversation_id) ?? 0));
  }

  async reached(state: ConversationState): Promise<void> {
    this.states.push(state);
    const mark = await this.database.marks.get(state.conversation_id);
    if (mark && isAnswered(mark.number, state)) {
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
      if (taken) await this.store(letter.entry);
      if (record.top.number > before.top.number) {
        this.fresh.push(letter.entry);
        this.moved(letter.entry);
      }
    } else if ('state' in letter) {
      await this.#takeState(letter.state);
    } else if ('resumed' in letter) {
      await eachInTransaction(letter.resumed.changed, (state) => this.#takeState(state));
    } else if ('receipt' in letter) {
      await this.receipt(letter.receipt);
    } else if ('hidden' in letter) {
      const { conversation_id, number, hidden_count } = letter.hidden;
      await this.hideNext(conversation_id, number, hidden_count);
    } else if ('settings_changed' in letter) {
      const { conversation_id, version } = letter.settings_changed;
      this.put(hearOfSettings(await this.record(conversation_id), version));
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

  async #change(target: number, change: Entry): Promise<void> {
    const { conversation_id } = change;
    const held = await this.#entry(conversation_id, target);
    if (held?.message) this.#putEntry({ ...held, message: takeIn(held.message, change) });
    const record = await this.record(conversation_id);
    const last = record.last_entry;
    if (last?.number === target && last.message) {
      this.put(withLastEntry(record, { ...last, message: takeIn(last.message, change) }));
    }
  }

  async #changesOf(conversationId: string, target: number): Promise<Entry[]> {
    const held = await this.database.entries
      .where('[conversation_id+target]')
      .equals([conversationId, target])
      .toArray();
    const changes = new Map(held.map((entry) => [entry.number, entry]));
    for (const entry of this.#entries.values()) {
      if (entry.conversation_id === conversationId && entry.target === target) {
        changes.set(entry.number, entry);
      }
    }
    return [...changes.values()].sort((a, b) => a.number - b.number);
  }

  async #entry(conversationId: string, number: number): Promise<StoredEntry | undefined> {
    return (
      this.#entries.get(`${conversationId} ${number}`) ??
      (await this.database.entries.get([conversationId, number]))
    );
  }

  async #hiddenEntry(conversationId: string, number: number): Promise<HiddenEntry | undefined> {
    return (
      this.#hidden.get(`${conversationId} ${number}`) ??
      (await this.database.hidden.get([conversationId, number]))
    );
  }

  /** Deletions of what the person had hidden: whichever of the two came first. */
  async #noteHidden(record: ConversationRecord): Promise<void> {
    const deleted_above: Deletion[] = [];
    await eachInTransaction(record.deleted_above, async (deletion) => {
      const hidden = await this.#hiddenEntry(record.conversation_id, deletion.target);
      deleted_above.push({ ...deletion, hidden_as: hidden?.position });
    });
    this.put({ ...record, deleted_above });
  }

  #putEntry(entry: StoredEntry): void {
    this.#entries.set(`${entry.conversation_id} ${entry.number}`, entry);
    const record = this.#records.get(entry.conversation_id);
    if (record?.last_entry?.number === entry.number && entry.message) {
      const { target: _, ...last } = entry;
      this.put(withLastEntry(record, last));
    }
  }

  /** After everything is written. */
  async #findLastEntry(conversationId: string): Promise<void> {
    const record = await this.record(conversationId);
    const { entries, hidden } = this.database;
    const newest = await entries
      .where('[conversation_id+number]')
      .between([conversationId, 0], [conversationId, Number.POSITIVE_INFINITY])
      .reverse()
      .limit(LOOK_BACK)
      .toArray();
    for (const entry of newest.filter(isShown)) {
      if (await hidden.get([conversationId, entry.number])) continue;
      const { target: _, ...last } = entry;
      this.put(withLastEntry(record, last));
      return;
    }
    this.put(withLastEntry(record, undefined));
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

/**
 * The client without a screen. The store is the meeting place: the tab that leads holds the socket and
 * writes what it hears, every tab shows the store and puts into it what its person does.
 *
 * Invariants, whatever is lost, doubled or late:
 * - an entry is in the store once, under its number;
 * - a message stays in the outbox until its entry is in the store or the server refused it for good;
 * - a cursor is kept only when everything that it stands for is in the store, or noted as missing;
 * - an unread count is a difference of totals of the server.
 */
import { liveQuery, type Subscription } from 'dexie';
import { inBackground } from './background';
import { Connection, type Link } from './connection';
import type { ConversationDescription, ConversationSettings } from './conversation';
import { askAgain, close, newestRange, unknownConversation, withDescription } from './conversation';
import { ClientDatabase, type OutboxItem } from './database';
import { Deliveries } from './deliveries';
import { type Hint, Hints } from './hints';
import { Inbox } from './inbox';
import { Outbox } from './outbox';
import { People } from './people';
import {
  DEFAULT_TIMING,
  type EngineApi,
  type Leadership,
  type OpenSocket,
  type Surroundings,
  type Timing,
  type TokenSource,
} from './ports';
import { ReadMarks } from './read-marks';
import { ServerClock } from './server-clock';
import { Sync } from './sync';
import type { Entry, FrameError, MessageChange, ServerFrame, TypingState } from './wire';

export type EngineStatus =
  | { kind: 'connecting' }
  | { kind: 'catching-up' }
  | { kind: 'connected' }
  | { kind: 'waiting'; retryAtMs: number }
  | { kind: 'offline' }
  | { kind: 'signed-out' };

export interface EngineParts {
  userId: string;
  api: EngineApi;
  tokens: TokenSource;
  openSocket: OpenSocket;
  surroundings: Surroundings;
  leadership: Leadership;
  timing?: Partial<Timing>;
}

export interface NewMessage {
  text: string;
  attachmentIds?: string[];
  replyToNumber?: number;
}

/** What tabs tell each other beside the store. */
interface TabMessage {
  status?: EngineStatus | 'wanted';
  entries?: Entry[];
  hint?: Hint;
  /** A conversation of which something is to be asked for. */
  behind?: string;
  /** For the tab that leads to say. */
  typing?: { conversationId: string; state: TypingState };
  /** Whom a tab wants to know of. */
  watch?: { tab: string; userIds: string[] };
}

const HISTORY_PAGE = 50;
/** By one socket, for all tabs. */
const WATCHED_AT_MOST = 100;

export class Engine {
  readonly database: ClientDatabase;
  readonly people: People;
  readonly hints: Hints;
  readonly userId: string;
  #api: EngineApi;
  #clock = new ServerClock();
  #connection: Connection;
  #sync: Sync;
  #outbox: Outbox;
  #marks: ReadMarks;
  #deliveries: Deliveries;
  #tab = crypto.randomUUID();
  /** By tab. */
  #watched = new Map<string, string[]>();
  #inbox: Inbox;
  #leadership: Leadership;
  #resign: () => void = () => undefined;
  #channel: BroadcastChannel;
  #leads = false;
  #stopped = false;
  #link: Link = { kind: 'connecting' };
  #status: EngineStatus = { kind: 'connecting' };
  #statusListeners = new Set<() => void>();
  #entryListeners = new Set<(entries: Entry[]) => void>();

  constructor(parts: EngineParts) {
    const timing = { ...DEFAULT_TIMING, ...parts.timing };
    this.userId = parts.userId;
    this.#api = parts.api;
    this.#leadership = parts.leadership;
    this.database = new ClientDatabase(parts.userId);
    this.people = new People(this.database, parts.api);
    const link = {
      isOpen: () => this.#connection.isOpen,
      send: (frame: Parameters<Connection['send']>[0]) => this.#connection.send(frame),
      framesSent: () => this.#connection.framesSent,
    };
    this.#outbox = new Outbox(this.database, link, this.#clock, timing);
    this.#marks = new ReadMarks(this.database, link);
    this.#deliveries = new Deliveries(this.database, link, timing);
    this.hints = new Hints({
      typing: (conversationId, state) => {
        if (this.#leads) this.#sayTyping(conversationId, state);
        else this.#tellTabs({ typing: { conversationId, state } });
      },
      watch: (userIds) => {
        this.#watch(this.#tab, userIds);
        this.#tellTabs({ watch: { tab: this.#tab, userIds } });
      },
    });
    this.#inbox = new Inbox(this.database, parts.userId, {
      touched: (ids) => this.#sync.repair(ids),
      answered: (ids) => this.#outbox.answered(ids),
      refused: (refusals) => {
        for (const refusal of refusals) inBackground(this.#outbox.refused(refusal));
      },
      states: (states) => {
        this.#marks.answered(states);
        inBackground(this.#marks.pump());
      },
      failed: () => this.#connection.reconnect(),
      stored: () => {
        if (this.#leads) inBackground(this.#deliveries.pump());
      },
      newEntries: (entries) => {
        this.#tellEntries(entries);
        this.#tellTabs({ entries });
      },
    });
    this.#sync = new Sync(this.database, parts.api, this.#inbox, timing, () =>
      this.#updateStatus(),
    );
    this.#connection = new Connection(parts.openSocket, parts.tokens, parts.surroundings, timing, {
      cursor: async () => {
        await this.#inbox.idle();
        return this.database.readMeta('cursor');
      },
      welcomed: (welcome, cursorSent) => {
        inBackground(this.#learnTime(welcome.server_time_unix_ms));
        this.#sync.welcomed(welcome, cursorSent);
      },
      received: (frame) => this.#receive(frame),
      changed: (next) => this.#linkChanged(next),
    });
    this.#channel = new BroadcastChannel(`parlance-${parts.userId}`);
    this.#channel.addEventListener('message', (event) => this.#heardFromTab(event.data));
  }

  start(): void {
    inBackground(this.#recallTime());
    this.#resign = this.#leadership(`parlance-engine-${this.userId}`, (signal) =>
      this.#lead(signal),
    );
    this.#tellTabs({ status: 'wanted' });
  }

  async stop(): Promise<void> {
    this.#resign();
    await this.#inbox.idle();
    this.#stopped = true;
    this.#channel.close();
    this.database.close();
  }

  /** Stops and forgets everything that was kept on this device. */
  async forget(): Promise<void> {
    await this.stop();
    await this.database.delete();
  }

  get status(): EngineStatus {
    return this.#status;
  }

  onStatus(listener: () => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Entries as they come in, each once. */
  onNewEntries(listener: (entries: Entry[]) => void): () => void {
    this.#entryListeners.add(listener);
    return () => this.#entryListeners.delete(listener);
  }

  /** Puts a message into the outbox; from then on it survives reloads, crashes and days offline. */
  async send(conversationId: string, message: NewMessage): Promise<void> {
    this.hints.stopTyping(conversationId, 'known');
    await this.database.outbox.add({
      kind: 'message',
      client_message_id: this.#clock.newId(),
      conversation_id: conversationId,
      text: message.text,
      attachment_ids: message.attachmentIds ?? [],
      reply_to_number: message.replyToNumber ?? 0,
      written_at_ms: this.#clock.nowMs(),
      attempt: 0,
      status: 'waiting',
    });
  }

  /** Edits or deletes a message, or reacts to it; waits in the outbox like a message. */
  async change(conversationId: string, target: number, change: MessageChange): Promise<void> {
    await this.database.outbox.add({
      kind: 'change',
      client_message_id: this.#clock.newId(),
      conversation_id: conversationId,
      target,
      change,
      written_at_ms: this.#clock.nowMs(),
      attempt: 0,
      status: 'waiting',
    });
  }

  /** Deletes an entry for this person alone, on all devices. */
  async hide(conversationId: string, number: number): Promise<void> {
    const state = await this.#api.hide(conversationId, number);
    await this.#inbox.takeHiddenNow(conversationId, number, state.hidden_count);
    await this.#inbox.takeState(state);
  }

  async markUnread(conversationId: string): Promise<void> {
    await this.#inbox.takeState(await this.#api.markUnread(conversationId));
  }

  /** The answer to a call that changed the person's own settings of a conversation. */
  async takeSettings(conversationId: string, settings: ConversationSettings): Promise<void> {
    await this.#inbox.takeSettings(conversationId, settings);
  }

  /** Learns how far the members of a conversation have got; from then on receipts tell. */
  async fetchMarks(conversationId: string): Promise<void> {
    await this.#inbox.takeMarks(await this.#api.listMarks(conversationId));
  }

  /** Sends a refused message again, as a new one: the refusal of the old id is final. */
  async retry(item: OutboxItem): Promise<void> {
    const { outbox } = this.database;
    await this.database.transaction('rw', outbox, async () => {
      if ((await outbox.get(item.position)) === undefined) return;
      await outbox.delete(item.position);
      const { position: _, refusal: __, ...rest } = item;
      await outbox.add({
        ...rest,
        client_message_id: this.#clock.newId(),
        attempt: 0,
        status: 'waiting',
      });
    });
  }

  async discard(item: OutboxItem): Promise<void> {
    const { outbox } = this.database;
    await outbox
      .where({ position: item.position })
      .filter((one) => one.status === 'refused')
      .delete();
  }

  /** The person has seen everything up to here; takes a mark as unread off. */
  async markRead(conversationId: string, number: number): Promise<void> {
    const { conversations, marks } = this.database;
    await this.database.transaction('rw', conversations, marks, async () => {
      const record = await conversations.get(conversationId);
      if (!record || record.member === 0) return;
      const isNew = number > Math.max(record.wanted_read, record.state.read_number);
      if (!isNew && !record.state.marked_unread) return;
      // A mark of 0 says nothing to the server; the first entry counts as no message.
      const wanted = Math.max(number, record.wanted_read, record.state.read_number, 1);
      await conversations.update(conversationId, { wanted_read: wanted });
      await marks.put({ conversation_id: conversationId, number: wanted });
    });
  }

  /** Loads a page of history before the oldest entry of the newest run; false when that is the first. */
  async loadOlder(conversationId: string): Promise<boolean> {
    const record = await this.database.conversations.get(conversationId);
    if (!record) return false;
    const oldest = newestRange(record)?.from ?? record.top.number + 1;
    if (oldest <= 1) return false;
    const page = await this.#api.listEntries(conversationId, { before: oldest }, HISTORY_PAGE);
    // Before the first that this person may see there is nothing, whatever the numbers say.
    const covered_from = page.entries.length === 0 ? 0 : page.covered_from;
    await this.#inbox.takePage(conversationId, {
      ...page,
      covered_from,
      covered_to: Math.max(page.covered_to, oldest - 1),
    });
    return covered_from > 1;
  }

  /** A conversation that this person just opened, made, joined or changed. */
  async opened(description: ConversationDescription): Promise<void> {
    const { conversations } = this.database;
    const id = description.conversation_id;
    await this.database.transaction('rw', conversations, async () => {
      const known = await conversations.get(id);
      const before = known ?? unknownConversation(id);
      const next = withDescription(before, description, before.description_version);
      // Something newer may have come while the call was under way.
      await conversations.put(known ? askAgain(next) : next);
    });
    if (this.#leads) this.#sync.repair([id]);
    else this.#tellTabs({ behind: id });
  }

  async left(conversationId: string): Promise<void> {
    await this.database.conversations
      .where({ conversation_id: conversationId })
      .modify((record, reference) => {
        reference.value = close(record);
      });
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const subscriptions: Subscription[] = [
      liveQuery(() => this.database.outbox.where({ status: 'waiting' }).primaryKeys()).subscribe(
        () => this.#outbox.pump(),
      ),
      liveQuery(() => this.database.marks.toArray()).subscribe(() =>
        inBackground(this.#marks.pump()),
      ),
    ];
    this.#leads = true;
    this.#watch(this.#tab, this.hints.wanted);
    // The other tabs say whom they want to know of.
    this.#tellTabs({ status: this.#status });
    this.#connection.start();
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    this.#leads = false;
    for (const subscription of subscriptions) subscription.unsubscribe();
    this.#connection.stop();
    this.#outbox.lost();
    this.#sync.lost();
  }

  #receive(frame: ServerFrame): void {
    if ('resumed' in frame) {
      this.#sync.resumed(frame.resumed);
    } else if ('heartbeat' in frame) {
      inBackground(this.#learnTime(frame.heartbeat.server_time_unix_ms));
      this.#sync.heartbeat(frame.heartbeat);
      inBackground(this.#deliveries.heartbeat(frame.heartbeat).then(() => this.#tellMarks()));
    } else if ('resync' in frame) {
      this.#sync.resync();
    } else if ('typing' in frame || 'presence' in frame || 'contacts_changed' in frame) {
      this.hints.take(frame);
      this.#tellTabs({ hint: frame });
    } else if ('error' in frame) {
      console.warn('the server did not accept a frame', frame.error.frame, frame.error.code);
      this.#notTaken(frame.error);
    } else if (!('closing' in frame)) {
      this.#inbox.post(frame);
    }
  }

  /** Which mark of which conversation isn't said. All are told again with the next heartbeat. */
  #notTaken({ code, frame }: FrameError): void {
    if (code !== 'retry' && code !== 'rate_limited') return;
    if (frame === 'mark_read') this.#marks.lost();
    if (frame === 'mark_delivered') this.#deliveries.lost();
  }

  async #tellMarks(): Promise<void> {
    await Promise.all([this.#marks.pump(), this.#deliveries.pump()]);
  }

  async #learnTime(serverTimeUnixMs: number): Promise<void> {
    this.#clock.learn(serverTimeUnixMs);
    await this.database.writeMeta('clock_offset_ms', String(this.#clock.offsetMs));
  }

  async #recallTime(): Promise<void> {
    const offset = await this.database.readMeta('clock_offset_ms');
    if (this.#clock.offsetMs === 0) this.#clock.learn(Date.now() + Number(offset));
  }

  #linkChanged(link: Link): void {
    const wasOpen = this.#link.kind === 'open';
    this.#link = link;
    if (link.kind === 'open') {
      this.#outbox.pump();
      inBackground(this.#tellMarks());
      this.#sayWatched();
    } else if (wasOpen) {
      this.#outbox.lost();
      this.#marks.lost();
      this.#deliveries.lost();
      this.hints.take({ gone: true });
      this.#tellTabs({ hint: { gone: true } });
      this.#sync.lost();
    }
    this.#updateStatus();
  }

  #updateStatus(): void {
    if (!this.#leads) return;
    const link = this.#link;
    const status: EngineStatus =
      link.kind === 'open'
        ? { kind: this.#sync.isCaughtUp ? 'connected' : 'catching-up' }
        : link.kind === 'ended'
          ? { kind: 'signed-out' }
          : link;
    this.#setStatus(status);
    this.#tellTabs({ status });
  }

  #setStatus(status: EngineStatus): void {
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener();
  }

  #tellTabs(message: TabMessage): void {
    if (!this.#stopped) this.#channel.postMessage(message);
  }

  #heardFromTab(message: TabMessage): void {
    if (message.entries) this.#tellEntries(message.entries);
    if (message.hint) this.hints.take(message.hint);
    if (message.behind && this.#leads) this.#sync.repair([message.behind]);
    if (message.typing && this.#leads) {
      this.#sayTyping(message.typing.conversationId, message.typing.state);
    }
    if (message.watch) this.#watch(message.watch.tab, message.watch.userIds);
    if (message.status === 'wanted') {
      if (this.#leads) this.#tellTabs({ status: this.#status });
    } else if (message.status && !this.#leads) {
      this.#setStatus(message.status);
    }
  }

  #sayTyping(conversation_id: string, state: TypingState): void {
    if (this.#connection.isOpen) this.#connection.send({ typing: { conversation_id, state } });
  }

  #watch(tab: string, userIds: string[]): void {
    const before = this.#watchedByAll();
    if (userIds.length > 0) this.#watched.set(tab, userIds);
    else this.#watched.delete(tab);
    if (before.join() !== this.#watchedByAll().join()) this.#sayWatched();
  }

  #watchedByAll(): string[] {
    return [...new Set([...this.#watched.values()].flat())].slice(0, WATCHED_AT_MOST);
  }

  #sayWatched(): void {
    if (!this.#leads || !this.#connection.isOpen) return;
    this.#connection.send({ watch_presence: { user_ids: this.#watchedByAll() } });
  }

  #tellEntries(entries: Entry[]): void {
    for (const entry of entries) {
      if (entry.message) this.hints.wrote(entry.conversation_id, entry.actor_id);
    }
    for (const listener of this.#entryListeners) listener(entries);
  }
}

/**
 * A server in memory that keeps the promises of the socket contract and no more: the store is exact,
 * while what goes out on a socket may be lost, doubled or late.
 */
import type { ConversationSettings } from '../conversation';
import type { MemberMarks } from '../database';
import { takeIn, targetOf } from '../message-changes';
import {
  type ConversationLine,
  type EngineApi,
  type EntriesPosition,
  NotAllowed,
  type OpenSocket,
  type SocketEvents,
} from '../ports';
import { addRange, type Range, rangeWith } from '../ranges';
import type {
  Change,
  ClientFrame,
  ConversationState,
  Entry,
  Message,
  Send,
  ServerFrame,
} from '../wire';
import { isCounted } from '../wire';

export interface Faults {
  /** Chances from 0 to 1. */
  loseFrame: number;
  doubleFrame: number;
  delayFrame: number;
  dropSocket: number;
  refuseWithRetry: number;
  /** Of the log: everything behind it waits too. */
  delayLog: number;
  failRequest: number;
}

export const NO_FAULTS: Faults = {
  loseFrame: 0,
  doubleFrame: 0,
  delayFrame: 0,
  dropSocket: 0,
  refuseWithRetry: 0,
  delayLog: 0,
  failRequest: 0,
};

const HEARTBEAT_MS = 25;
/** What an id may be ahead of the server's time. */
const ID_AHEAD_AT_MOST_MS = 120_000;

interface Log {
  entries: Entry[];
  members: string[];
  readers: Map<string, Reader>;
  /** What became of each: the entry, or the code of a refusal. */
  byClientId: Map<string, Entry | string>;
  /** What gateways have put into it, in order, and is not applied yet. */
  queue: (() => void)[];
  changedAt: number;
}

/** What the server keeps of one member of a conversation. */
interface Reader {
  read: number;
  delivered: number;
  hidden: number[];
  isMarkedUnread: boolean;
  version: number;
  settings: ConversationSettings;
}

function isMark(frame: ClientFrame): boolean {
  return 'mark_read' in frame || 'mark_delivered' in frame;
}

class ServerSocket {
  framesSent = 0;
  /** Since `welcome`. */
  framesReceived = 0;
  userId = '';
  open = true;
  refusing = new Set<string>();

  constructor(
    readonly events: SocketEvents,
    private readonly server: SimulatedServer,
  ) {}

  push(frame: ServerFrame): void {
    if (!this.open) return;
    const { faults, random } = this.server;
    if (isCounted(frame) && random() < faults.delayFrame) {
      setTimeout(() => this.#write(frame), random() * 10);
      return;
    }
    this.#write(frame);
    if (isCounted(frame) && random() < faults.doubleFrame) this.#write(frame);
  }

  close(code: number): void {
    if (!this.open) return;
    this.open = false;
    this.server.sockets.delete(this);
    setTimeout(() => this.events.closed(code), 0);
  }

  #write(frame: ServerFrame): void {
    if (!this.open) return;
    const { faults, random } = this.server;
    if (isCounted(frame)) this.framesSent += 1;
    if ('heartbeat' in frame) frame.heartbeat.frames_sent = this.framesSent;
    if (isCounted(frame) && random() < faults.loseFrame) return;
    this.events.received(JSON.stringify(frame));
    if (random() < faults.dropSocket) this.close(1006);
  }
}

export class SimulatedServer {
  faults: Faults = NO_FAULTS;
  readonly sockets = new Set<ServerSocket>();
  readonly sends: (Send | Change)[] = [];
  /** The index of changes may be lost: then nothing can be continued. */
  indexBegins = 0;
  /** Refuses for good, by text. */
  refuseText: string | undefined;
  /** Refuses with retry, by text, as often as it is in here. */
  retryTexts: string[] = [];
  /** How far its clock is from the devices'. */
  clockOffsetMs = 0;
  readonly refusedMarks = new Set<string>();
  /** What came on a socket before its `hello`: nobody takes it. */
  readonly beforeHello: ClientFrame[] = [];
  #isLogPaused = false;
  #logs = new Map<string, Log>();
  #time = 1_000;

  constructor(readonly random: () => number) {}

  log(conversationId: string): Log {
    const log = this.#logs.get(conversationId);
    if (!log) throw new NotAllowed('unknown');
    return log;
  }

  create(conversationId: string, members: string[]): void {
    this.#logs.set(conversationId, {
      entries: [],
      members: [],
      readers: new Map(),
      byClientId: new Map(),
      queue: [],
      changedAt: this.#time,
    });
    this.append(conversationId, members[0] ?? '', { created: { member_ids: members } });
  }

  append(conversationId: string, actor_id: string, change: Partial<Entry>): Entry {
    const log = this.log(conversationId);
    const last = log.entries.at(-1);
    this.#time += 1;
    const entry: Entry = {
      conversation_id: conversationId,
      number: (last?.number ?? 0) + 1,
      previous_number: last?.number ?? 0,
      countable_total: (last?.countable_total ?? 0) + (change.message ? 1 : 0),
      time_unix_ms: this.#time,
      actor_id,
      ...change,
    };
    const before = log.members;
    log.members = membersAfter(before, entry);
    log.entries.push(entry);
    log.changedAt = this.#time;
    // Who comes is told of it, and who leaves still sees that they left.
    this.#deliver([...new Set([...before, ...log.members])], { entry });
    if (change.message) this.#deliver([actor_id], { state: this.state(conversationId, actor_id) });
    return structuredClone(entry);
  }

  reader(conversationId: string, userId: string): Reader {
    const { readers } = this.log(conversationId);
    const known = readers.get(userId) ?? {
      read: 0,
      delivered: 0,
      hidden: [],
      isMarkedUnread: false,
      version: 0,
      settings: { version: 0, mute: 'off', archived: false },
    };
    readers.set(userId, known);
    return known;
  }

  /** As somebody sees it now: a message with what became of it, an edit without its text once it is gone. */
  entryNow(conversationId: string, number: number, userId: string): Entry | undefined {
    const { entries } = this.log(conversationId);
    const entry = entries[number - 1];
    if (entry?.edited) {
      const isGone = entries.some((other) => other.deleted?.number === entry.edited?.number);
      return isGone ? { ...entry, edited: { ...entry.edited, text: '' } } : entry;
    }
    if (!entry?.message) return entry;
    // A deletion also where they weren't there any more.
    const changes = entries.filter(
      (other) =>
        targetOf(other) === number &&
        (other.deleted || this.sees(conversationId, userId, other.number)),
    );
    return { ...entry, message: changes.reduce(takeIn, entry.message) };
  }

  /** The stretches of numbers that somebody was a member for, both ends seen. */
  #stretches(conversationId: string, userId: string): Range[] {
    let stretches: Range[] = [];
    for (const { number, ...entry } of this.log(conversationId).entries) {
      const last = stretches.at(-1);
      if (entry.created?.member_ids.includes(userId) || entry.joined?.user_id === userId) {
        stretches.push({ from: number, to: Number.POSITIVE_INFINITY });
      } else if (last && (entry.left?.user_id === userId || entry.group_deleted)) {
        last.to = Math.min(last.to, number);
      } else if (last && entry.history_opened?.user_id === userId) {
        stretches = addRange(stretches, { ...last, from: entry.history_opened.from_number });
      }
    }
    return stretches;
  }

  sees(conversationId: string, userId: string, number: number): boolean {
    return rangeWith(this.#stretches(conversationId, userId), number) !== undefined;
  }

  #requireMember(conversationId: string, userId: string): void {
    if (!this.isMember(conversationId, userId)) throw new NotAllowed('not a member');
  }

  isMember(conversationId: string, userId: string): boolean {
    return this.log(conversationId).members.includes(userId);
  }

  /** The last number that somebody may see; 0 for who never was in it. */
  #lastVisible(conversationId: string, userId: string): number {
    const { entries } = this.log(conversationId);
    const to = this.#stretches(conversationId, userId).at(-1)?.to ?? 0;
    return Math.min(to, entries.length);
  }

  say(conversationId: string, actor: string, text: string): Entry {
    const id = `said-${this.#time}`;
    return this.append(conversationId, actor, {
      message: newMessage({ message_id: id, client_message_id: id, text }),
    });
  }

  markRead(conversationId: string, userId: string, number: number): void {
    if (!this.isMember(conversationId, userId)) return;
    const head = this.#lastVisible(conversationId, userId);
    const reader = this.reader(conversationId, userId);
    reader.isMarkedUnread &&= number === 0 || number < reader.read;
    reader.read = Math.max(reader.read, Math.min(number, head));
    reader.delivered = Math.max(reader.delivered, reader.read);
    this.#readerMoved(conversationId, userId);
  }

  markDelivered(conversationId: string, userId: string, number: number): void {
    if (!this.isMember(conversationId, userId)) return;
    const reader = this.reader(conversationId, userId);
    const head = this.#lastVisible(conversationId, userId);
    if (Math.min(number, head) <= reader.delivered) return;
    reader.delivered = Math.min(number, head);
    this.#markMoved(conversationId, userId);
  }

  markUnread(conversationId: string, userId: string): ConversationState {
    this.#requireMember(conversationId, userId);
    this.reader(conversationId, userId).isMarkedUnread = true;
    this.#readerMoved(conversationId, userId);
    return this.state(conversationId, userId);
  }

  hide(conversationId: string, userId: string, number: number): ConversationState {
    this.#requireMember(conversationId, userId);
    const { hidden } = this.reader(conversationId, userId);
    if (!this.sees(conversationId, userId, number)) throw new NotAllowed('entry_unknown');
    if (!hidden.includes(number)) {
      hidden.push(number);
      const frame = { conversation_id: conversationId, number, hidden_count: hidden.length };
      this.#deliver([userId], { hidden: frame });
      this.#readerMoved(conversationId, userId);
    }
    return this.state(conversationId, userId);
  }

  /** On another device; nothing if it can't be seen. */
  hideSomething(conversationId: string, userId: string, number: number): void {
    if (this.sees(conversationId, userId, number)) this.hide(conversationId, userId, number);
  }

  changeSettings(conversation_id: string, userId: string, change: Partial<ConversationSettings>) {
    const reader = this.reader(conversation_id, userId);
    const version = reader.settings.version + 1;
    reader.settings = { ...reader.settings, ...change, version };
    this.#deliver([userId], { settings_changed: { conversation_id, version } });
  }

  changeContacts(userId: string): void {
    this.#deliver([userId], { contacts_changed: {} });
  }

  #readerMoved(conversationId: string, userId: string): void {
    this.#markMoved(conversationId, userId);
    this.#deliver([userId], { state: this.state(conversationId, userId) });
  }

  /** Who only got something isn't told where they stand: nothing of it has changed. */
  #markMoved(conversation_id: string, user_id: string): void {
    const log = this.log(conversation_id);
    const reader = this.reader(conversation_id, user_id);
    reader.version += 1;
    this.#time += 1;
    log.changedAt = this.#time;
    const receipt = {
      conversation_id,
      user_id,
      delivered_number: reader.delivered,
      read_number: reader.read,
      time_unix_ms: this.#time,
    };
    const others = log.members.filter((member) => member !== user_id);
    this.#deliver(others, { receipt });
  }

  state(conversation_id: string, userId: string): ConversationState {
    const { entries } = this.log(conversation_id);
    const reader = this.reader(conversation_id, userId);
    const head_number = this.#lastVisible(conversation_id, userId);
    const read_number = Math.min(reader.read, head_number);
    const came = entries.findLast(
      (entry) => entry.joined?.user_id === userId || entry.created?.member_ids.includes(userId),
    );
    const isMember = this.isMember(conversation_id, userId);
    const counts_from_number = Math.max(read_number, isMember ? (came?.number ?? 0) : 0);
    const counts = (entry: Entry) =>
      isMember &&
      this.entryNow(conversation_id, entry.number, userId)?.message?.deleted === false &&
      entry.number > counts_from_number &&
      entry.actor_id !== userId &&
      !reader.hidden.includes(entry.number);
    return {
      conversation_id,
      head_number,
      head_countable_total: entries[head_number - 1]?.countable_total ?? 0,
      read_number,
      unread_count: entries.filter(counts).length,
      counts_from_number,
      marked_unread: reader.isMarkedUnread,
      hidden_count: reader.hidden.length,
      marks_version: reader.version,
    };
  }

  closeAll(code: number): void {
    for (const socket of [...this.sockets]) socket.close(code);
  }

  /** Says that it is about to stop; whoever is still there later is thrown out. */
  drain(reconnect_after_ms: number, patienceMs: number): void {
    for (const socket of [...this.sockets]) {
      socket.push({ closing: { reconnect_after_ms, reason: 'being replaced' } });
      setTimeout(() => socket.close(4012), patienceMs);
    }
  }

  /** From now on no cursor of before can be continued. */
  loseIndex(): void {
    this.#time += 1;
    this.indexBegins = this.#time;
    for (const socket of this.sockets) socket.push({ resync: { reason: 'index lost' } });
  }

  openSocket(): OpenSocket {
    return (events) => {
      const socket = new ServerSocket(events, this);
      setTimeout(() => {
        this.sockets.add(socket);
        events.opened();
      }, 1);
      return {
        send: (text) => {
          if (socket.open) setTimeout(() => this.#hear(socket, JSON.parse(text)), 0);
        },
        close: () => {
          socket.open = false;
          this.sockets.delete(socket);
        },
      };
    };
  }

  api(userId: string): EngineApi {
    const request = async <T>(answer: () => T): Promise<T> => {
      await new Promise((resolve) => setTimeout(resolve, this.random() * 4));
      if (this.random() < this.faults.failRequest) throw new Error('503');
      return structuredClone(answer());
    };
    return {
      listConversations: (cursor) =>
        request(() => {
          const lines = [...this.#logs.entries()]
            .filter(([, log]) => log.members.includes(userId))
            .map(([id, log]) => this.#line(id, log, userId));
          const from = Number(cursor ?? 0);
          const next = from + 2 < lines.length ? String(from + 2) : undefined;
          return { items: lines.slice(from, from + 2), next_cursor: next };
        }),
      getConversation: (id) => request(() => this.#line(id, this.log(id), userId).conversation),
      listEntries: (id, position, limit) =>
        request(() => this.#page(id, userId, position, Math.min(limit, 7))),
      getSettings: (id) =>
        request(() => {
          this.#requireMember(id, userId);
          return this.reader(id, userId).settings;
        }),
      listHidden: (id) => request(() => [...this.reader(id, userId).hidden]),
      listMarks: (id) => request(() => this.#marks(id)),
      markUnread: (id) => request(() => this.markUnread(id, userId)),
      hide: (id, number) => request(() => this.hide(id, userId, number)),
      getUsers: (ids) =>
        request(() => ids.map((user_id) => ({ user_id, handle: user_id, display_name: user_id }))),
    };
  }

  #line(id: string, log: Log, userId: string): ConversationLine {
    this.#requireMember(id, userId);
    const created_at = new Date(1_000).toISOString();
    return {
      conversation: { conversation_id: id, kind: 'group', name: nameOf(id, log), created_at },
      state: this.state(id, userId),
      last_entry: this.#lastEntry(id, log, userId),
      settings: this.reader(id, userId).settings,
    };
  }

  #lastEntry(id: string, log: Log, userId: string): Entry | undefined {
    const { hidden } = this.reader(id, userId);
    const last = log.entries.findLast(
      (entry) =>
        targetOf(entry) === undefined &&
        !hidden.includes(entry.number) &&
        this.sees(id, userId, entry.number),
    );
    return last && this.entryNow(id, last.number, userId);
  }

  #marks(conversation_id: string): MemberMarks[] {
    return [...this.log(conversation_id).readers].map(([user_id, reader]) => ({
      conversation_id,
      user_id,
      delivered_number: reader.delivered,
      read_number: reader.read,
    }));
  }

  #page(id: string, userId: string, position: EntriesPosition, limit: number) {
    const head = this.#lastVisible(id, userId);
    if (head === 0) throw new NotAllowed('never a member');
    const state = this.state(id, userId);
    const { hidden } = this.reader(id, userId);
    const numbers = this.log(id)
      .entries.map((entry) => entry.number)
      .filter((number) => this.sees(id, userId, number));
    const shown = (page: number[]) =>
      page
        .map((number) => this.entryNow(id, number, userId) as Entry)
        .filter((entry) => !entry.message || !hidden.includes(entry.number));
    // A full page covers up to its own end; a shorter one all that there is.
    if ('after' in position) {
      const { after } = position;
      const page = numbers.filter((number) => number > after).slice(0, limit);
      const all = Math.max(after, head);
      const covered_to = page.length === limit ? (page.at(-1) ?? all) : all;
      return { entries: shown(page), covered_from: after + 1, covered_to, state };
    }
    const covered_to = position.before - 1;
    const page = numbers.filter((number) => number <= covered_to).slice(-limit);
    const covered_from = page.length === limit ? (page[0] ?? 1) : 1;
    return { entries: shown(page), covered_from, covered_to, state };
  }

  #deliver(users: string[], frame: ServerFrame): void {
    for (const socket of this.sockets) {
      if (users.includes(socket.userId)) socket.push(structuredClone(frame));
    }
  }

  #hear(socket: ServerSocket, frame: ClientFrame): void {
    if (!socket.open) return;
    if (socket.userId !== '') socket.framesReceived += 1;
    if ('hello' in frame) this.#hello(socket, frame.hello);
    else if (socket.userId === '') this.beforeHello.push(frame);
    else if ('send' in frame) this.#send(socket, frame.send);
    else if ('change' in frame) this.#send(socket, frame.change);
    else if ('ping' in frame) this.#heartbeat(socket);
    else if (isMark(frame) && this.random() < this.faults.refuseWithRetry) {
      const [name = ''] = Object.keys(frame);
      this.refusedMarks.add(name);
      socket.push({ error: { code: 'rate_limited', detail: '', frame: name } });
    } else if ('mark_read' in frame) {
      this.markRead(frame.mark_read.conversation_id, socket.userId, frame.mark_read.number);
    } else if ('mark_delivered' in frame) {
      const { conversation_id, number } = frame.mark_delivered;
      this.markDelivered(conversation_id, socket.userId, number);
    }
  }

  #hello(socket: ServerSocket, hello: { access_token: string; cursor: string }): void {
    socket.userId = hello.access_token;
    const cursor = String(this.#time);
    socket.push({
      welcome: {
        connection_id: 'connection',
        user_id: socket.userId,
        server_time_unix_ms: this.#nowMs(),
        heartbeat_interval_ms: HEARTBEAT_MS,
        cursor,
      },
    });
    const beat = setInterval(() => {
      if (socket.open) this.#heartbeat(socket);
      else clearInterval(beat);
    }, HEARTBEAT_MS);
    if (hello.cursor === '') return;
    const since = Number(hello.cursor);
    const complete = since >= this.indexBegins;
    const changed = [...this.#logs.entries()]
      .filter(([id, log]) => this.#lastVisible(id, socket.userId) > 0 && log.changedAt >= since)
      .map(([id]) => this.state(id, socket.userId));
    socket.push({ resumed: { complete, changed: complete ? changed : [], cursor } });
  }

  #heartbeat(socket: ServerSocket): void {
    // Delayed frames of this simulation are not written yet: the cursor must not pass them.
    const cursor = String(this.#time - 1_000);
    socket.push({
      heartbeat: {
        frames_sent: 0,
        frames_received: socket.framesReceived,
        cursor,
        server_time_unix_ms: this.#nowMs(),
      },
    });
  }

  /** A gateway: what it refuses is answered at once, the rest goes into the log. */
  #send(socket: ServerSocket, send: Send | Change): void {
    this.sends.push(send);
    const { conversation_id, client_message_id } = send;
    if (send.outbox_restart) socket.refusing.delete(conversation_id);
    const madeMs = Number.parseInt(client_message_id.replace('-', '').slice(0, 12), 16);
    if (send.attempt === 1 && madeMs > this.#nowMs() + ID_AHEAD_AT_MOST_MS) {
      refuse(socket, send, 'client_message_id_in_future');
    } else if (this.#refusesNow(send) || socket.refusing.has(conversation_id)) {
      socket.refusing.add(conversation_id);
      refuse(socket, send, 'retry');
    } else {
      const { queue } = this.log(conversation_id);
      queue.push(() => this.#apply(socket, send));
      if (queue.length === 1) this.#applyNext(queue);
    }
  }

  #refusesNow(send: Send | Change): boolean {
    const at = 'text' in send ? this.retryTexts.indexOf(send.text) : -1;
    if (at >= 0) this.retryTexts.splice(at, 1);
    return at >= 0 || this.random() < this.faults.refuseWithRetry;
  }

  pauseLog(): void {
    this.#isLogPaused = true;
  }

  resumeLog(): void {
    this.#isLogPaused = false;
    for (const { queue } of this.#logs.values()) if (queue.length > 0) this.#applyNext(queue);
  }

  #applyNext(queue: (() => void)[]): void {
    const delayMs = this.random() < this.faults.delayLog ? this.random() * 10 : 0;
    setTimeout(() => {
      if (this.#isLogPaused) return;
      queue.shift()?.();
      if (queue.length > 0) this.#applyNext(queue);
    }, delayMs);
  }

  #apply(socket: ServerSocket, send: Send | Change): void {
    const { conversation_id, client_message_id } = send;
    const log = this.log(conversation_id);
    const before = log.byClientId.get(client_message_id);
    if (typeof before === 'string') {
      refuse(socket, send, before);
    } else if (before) {
      const { number, time_unix_ms } = before;
      const message_id = before.message?.message_id ?? client_message_id;
      socket.push({
        accepted: { conversation_id, client_message_id, message_id, number, time_unix_ms },
      });
    } else {
      const outcome = this.#decide(send, socket.userId);
      log.byClientId.set(client_message_id, outcome);
      if (typeof outcome === 'string') refuse(socket, send, outcome);
    }
  }

  /** Appends it, or says why not. */
  #decide(send: Send | Change, userId: string): Entry | string {
    const { conversation_id, client_message_id } = send;
    if (!this.isMember(conversation_id, userId)) return 'not_a_member';
    if ('text' in send) {
      const { text, attachment_ids, reply_to_number } = send;
      if (text === this.refuseText) return 'text_too_long';
      const message_id = `message-${client_message_id}`;
      const message = newMessage({ message_id, client_message_id, text });
      return this.append(conversation_id, userId, {
        message: { ...message, attachment_ids, reply_to_number },
      });
    }
    const target = this.entryNow(conversation_id, send.number, userId);
    if (!target?.message) return 'target_unknown';
    if (target.message.deleted) return 'target_deleted';
    return this.append(conversation_id, userId, changeOf(send, target.actor_id));
  }

  #nowMs(): number {
    return Date.now() + this.clockOffsetMs;
  }
}

/** `retry` is the only code after which the same is to be sent again. */
function refuse(socket: ServerSocket, send: Send | Change, code: string): void {
  const { conversation_id, client_message_id } = send;
  const retry = code === 'retry';
  const retry_after_ms = retry ? 3 : 0;
  socket.push({
    refused: { conversation_id, client_message_id, code, detail: code, retry, retry_after_ms },
  });
}

function nameOf(id: string, log: Log): string {
  return log.entries.findLast((entry) => entry.renamed)?.renamed?.name ?? id;
}

function membersAfter(members: string[], entry: Entry): string[] {
  if (entry.group_deleted) return [];
  const come = [
    ...(entry.created?.member_ids ?? []),
    ...(entry.joined ? [entry.joined.user_id] : []),
  ];
  const stay = members.filter((member) => member !== entry.left?.user_id);
  return [...new Set([...stay, ...come])];
}

function newMessage(part: Pick<Message, 'message_id' | 'client_message_id' | 'text'>): Message {
  return {
    ...part,
    attachment_ids: [],
    reply_to_number: 0,
    changed_number: 0,
    edited_time_unix_ms: 0,
    deleted: false,
    reactions: [],
  };
}

function changeOf(change: Change, author_id: string): Partial<Entry> {
  const { client_message_id, number } = change;
  if ('edit' in change) return { edited: { client_message_id, number, text: change.edit.text } };
  if ('delete' in change) return { deleted: { client_message_id, number, author_id } };
  const { react } = change;
  return {
    reacted: {
      client_message_id,
      number,
      ...('add' in react ? { added: react.add } : { removed: react.remove }),
    },
  };
}

/**
 * A server in memory that keeps the promises of the socket contract and no more: the store is exact,
 * while what goes out on a socket may be lost, doubled or late.
 */
import {
  type ConversationLine,
  type EngineApi,
  type EntriesPosition,
  NotAllowed,
  type OpenSocket,
  type SocketEvents,
} from '../ports';
import type { ClientFrame, ConversationState, Entry, Send, ServerFrame } from '../wire';
import { isCounted } from '../wire';

export interface Faults {
  /** Chances from 0 to 1. */
  loseFrame: number;
  doubleFrame: number;
  delayFrame: number;
  dropSocket: number;
  refuseWithRetry: number;
  failRequest: number;
}

export const NO_FAULTS: Faults = {
  loseFrame: 0,
  doubleFrame: 0,
  delayFrame: 0,
  dropSocket: 0,
  refuseWithRetry: 0,
  failRequest: 0,
};

const HEARTBEAT_MS = 25;

interface Log {
  entries: Entry[];
  members: string[];
  read: Map<string, number>;
  byClientId: Map<string, Entry>;
  changedAt: number;
}

class ServerSocket {
  framesSent = 0;
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
  readonly sends: Send[] = [];
  /** The index of changes may be lost: then nothing can be continued. */
  indexBegins = 0;
  /** Refuses for good, by text. */
  refuseText: string | undefined;
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
      members,
      read: new Map(),
      byClientId: new Map(),
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
    log.entries.push(entry);
    log.changedAt = this.#time;
    this.#deliver(log.members, { entry });
    if (change.message) this.#deliver([actor_id], { state: this.state(conversationId, actor_id) });
    return entry;
  }

  say(conversationId: string, actor: string, text: string): Entry {
    const id = `said-${this.#time}`;
    return this.append(conversationId, actor, {
      message: {
        message_id: id,
        client_message_id: id,
        text,
        attachment_ids: [],
        reply_to_number: 0,
      },
    });
  }

  markRead(conversationId: string, userId: string, number: number): void {
    const log = this.log(conversationId);
    const head = log.entries.at(-1)?.number ?? 0;
    log.read.set(userId, Math.max(log.read.get(userId) ?? 0, Math.min(number, head)));
    this.#time += 1;
    log.changedAt = this.#time;
    this.#deliver([userId], { state: this.state(conversationId, userId) });
  }

  state(conversation_id: string, userId: string): ConversationState {
    const log = this.log(conversation_id);
    const head = log.entries.at(-1);
    const read_number = log.read.get(userId) ?? 0;
    return {
      conversation_id,
      head_number: head?.number ?? 0,
      head_countable_total: head?.countable_total ?? 0,
      read_number,
      unread_count: log.entries.filter(
        (entry) => entry.message && entry.number > read_number && entry.actor_id !== userId,
      ).length,
    };
  }

  closeAll(code: number): void {
    for (const socket of [...this.sockets]) socket.close(code);
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
      getUsers: (ids) =>
        request(() => ids.map((user_id) => ({ user_id, handle: user_id, display_name: user_id }))),
    };
  }

  #line(id: string, log: Log, userId: string): ConversationLine {
    if (!log.members.includes(userId)) throw new NotAllowed('not a member');
    const created_at = new Date(1_000).toISOString();
    return {
      conversation: { conversation_id: id, kind: 'group', name: id, created_at },
      state: this.state(id, userId),
      last_entry: log.entries.at(-1),
    };
  }

  #page(id: string, userId: string, position: EntriesPosition, limit: number) {
    const { entries } = this.log(id);
    const state = this.state(id, userId);
    if ('after' in position) {
      const page = entries.slice(position.after, position.after + limit);
      const covered_to = page.at(-1)?.number ?? position.after;
      return { entries: page, covered_from: position.after + 1, covered_to, state };
    }
    const to = Math.min(position.before - 1, entries.length);
    const page = entries.slice(Math.max(0, to - limit), to);
    return { entries: page, covered_from: page[0]?.number ?? 1, covered_to: to, state };
  }

  #deliver(users: string[], frame: ServerFrame): void {
    for (const socket of this.sockets) {
      if (users.includes(socket.userId)) socket.push(structuredClone(frame));
    }
  }

  #hear(socket: ServerSocket, frame: ClientFrame): void {
    if (!socket.open) return;
    if ('hello' in frame) this.#hello(socket, frame.hello);
    else if ('send' in frame) this.#send(socket, frame.send);
    else if ('ping' in frame) this.#heartbeat(socket);
    else this.markRead(frame.mark_read.conversation_id, socket.userId, frame.mark_read.number);
  }

  #hello(socket: ServerSocket, hello: { access_token: string; cursor: string }): void {
    socket.userId = hello.access_token;
    const cursor = String(this.#time);
    socket.push({
      welcome: {
        connection_id: 'connection',
        user_id: socket.userId,
        server_time_unix_ms: Date.now(),
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
      .filter(([, log]) => log.members.includes(socket.userId) && log.changedAt >= since)
      .map(([id]) => this.state(id, socket.userId));
    socket.push({ resumed: { complete, changed: complete ? changed : [], cursor } });
  }

  #heartbeat(socket: ServerSocket): void {
    // Delayed frames of this simulation are not written yet: the cursor must not pass them.
    const cursor = String(this.#time - 1_000);
    socket.push({
      heartbeat: { frames_sent: 0, cursor, server_time_unix_ms: Date.now() },
    });
  }

  #send(socket: ServerSocket, send: Send): void {
    this.sends.push(send);
    const { conversation_id, client_message_id } = send;
    const refuse = (code: string, retry: boolean) =>
      socket.push({
        refused: {
          conversation_id,
          client_message_id,
          code,
          detail: code,
          retry,
          retry_after_ms: retry ? 3 : 0,
        },
      });
    if (send.outbox_restart) socket.refusing.delete(conversation_id);
    const failsNow = send.attempt === 1 && this.random() < this.faults.refuseWithRetry;
    if (failsNow || socket.refusing.has(conversation_id)) {
      socket.refusing.add(conversation_id);
      refuse('retry', true);
      return;
    }
    const log = this.log(conversation_id);
    const stored = log.byClientId.get(client_message_id);
    if (stored) {
      const { number, time_unix_ms } = stored;
      const message_id = stored.message?.message_id ?? '';
      socket.push({
        accepted: { conversation_id, client_message_id, message_id, number, time_unix_ms },
      });
    } else if (send.text === this.refuseText) {
      refuse('text_too_long', false);
    } else {
      const { text, attachment_ids, reply_to_number } = send;
      const message_id = `message-${client_message_id}`;
      const entry = this.append(conversation_id, socket.userId, {
        message: { message_id, client_message_id, text, attachment_ids, reply_to_number },
      });
      log.byClientId.set(client_message_id, entry);
    }
  }
}

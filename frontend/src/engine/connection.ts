/** Keeps one socket to the server, for as long as it is started. Knows frames, not conversations. */
import { Backoff } from './backoff';
import {
  type OpenSocket,
  SignedOut,
  type Socket,
  type Surroundings,
  type Timing,
  type TokenSource,
} from './ports';
import {
  CLOSE,
  type ClientFrame,
  isCounted,
  parseServerFrame,
  type ServerFrame,
  type Welcome,
} from './wire';

export type Link =
  | { kind: 'connecting' }
  | { kind: 'open' }
  | { kind: 'waiting'; retryAtMs: number }
  | { kind: 'offline' }
  | { kind: 'ended' };

export interface ConnectionEvents {
  /** What to hand to `hello`: everything that the cursor stands for is in the store. */
  cursor(): Promise<string>;
  welcomed(welcome: Welcome, cursorSent: string): void;
  received(frame: ServerFrame): void;
  changed(link: Link): void;
}

/** One socket and what was heard on it. */
interface Session {
  socket: Socket;
  cursorSent: string;
  welcomed: boolean;
  /** What came before `welcome`: it makes sense only after it. */
  early: ServerFrame[];
  countedFrames: number;
  sentFrames: number;
  heartbeatMs: number;
  /** The gateway is about to stop: when to leave it, by `performance.now()`. */
  leaveAtMs: number | undefined;
}

export class Connection {
  #session: Session | undefined;
  #link: Link = { kind: 'offline' };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #leaving: ReturnType<typeof setTimeout> | undefined;
  #backoff: Backoff;
  #distrustToken = false;
  #stopped = true;
  #stopWatching: (() => void)[] = [];
  /** Tells a late answer that the attempt it belongs to is over. */
  #attempt = 0;

  constructor(
    private readonly openSocket: OpenSocket,
    private readonly tokens: TokenSource,
    private readonly surroundings: Surroundings,
    private readonly timing: Timing,
    private readonly events: ConnectionEvents,
  ) {
    this.#backoff = new Backoff(timing.reconnectFirst, timing.reconnectCeiling);
  }

  start(): void {
    this.#stopped = false;
    this.#stopWatching = [
      this.surroundings.watch((signal) => (signal === 'offline' ? this.#offline() : this.#wake())),
      this.tokens.onRenewed((access_token) => {
        this.send({ hello: { access_token, cursor: '' } });
      }),
    ];
    this.#connectSoon(0);
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stopWatching) stop();
    this.#drop();
  }

  get isOpen(): boolean {
    return this.#session?.welcomed === true;
  }

  /**
   * False when there is nobody to send to; what must not be lost is kept by the caller. Before `welcome`
   * nobody takes anything but `hello`.
   */
  send(frame: ClientFrame): boolean {
    const session = this.#session;
    if (!session?.welcomed) return false;
    session.socket.send(JSON.stringify(frame));
    session.sentFrames += 1;
    return true;
  }

  /** On this socket, since `welcome`. */
  get framesSent(): number {
    return this.#session?.sentFrames ?? 0;
  }

  /** Gives the socket up, because what it brought can't be right. */
  reconnect(): void {
    if (this.#session) this.#lost(undefined);
  }

  async #connect(): Promise<void> {
    if (this.#stopped) return;
    if (!this.surroundings.isOnline()) {
      this.#offline();
      return;
    }
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#change({ kind: 'connecting' });
    let accessToken: string;
    let cursor: string;
    try {
      accessToken = await this.tokens.accessToken({ fresh: this.#distrustToken });
      this.#distrustToken = false;
      cursor = await this.events.cursor();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SignedOut) this.#change({ kind: 'ended' });
      else this.#connectSoon(this.#backoff.nextMs());
      return;
    }
    if (attempt !== this.#attempt) return;
    const isCurrent = () => attempt === this.#attempt;
    const socket = this.openSocket({
      opened: () => {
        const hello: ClientFrame = { hello: { access_token: accessToken, cursor } };
        if (isCurrent()) socket.send(JSON.stringify(hello));
      },
      received: (text) => {
        if (isCurrent()) this.#receive(text);
      },
      closed: (code) => {
        if (isCurrent()) this.#lost(code);
      },
    });
    this.#session = {
      socket,
      cursorSent: cursor,
      welcomed: false,
      early: [],
      countedFrames: 0,
      sentFrames: 0,
      heartbeatMs: 0,
      leaveAtMs: undefined,
    };
    this.#expectWithin(this.timing.connectTimeout);
  }

  #receive(text: string): void {
    const frame = parseServerFrame(text);
    const session = this.#session;
    if (!frame || !session) return;
    if ('welcome' in frame) {
      // A later `welcome` answers a renewed token; its cursor would hide what this socket has yet to bring.
      if (!session.welcomed) this.#welcome(session, frame.welcome);
      return;
    }
    // Two silent heartbeats: the other end is a ghost.
    if (session.welcomed) this.#expectWithin(session.heartbeatMs * 2.2);
    if (isCounted(frame)) session.countedFrames += 1;
    if ('heartbeat' in frame) {
      // Something was lost on the way. The cursor that is kept reaches back before it.
      if (session.countedFrames < frame.heartbeat.frames_sent) {
        this.reconnect();
        return;
      }
      this.#backoff.reset();
    }
    if ('closing' in frame) this.#leaveAfter(session, frame.closing.reconnect_after_ms);
    if ('error' in frame && frame.error.code.startsWith('token_')) this.#distrustToken = true;
    if (session.welcomed) this.events.received(frame);
    else session.early.push(frame);
  }

  #welcome(session: Session, welcome: Welcome): void {
    session.welcomed = true;
    session.heartbeatMs = Math.max(welcome.heartbeat_interval_ms, 20);
    this.#expectWithin(session.heartbeatMs * 2.2);
    this.events.welcomed(welcome, session.cursorSent);
    this.#change({ kind: 'open' });
    for (const frame of session.early.splice(0)) this.events.received(frame);
  }

  /** All goes on as before until then. Each client has a time of its own, so that not all come at once. */
  #leaveAfter(session: Session, ms: number): void {
    if (session.leaveAtMs !== undefined) return;
    session.leaveAtMs = performance.now() + ms;
    this.#leaving = setTimeout(() => this.#lost(undefined), ms);
  }

  #lost(code: number | undefined): void {
    const leaveAtMs = this.#session?.leaveAtMs;
    this.#drop();
    if (code === CLOSE.sessionEnded) {
      this.#change({ kind: 'ended' });
      return;
    }
    if (code === CLOSE.tokenInvalid) this.#distrustToken = true;
    this.#connectSoon(
      leaveAtMs === undefined
        ? this.#backoff.nextMs()
        : Math.max(0, Math.round(leaveAtMs - performance.now())),
    );
  }

  #offline(): void {
    this.#drop();
    this.#change({ kind: 'offline' });
  }

  /** The network is back, or somebody looks at the screen. */
  #wake(): void {
    if (this.#session) {
      // Before `welcome` there is a timeout of its own.
      if (!this.#session.welcomed) return;
      this.send({ ping: {} });
      this.#expectWithin(this.timing.pingTimeout);
    } else if (this.#link.kind === 'waiting' || this.#link.kind === 'offline') {
      this.#backoff.reset();
      this.#connectSoon(this.#backoff.nextMs());
    }
  }

  #connectSoon(delayMs: number): void {
    clearTimeout(this.#timer);
    if (delayMs > 0) this.#change({ kind: 'waiting', retryAtMs: Date.now() + delayMs });
    this.#timer = setTimeout(() => void this.#connect(), delayMs);
  }

  #expectWithin(ms: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(undefined), ms);
  }

  #drop(): void {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    clearTimeout(this.#leaving);
    const session = this.#session;
    this.#session = undefined;
    session?.socket.close();
  }

  #change(link: Link): void {
    this.#link = link;
    this.events.changed(link);
  }
}

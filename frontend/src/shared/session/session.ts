/** Who is signed in here, and the engine and interfaces that belong to them. */
import { Engine } from '@/engine/engine';
import { type Credentials, logOut, refresh, type User } from '../api/account';
import { ServerApi } from '../api/conversations';
import { words } from '../api/problem';
import { t } from '../i18n/i18n';
import { type ProviderOutcome, takeProviderOutcome } from './address';
import { browserSurroundings, openBrowserSocket, tabLeadership } from './browser';
import { Tokens } from './tokens';

export interface SignedIn {
  user: User;
  engine: Engine;
  api: ServerApi;
}

export type SessionState =
  | { kind: 'signed-out'; notice?: string }
  | ({ kind: 'signed-in' } & SignedIn);

/** Name and id only, so that a reload without network still shows what is kept; never a token. */
const REMEMBERED = 'parlance.user';

export class Session {
  #state: SessionState = { kind: 'signed-out' };
  #listeners = new Set<() => void>();
  #tokens = new Tokens(() => this.#ended());
  #providerOutcome: ProviderOutcome = {};

  get state(): SessionState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Goes on where the last visit ended. */
  async resume(handedToken: string | undefined): Promise<void> {
    const arrived = takeProviderOutcome();
    const { outcome, error } = arrived;
    const user = recall();
    if (handedToken) await this.#exchange(handedToken);
    else if (outcome === 'signed_in' || outcome === 'created') await this.#exchange(undefined);
    else if (user) this.#begin(user);
    if (error && this.#state.kind === 'signed-out') {
      this.#set({ kind: 'signed-out', notice: words(error, t('session.providerFailed')) });
    } else {
      this.#providerOutcome = arrived;
    }
    globalThis.addEventListener('storage', (event) => {
      // Signed out, or somebody else signed in, in another tab.
      if (event.key === REMEMBERED) globalThis.location.reload();
    });
  }

  /** What the person has just come back with, for the screen that sent them to a provider. */
  get providerOutcome(): ProviderOutcome {
    return this.#providerOutcome;
  }

  forgetProviderOutcome(): void {
    this.#providerOutcome = {};
  }

  signIn(credentials: Credentials): void {
    this.#tokens.take(credentials);
    localStorage.setItem(REMEMBERED, JSON.stringify(credentials.user));
    this.#begin(credentials.user);
  }

  /** Begins with a refresh token that was handed over, or with the cookie that is already set. */
  async #exchange(refreshToken: string | undefined): Promise<void> {
    try {
      this.signIn(await refresh(refreshToken));
    } catch {
      this.#set({ kind: 'signed-out', notice: t('session.notTaken') });
    }
  }

  /** For the few calls that go to no client of its own. */
  accessToken(): Promise<string> {
    return this.#tokens.accessToken();
  }

  /** The person has changed their profile. */
  renamed(user: User): void {
    localStorage.setItem(REMEMBERED, JSON.stringify(user));
    if (this.#state.kind === 'signed-in') this.#set({ ...this.#state, user });
  }

  /** The account is gone on the server: what is left of it here goes, too. */
  async forgetAccount(): Promise<void> {
    const before = this.#state;
    this.#forget();
    this.#set({ kind: 'signed-out', notice: t('account.deleted') });
    if (before.kind === 'signed-in') await forget(before.engine);
  }

  /** Ends the session on the server and forgets everything on this device. */
  async signOut(): Promise<void> {
    await logOut();
    const before = this.#state;
    this.#forget();
    this.#set({ kind: 'signed-out' });
    if (before.kind === 'signed-in') await forget(before.engine);
  }

  #begin(user: User): void {
    const api = new ServerApi(this.#tokens);
    const engine = new Engine({
      userId: user.user_id,
      api,
      tokens: this.#tokens,
      openSocket: openBrowserSocket,
      surroundings: browserSurroundings,
      leadership: tabLeadership,
    });
    engine.onStatus(() => {
      if (engine.status.kind === 'signed-out') this.#ended();
    });
    engine.start();
    engine.people.want([user.user_id]);
    this.#set({ kind: 'signed-in', user, engine, api });
  }

  /** The server says that it is over. What waits in the outbox stays for the next sign-in. */
  #ended(): void {
    const before = this.#state;
    if (before.kind !== 'signed-in') return;
    this.#forget();
    this.#set({ kind: 'signed-out', notice: t('session.ended') });
    void before.engine.stop();
  }

  #forget(): void {
    this.#tokens.forget();
    localStorage.removeItem(REMEMBERED);
  }

  #set(state: SessionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

/** What is kept on this device. */
async function forget(engine: Engine): Promise<void> {
  await engine.forget();
  await (await import('../people/picture-store')).forgetPictures();
}

function recall(): User | undefined {
  try {
    const user: unknown = JSON.parse(localStorage.getItem(REMEMBERED) ?? 'null');
    return typeof user === 'object' && user !== null && 'user_id' in user
      ? (user as User)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The access token: in this tab's memory only, renewed before it expires. */
import { SignedOut, type TokenSource } from '@/engine/ports';
import { type Credentials, refresh } from '../api/account';
import { Problem } from '../api/problem';

const RENEW_BEFORE_MS = 60_000;
/** What is handed out is good for at least this long. */
const GOOD_FOR_MS = 15_000;

export class Tokens implements TokenSource {
  #token = '';
  #expiresAtMs = 0;
  #renewing: Promise<string> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #listeners = new Set<(accessToken: string) => void>();

  constructor(private readonly onSignedOut: () => void) {}

  take(credentials: Credentials): void {
    this.#token = credentials.accessToken;
    this.#expiresAtMs = Date.now() + credentials.expiresInSeconds * 1_000;
    clearTimeout(this.#timer);
    const renewInMs = Math.max(credentials.expiresInSeconds * 1_000 - RENEW_BEFORE_MS, 5_000);
    this.#timer = setTimeout(() => this.#renewEarly(), renewInMs);
    for (const listener of this.#listeners) listener(this.#token);
  }

  async accessToken(options: { fresh?: boolean } = {}): Promise<string> {
    const isGood = Date.now() + GOOD_FOR_MS < this.#expiresAtMs;
    if (isGood && !options.fresh) return this.#token;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  onRenewed(listener: (accessToken: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  forget(): void {
    clearTimeout(this.#timer);
    this.#token = '';
    this.#expiresAtMs = 0;
    this.#listeners.clear();
  }

  #renewEarly(): void {
    // Failing now is no harm: whoever needs a token tries again.
    this.accessToken({ fresh: true }).catch(() => undefined);
  }

  async #renew(): Promise<string> {
    try {
      const credentials = await oneTabAtATime(() => refresh());
      this.take(credentials);
      return credentials.accessToken;
    } catch (error) {
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
        this.onSignedOut();
        throw new SignedOut(error.message);
      }
      throw error;
    }
  }
}

/** Each refresh token is good once: two tabs must not send the same cookie. */
async function oneTabAtATime<T>(task: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request('parlance-refresh', task) : task();
}

/** The server refuses ids that are more than two minutes ahead. */
const AHEAD_AT_MOST_MS = 60_000;

/**
 * The server's time as far as it is known. A device's clock may be hours off, and ids that are made
 * from it would be refused as too old or as from the future.
 */
export class ServerClock {
  #offsetMs: number;

  constructor(
    offsetMs = 0,
    private readonly localMs: () => number = Date.now,
  ) {
    this.#offsetMs = offsetMs;
  }

  get offsetMs(): number {
    return this.#offsetMs;
  }

  learn(serverTimeUnixMs: number): void {
    this.#offsetMs = serverTimeUnixMs - this.localMs();
  }

  nowMs(): number {
    return this.localMs() + this.#offsetMs;
  }

  /** UUIDv7 (RFC 9562, 5.7). */
  newId(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    let rest = Math.floor(this.nowMs());
    for (let index = 5; index >= 0; index -= 1) {
      bytes[index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      hex.slice(12, 16),
      hex.slice(16, 20),
      hex.slice(20),
    ].join('-');
  }

  /** Whether an id of `newId` was made by a clock that turned out to be wrong. */
  isAhead(id: string): boolean {
    const madeMs = Number.parseInt(id.replace('-', '').slice(0, 12), 16);
    return madeMs > this.nowMs() + AHEAD_AT_MOST_MS;
  }
}

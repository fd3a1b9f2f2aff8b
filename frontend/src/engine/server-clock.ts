/**
 * The server's time as far as it is known. A device's clock may be hours off, and ids that are made
 * from it would be refused as too old or as from the future.
 */
export class ServerClock {
  #offsetMs: number;
  #lastIdMs = 0;

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
    // Never back: ids of one tab sort as they were made even while the clock is corrected.
    this.#lastIdMs = Math.max(this.#lastIdMs, Math.floor(this.nowMs()));
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    let rest = this.#lastIdMs;
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
}

/**
 * Full jitter: anywhere between nothing and a ceiling that doubles. Spreads those who lost the same
 * server (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly ceilingMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  nextMs(): number {
    const ceiling = Math.min(this.ceilingMs, this.firstMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    return Math.round(ceiling * this.random());
  }

  reset(): void {
    this.#failures = 0;
  }
}

import Dexie from 'dexie';

/** Lets work run that nobody waits for. That the store was closed under it is how sign-out ends it. */
export function inBackground(work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    if (error instanceof Dexie.DatabaseClosedError) return;
    console.error('work in the background failed', error);
  });
}

/**
 * One after the other, within a transaction. Dexie knows what belongs to it for a hundred awaits at most
 * after the last promise of its own; what comes later would be written outside of it, and the transaction
 * would end too early.
 */
export async function eachInTransaction<T>(
  items: Iterable<T>,
  task: (item: T) => PromiseLike<unknown>,
): Promise<void> {
  for (const item of items) {
    await task(item);
    await Dexie.Promise.resolve();
  }
}

/** A task of which several at once would do the same: whoever asks while it runs lets it run once more. */
export class OneAtATime {
  #isRunning = false;
  #again = false;

  constructor(private readonly task: () => Promise<void>) {}

  async run(): Promise<void> {
    this.#again = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.task();
      }
    } finally {
      this.#isRunning = false;
    }
  }
}

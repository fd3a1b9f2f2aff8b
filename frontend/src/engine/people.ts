/** Names for ids, kept on the device and asked for in batches. */
import { inBackground } from './background';
import type { ClientDatabase } from './database';
import { type EngineApi, SignedOut } from './ports';

const STALE_AFTER_MS = 10 * 60_000;
const AGAIN_AFTER_MS = 5_000;
const BATCH = 100;

export class People {
  #wanted = new Set<string>();
  #asking = false;

  constructor(
    private readonly database: ClientDatabase,
    private readonly api: EngineApi,
  ) {}

  /** Asks for those that are not known, or not recently; what is known is shown meanwhile. */
  want(userIds: Iterable<string>): void {
    for (const id of userIds) if (id !== '') this.#wanted.add(id);
    if (!this.#asking) inBackground(this.#ask());
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    try {
      await this.#askAll();
    } finally {
      this.#asking = false;
    }
  }

  async #askAll(): Promise<void> {
    // One turn, so that a whole screen asks once.
    await new Promise((resolve) => setTimeout(resolve, 10));
    while (this.#wanted.size > 0) {
      const ids = [...this.#wanted].slice(0, BATCH);
      for (const id of ids) this.#wanted.delete(id);
      const known = await this.database.people.bulkGet(ids);
      const fresh = Date.now() - STALE_AFTER_MS;
      const missing = ids.filter((_, index) => (known[index]?.fetched_at_ms ?? 0) < fresh);
      if (missing.length === 0) continue;
      try {
        const people = await this.api.getUsers(missing);
        const fetched_at_ms = Date.now();
        await this.database.people.bulkPut(people.map((person) => ({ ...person, fetched_at_ms })));
      } catch (error) {
        if (error instanceof SignedOut) return;
        // Shown without a name meanwhile.
        setTimeout(() => this.want(missing), AGAIN_AFTER_MS);
        return;
      }
    }
  }
}

/** One person's browser in the simulation: its store outlives its engine, as a reload would. */
import { unreadCount } from '../conversation';
import { Engine } from '../engine';
import type { Surroundings, Timing } from '../ports';
import type { SimulatedServer } from './server';

const FAST = {
  reconnectFirst: 4,
  reconnectCeiling: 30,
  connectTimeout: 60,
  answerTimeout: 80,
  resendFirst: 2,
  resendCeiling: 10,
  pingTimeout: 50,
  settledAfter: 40,
  repairFirst: 2,
  repairCeiling: 10,
};

export class Network implements Surroundings {
  #online = true;
  #listeners = new Set<(signal: 'offline' | 'wake') => void>();

  isOnline(): boolean {
    return this.#online;
  }

  watch(listener: (signal: 'offline' | 'wake') => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(online: boolean): void {
    this.#online = online;
    for (const listener of this.#listeners) listener(online ? 'wake' : 'offline');
  }
}

export function startDevice(
  server: SimulatedServer,
  userId: string,
  network = new Network(),
  timing: Partial<Timing> = {},
): Engine {
  const engine = new Engine({
    userId,
    api: server.api(userId),
    tokens: { accessToken: async () => userId, onRenewed: () => () => undefined },
    openSocket: server.openSocket(),
    surroundings: network,
    leadership: (_, task) => {
      const abort = new AbortController();
      void task(abort.signal);
      return () => abort.abort();
    },
    timing: { ...FAST, ...timing },
  });
  engine.start();
  return engine;
}

/** What a screen would show: every conversation, what is held of it, and the outbox. */
export async function screenOf(engine: Engine) {
  const { conversations, entries, hidden, outbox } = engine.database;
  const lines = await conversations.orderBy('conversation_id').toArray();
  const hiddenRows = await hidden.toArray();
  const hiddenKeys = new Set(hiddenRows.map((row) => `${row.conversation_id} ${row.number}`));
  return {
    conversations: await Promise.all(
      lines.map(async (line) => ({
        id: line.conversation_id,
        name: line.name,
        member: line.member,
        unread: unreadCount(line),
        isMarkedUnread: line.state.marked_unread,
        last: line.last_entry,
        activity_ms: line.activity_ms,
        entries: await entries
          .where('[conversation_id+number]')
          .between([line.conversation_id, 0], [line.conversation_id, Number.POSITIVE_INFINITY])
          .filter((entry) => !hiddenKeys.has(`${entry.conversation_id} ${entry.number}`))
          .toArray(),
      })),
    ),
    outbox: await outbox.toArray(),
  };
}

/** Scrolls every conversation up to its beginning. */
export async function readAll(engine: Engine): Promise<void> {
  for (const id of await engine.database.conversations.toCollection().primaryKeys()) {
    while (await engine.loadOlder(id));
  }
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  whatElse: () => unknown = () => '',
): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`it did not come to that in 10 s: ${JSON.stringify(await whatElse())}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

/** Nothing is missing here, and nothing waits to be told. */
export async function settled(engine: Engine): Promise<void> {
  const { conversations, outbox, marks, meta } = engine.database;
  await until(
    async () =>
      engine.status.kind === 'connected' &&
      (await outbox.where('status').notEqual('refused').count()) === 0 &&
      (await marks.count()) === 0,
    async () => ({
      status: engine.status,
      behind: await conversations.where({ behind: 1 }).toArray(),
      outbox: await outbox.toArray(),
      marks: await marks.toArray(),
      meta: await meta.toArray(),
    }),
  );
}

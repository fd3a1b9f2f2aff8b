// @vitest-environment node
import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Engine } from './engine';
import { IN_FLIGHT_AT_MOST } from './outbox';
import type { Timing } from './ports';
import { Network, readAll, screenOf, settled, startDevice, until } from './simulation/device';
import { seededRandom } from './simulation/random';
import { NO_FAULTS, SimulatedServer } from './simulation/server';

const running: Engine[] = [];
let people = 0;

function device(
  server: SimulatedServer,
  userId: string,
  network?: Network,
  timing?: Partial<Timing>,
): Engine {
  const engine = startDevice(server, userId, network, timing);
  running.push(engine);
  return engine;
}

/** Where every frame counts, no answer is late because the machine was busy. */
const PATIENT = { answerTimeout: 10_000 };

/** A name of its own for each test: stores are kept by person. */
function person(name: string): string {
  people += 1;
  return `${name}-${people}`;
}

afterEach(async () => {
  for (const engine of running.splice(0)) await engine.stop();
});

/** What was written into a conversation, in the server's order. */
function texts(server: SimulatedServer, room: string): string[] {
  return server.log(room).entries.flatMap((entry) => entry.message?.text ?? []);
}

/** Writes while there is no network, so that all of it leaves at once when there is. */
async function writeOffline(engine: Engine, network: Network, written: string[]): Promise<void> {
  network.set(false);
  for (const text of written) await engine.send('tea', { text });
  network.set(true);
}

async function readSome(engine: Engine, room: string, part: number): Promise<void> {
  const top = (await engine.database.conversations.get(room))?.top.number ?? 0;
  await engine.markRead(room, Math.ceil(top * part));
}

describe('an engine', () => {
  it('shows what another person writes, once and in order', async () => {
    const server = new SimulatedServer(seededRandom(1));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ben);
    await settled(engine);
    for (let index = 1; index <= 20; index += 1) server.say('tea', ada, `${index}`);
    await until(async () => (await screenOf(engine)).conversations[0]?.unread === 20);
    const shown = (await screenOf(engine)).conversations[0]?.entries ?? [];
    expect(shown.map((entry) => entry.message?.text)).toEqual(
      Array.from({ length: 20 }, (_, index) => `${index + 1}`),
    );
  });

  it('hears that contacts have changed', async () => {
    const server = new SimulatedServer(seededRandom(1));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const [adas, bens] = [device(server, ada), device(server, ben)];
    await settled(adas);
    await settled(bens);
    server.changeContacts(ben);
    await until(async () => bens.hints.contactsVersion === 1);
    expect(adas.hints.contactsVersion).toBe(0);
  });

  it('keeps an outbox over a reload and sends it once, in order', async () => {
    const server = new SimulatedServer(seededRandom(2));
    const ada = person('ada');
    server.create('tea', [ada]);
    const network = new Network();
    const before = device(server, ada, network);
    await settled(before);
    network.set(false);
    for (const text of ['one', 'two', 'three']) await before.send('tea', { text });
    expect(await before.database.outbox.count()).toBe(3);
    await before.stop();
    const after = device(server, ada);
    await settled(after);
    await until(async () => (await after.database.outbox.count()) === 0);
    expect(server.log('tea').entries.map((entry) => entry.message?.text)).toEqual([
      undefined,
      'one',
      'two',
      'three',
    ]);
  });

  it('does not send again what was stored while the answer was lost', async () => {
    const server = new SimulatedServer(seededRandom(3));
    const ada = person('ada');
    server.create('tea', [ada]);
    const engine = device(server, ada);
    await settled(engine);
    server.faults = { ...NO_FAULTS, loseFrame: 1 };
    await engine.send('tea', { text: 'only once' });
    await until(() => server.log('tea').entries.length === 2);
    server.faults = NO_FAULTS;
    await until(async () => (await engine.database.outbox.count()) === 0);
    expect(server.log('tea').entries).toHaveLength(2);
    expect((await screenOf(engine)).conversations[0]?.entries.at(-1)?.message?.text).toBe(
      'only once',
    );
  });

  it('says which attempt it is, and restarts an outbox that was refused with retry', async () => {
    const server = new SimulatedServer(seededRandom(4));
    const ada = person('ada');
    server.create('tea', [ada]);
    const engine = device(server, ada, undefined, PATIENT);
    await settled(engine);
    server.retryTexts = ['hello'];
    await engine.send('tea', { text: 'hello' });
    await until(() => server.log('tea').entries.length === 2);
    expect(server.sends.map((send) => [send.attempt, send.outbox_restart])).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  it('sends without waiting for answers, as many as may be under way', async () => {
    const server = new SimulatedServer(seededRandom(15));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    server.create('other', [ada, ben]);
    const network = new Network();
    const engine = device(server, ada, network);
    await settled(engine);
    server.pauseLog();
    const written = Array.from({ length: IN_FLIGHT_AT_MOST + 8 }, (_, index) => `${index}`);
    await writeOffline(engine, network, written);
    const heard = () => new Set(server.sends.map((send) => 'text' in send && send.text));
    await until(() => heard().size === IN_FLIGHT_AT_MOST);
    // Other conversations don't wait for this one.
    await engine.send('other', { text: 'elsewhere' });
    await until(() => heard().has('elsewhere'));
    expect(heard().size).toBe(IN_FLIGHT_AT_MOST + 1);
    server.resumeLog();
    await settled(engine);
    expect(texts(server, 'tea')).toEqual(written);
  });

  it('begins anew from the oldest unanswered one after a refusal with retry', async () => {
    const server = new SimulatedServer(seededRandom(16));
    const ada = person('ada');
    server.create('tea', [ada]);
    const network = new Network();
    const engine = device(server, ada, network, PATIENT);
    await settled(engine);
    server.retryTexts = ['three'];
    const written = ['one', 'two', 'three', 'four', 'five'];
    await writeOffline(engine, network, written);
    await settled(engine);
    expect(texts(server, 'tea')).toEqual(written);
    // One new beginning for the three refusals.
    const again = server.sends.slice(written.length);
    expect(again.map((send) => send.outbox_restart)).toEqual(again.map((_, index) => index === 0));
    expect(again.map((send) => 'text' in send && send.text)).toEqual(written.slice(-again.length));
    expect(again.length).toBeGreaterThanOrEqual(3);
  });

  it('sends what was under way again after a reload: the same ids, in order, from a new beginning', async () => {
    const server = new SimulatedServer(seededRandom(17));
    const ada = person('ada');
    server.create('tea', [ada]);
    const before = device(server, ada);
    await settled(before);
    server.pauseLog();
    for (const text of ['one', 'two', 'three']) await before.send('tea', { text });
    await until(() => server.sends.length >= 3);
    await before.stop();
    const first = server.sends.splice(0).slice(0, 3);
    const after = device(server, ada);
    await until(() => server.sends.length >= 3);
    const again = server.sends.slice(0, 3);
    const ids = again.map((send) => send.client_message_id);
    expect(ids).toEqual(first.map((send) => send.client_message_id));
    expect(again.map((send) => send.outbox_restart)).toEqual([true, false, false]);
    for (const send of again) expect(send.attempt).toBeGreaterThan(1);
    server.resumeLog();
    await settled(after);
    expect(texts(server, 'tea')).toEqual(['one', 'two', 'three']);
  });

  it('goes on with those behind a message that is refused for good', async () => {
    const server = new SimulatedServer(seededRandom(18));
    const ada = person('ada');
    server.create('tea', [ada]);
    const network = new Network();
    const engine = device(server, ada, network, PATIENT);
    await settled(engine);
    server.refuseText = 'bad';
    await writeOffline(engine, network, ['one', 'bad', 'two']);
    await settled(engine);
    expect(texts(server, 'tea')).toEqual(['one', 'two']);
    expect(server.sends.map((send) => [send.attempt, send.outbox_restart])).toEqual([
      [1, false],
      [1, false],
      [1, false],
    ]);
  });

  it('keeps the order of what was written before it knew that its clock is wrong', async () => {
    const server = new SimulatedServer(seededRandom(19));
    const ada = person('ada');
    server.create('tea', [ada]);
    const network = new Network();
    const engine = device(server, ada, network);
    await settled(engine);
    network.set(false);
    await engine.send('tea', { text: 'by the wrong clock' });
    server.clockOffsetMs = -3_600_000;
    network.set(true);
    await engine.send('tea', { text: 'then another' });
    await settled(engine);
    await engine.send('tea', { text: 'by the right one' });
    await settled(engine);
    expect(texts(server, 'tea')).toEqual([
      'by the wrong clock',
      'then another',
      'by the right one',
    ]);
  });

  it('keeps a refused message with its reason, and goes on with the next', async () => {
    const server = new SimulatedServer(seededRandom(5));
    const ada = person('ada');
    server.create('tea', [ada]);
    server.refuseText = 'bad';
    const engine = device(server, ada);
    await settled(engine);
    await engine.send('tea', { text: 'bad' });
    await engine.send('tea', { text: 'good' });
    await until(() => server.log('tea').entries.length === 2);
    await until(async () => (await engine.database.outbox.count()) === 1);
    const [refused] = await engine.database.outbox.toArray();
    expect(refused).toMatchObject({ status: 'refused', refusal: { code: 'text_too_long' } });
    server.refuseText = undefined;
    if (refused) await engine.retry(refused);
    await until(() => server.log('tea').entries.length === 3);
    await until(async () => (await engine.database.outbox.count()) === 0);
  });

  it('finds a conversation that it was added to while it was away', async () => {
    const server = new SimulatedServer(seededRandom(6));
    const [ada, ben] = [person('ada'), person('ben')];
    const network = new Network();
    const engine = device(server, ben, network);
    await settled(engine);
    network.set(false);
    server.create('new', [ada, ben]);
    server.say('new', ada, 'welcome');
    network.set(true);
    await until(async () => (await screenOf(engine)).conversations[0]?.name === 'new');
    await settled(engine);
    expect((await screenOf(engine)).conversations[0]).toMatchObject({ unread: 1 });
  });

  it('leaves a socket that has gone silent', async () => {
    const server = new SimulatedServer(seededRandom(7));
    const ada = person('ada');
    server.create('tea', [ada]);
    const engine = device(server, ada);
    await settled(engine);
    for (const socket of server.sockets) socket.open = false;
    server.sockets.clear();
    server.say('tea', 'somebody', 'are you there?');
    await until(async () => (await screenOf(engine)).conversations[0]?.unread === 1);
  });

  it('goes on with a gateway that is about to stop, and leaves it when it was told to', async () => {
    const server = new SimulatedServer(seededRandom(12));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ada);
    await settled(engine);
    const [before] = server.sockets;
    const seen: string[] = [];
    engine.onStatus(() => seen.push(engine.status.kind));
    const beginMs = performance.now();
    // The gateway itself would wait far longer than this test.
    server.drain(1_000, 60_000);
    await engine.send('tea', { text: 'before I go' });
    await until(async () => (await engine.database.outbox.count()) === 0);
    server.say('tea', ben, 'stay a little');
    await until(async () => {
      const { entries } = (await screenOf(engine)).conversations[0] ?? { entries: [] };
      return entries.some((entry) => entry.message?.text === 'stay a little');
    });
    expect([...server.sockets]).toEqual([before]);
    expect(seen).toEqual([]);

    await until(() => before?.open === false);
    expect(performance.now() - beginMs).toBeGreaterThan(990);
    await engine.send('tea', { text: 'from elsewhere' });
    await settled(engine);
    expect([...server.sockets]).not.toContain(before);
    expect(seen).not.toContain('waiting');
    const texts = server.log('tea').entries.flatMap((entry) => entry.message?.text ?? []);
    expect(texts).toEqual(['before I go', 'stay a little', 'from elsewhere']);
  });

  it('comes back when it was told to, though the gateway stopped before', async () => {
    const server = new SimulatedServer(seededRandom(13));
    const engine = device(server, person('ada'));
    await settled(engine);
    const beginMs = performance.now();
    server.drain(300, 10);
    await until(() => engine.status.kind === 'waiting');
    await settled(engine);
    expect(performance.now() - beginMs).toBeGreaterThan(290);
  });

  it('repeats a read mark until the server has it', async () => {
    const server = new SimulatedServer(seededRandom(8));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const network = new Network();
    const engine = device(server, ben, network);
    await settled(engine);
    server.say('tea', ada, 'hi');
    await until(async () => (await screenOf(engine)).conversations[0]?.unread === 1);
    network.set(false);
    await engine.markRead('tea', 2);
    network.set(true);
    await until(() => server.state('tea', ben).unread_count === 0);
    await until(async () => (await engine.database.marks.count()) === 0);
  });

  it('takes a mark as unread off as often as it is set, also where nothing was ever read', async () => {
    const server = new SimulatedServer(seededRandom(14));
    const ada = person('ada');
    server.create('tea', [ada]);
    const engine = device(server, ada);
    await settled(engine);
    for (let time = 0; time < 2; time += 1) {
      await engine.markUnread('tea');
      await engine.markRead('tea', 0);
      await settled(engine);
      expect(server.state('tea', ada).marked_unread).toBe(false);
    }
  });

  it('follows settings that another device changed', async () => {
    const server = new SimulatedServer(seededRandom(10));
    const ada = person('ada');
    server.create('tea', [ada]);
    const engine = device(server, ada);
    await settled(engine);
    server.changeSettings('tea', ada, { archived: true });
    await until(async () => {
      const record = await engine.database.conversations.get('tea');
      return record?.settings.archived === true && record.behind === 0;
    });
  });

  it('tells up to where it has stored a conversation', async () => {
    const server = new SimulatedServer(seededRandom(11));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ben);
    await settled(engine);
    for (let index = 1; index <= 3; index += 1) server.say('tea', ada, `${index}`);
    await until(() => server.reader('tea', ben).delivered === 4);
    expect(server.reader('tea', ben).read).toBe(0);
  });

  it('counts what was hidden and then deleted as gone once', async () => {
    const server = new SimulatedServer(seededRandom(13));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ada);
    await settled(engine);
    const said = ['a', 'b', 'c', 'd'].map((text) => server.say('tea', ben, text).number);
    const unread = async () => (await screenOf(engine)).conversations[0]?.unread;
    await until(async () => (await unread()) === 4);
    const [first = 0, second = 0] = said;
    const remove = (number: number) =>
      server.append('tea', ben, {
        deleted: { number, author_id: ben, client_message_id: `x${number}` },
      });
    await engine.hide('tea', first);
    expect(await unread()).toBe(3);
    const { number } = remove(first);
    await until(
      async () => (await engine.database.conversations.get('tea'))?.top.number === number,
    );
    expect(await unread()).toBe(3);
    remove(second);
    await until(async () => (await unread()) === 2);
    // Whichever comes first here.
    server.hide('tea', ada, said[2] ?? 0);
    await until(async () => (await unread()) === 1);
    expect(server.state('tea', ada).unread_count).toBe(1);
  });

  it('learns of everything that is hidden, also when it hides something twice', async () => {
    const server = new SimulatedServer(seededRandom(16));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ada);
    await settled(engine);
    const [first, second] = [
      server.say('tea', ben, 'a').number,
      server.say('tea', ben, 'b').number,
    ];
    const unread = async () => (await screenOf(engine)).conversations[0]?.unread;
    await until(async () => (await unread()) === 2);
    await engine.hide('tea', first);
    // Another device hides the other one, and word of it is lost.
    server.faults = { ...NO_FAULTS, loseFrame: 1 };
    server.hide('tea', ada, second);
    server.faults = NO_FAULTS;
    await engine.hide('tea', first);
    await until(async () => (await engine.database.hidden.count()) === 2);
    expect(await unread()).toBe(0);
  });

  it('tells marks again that the server could not take, on the same socket', async () => {
    const server = new SimulatedServer(seededRandom(12));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ben);
    await settled(engine);
    const [socket] = server.sockets;
    server.faults = { ...NO_FAULTS, refuseWithRetry: 1 };
    const number = server.say('tea', ada, 'hot').number;
    await until(() => server.refusedMarks.has('mark_delivered'));
    server.faults = NO_FAULTS;
    await until(() => server.reader('tea', ben).delivered === number);
    server.faults = { ...NO_FAULTS, refuseWithRetry: 1 };
    await engine.markRead('tea', number);
    await until(() => server.refusedMarks.has('mark_read'));
    server.faults = NO_FAULTS;
    await until(() => server.reader('tea', ben).read === number);
    expect([...server.sockets]).toEqual([socket]);
  });

  it('reads again what it could not store', async () => {
    const server = new SimulatedServer(seededRandom(14));
    const [ada, ben] = [person('ada'), person('ben')];
    server.create('tea', [ada, ben]);
    const engine = device(server, ben);
    await settled(engine);
    const { entries } = engine.database;
    const put = vi.spyOn(entries, 'bulkPut').mockImplementationOnce(() => {
      throw new Error('the disk is full');
    });
    for (let index = 1; index <= 3; index += 1) server.say('tea', ada, `${index}`);
    await until(() => put.mock.calls.length > 1);
    await settled(engine);
    await until(async () => (await entries.count()) === server.log('tea').entries.length);
    expect((await screenOf(engine)).conversations[0]?.unread).toBe(3);
    put.mockRestore();
  });

  it('ends when the session ends', async () => {
    const server = new SimulatedServer(seededRandom(9));
    const engine = device(server, person('ada'));
    await settled(engine);
    server.closeAll(4001);
    await until(() => engine.status.kind === 'signed-out');
  });
});

/** Somebody edits, deletes, reacts, hides or marks as unread. */
async function changeSomething(
  server: SimulatedServer,
  engine: Engine,
  room: string,
  other: string,
  random: () => number,
): Promise<void> {
  const { entries } = server.log(room);
  const number = 1 + Math.floor(random() * entries.length);
  if (!entries[number - 1]?.message) return;
  const dice = random();
  const isOwn = entries[number - 1]?.actor_id === engine.userId;
  const now = server.entryNow(room, number, engine.userId)?.message;
  const by = { client_message_id: `by-other-${room}-${entries.length}`, number };
  if (dice < 0.2)
    await engine.change(room, number, { react: { add: random() < 0.5 ? '🎉' : '👍' } });
  else if (dice < 0.3) await engine.change(room, number, { react: { remove: '👍' } });
  else if (dice < 0.45 && isOwn) {
    await engine.change(room, number, { edit: { text: `ada edited ${number}` } });
  } else if (dice < 0.5 && isOwn) await engine.change(room, number, { delete: {} });
  else if (dice < 0.6) await engine.hide(room, number).catch(() => undefined);
  else if (dice < 0.65) await engine.markUnread(room).catch(() => undefined);
  else if (now?.deleted || isOwn) return;
  else if (dice < 0.8) server.append(room, other, { edited: { ...by, text: `edited ${number}` } });
  else if (dice < 0.9) server.append(room, other, { reacted: { ...by, added: '👍' } });
  else server.append(room, other, { deleted: { ...by, author_id: other } });
}

/** Somebody comes or goes, or something of the room or of the person's own is changed elsewhere. */
function changeRoom(
  server: SimulatedServer,
  me: string,
  room: string,
  [ben, cy]: [string, string],
  random: () => number,
): void {
  const { entries } = server.log(room);
  const isMember = server.isMember(room, me);
  const dice = random();
  if (!isMember) server.append(room, ben, { joined: { user_id: me } });
  else if (dice < 0.2) server.append(room, random() < 0.5 ? ben : me, { left: { user_id: me } });
  else if (dice < 0.35) {
    const from_number = 1 + Math.floor(random() * entries.length);
    server.append(room, ben, { history_opened: { user_id: me, from_number } });
  } else if (dice < 0.45) {
    const isIn = server.isMember(room, cy);
    server.append(room, ben, isIn ? { left: { user_id: cy } } : { joined: { user_id: cy } });
  } else if (dice < 0.55)
    server.append(room, ben, { renamed: { name: `${room} ${entries.length}` } });
  else if (dice < 0.7) server.markRead(room, me, Math.floor(random() * (entries.length + 1)));
  else if (dice < 0.8) server.markUnread(room, me);
  else if (dice < 0.9) server.changeSettings(room, me, { archived: random() < 0.5 });
  else server.hideSomething(room, me, 1 + Math.floor(random() * entries.length));
}

describe('any history', () => {
  // More than the usual ones, to look for something rare.
  const length = Number(process.env.PARLANCE_SEEDS ?? 25);
  const seeds = Array.from({ length }, (_, index) => index + 100);

  it.each(seeds)('ends in the same screen as a fresh load (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const server = new SimulatedServer(random);
    const [ada, ben, cy] = [person('ada'), person('ben'), person('cy')];
    const rooms = ['one', 'two', 'three'];
    for (const room of rooms) server.create(room, [ben, ada]);
    server.faults = {
      loseFrame: 0.05,
      doubleFrame: 0.1,
      delayFrame: 0.2,
      dropSocket: 0.01,
      refuseWithRetry: 0.1,
      delayLog: 0.3,
      failRequest: 0.2,
    };
    server.refuseText = 'bad';
    const network = new Network();
    let engine = device(server, ada, network);
    const pick = <T>(from: T[]): T => from[Math.floor(random() * from.length)] as T;
    const written: Record<string, string[]> = { one: [], two: [], three: [] };
    for (let step = 0; step < 120; step += 1) {
      const room = pick(rooms);
      const dice = random();
      if (dice < 0.45) server.say(room, ben, `ben ${step}`);
      else if (dice < 0.7) {
        // Now and then more at once than may be under way.
        const many = random() < 0.1 ? Math.ceil(random() * 2 * IN_FLIGHT_AT_MOST) : 1;
        for (let index = 0; index < many; index += 1) {
          const text = random() < 0.05 ? 'bad' : `ada ${step} ${index}`;
          if (text !== 'bad') written[room]?.push(text);
          await engine.send(room, { text });
        }
      } else if (dice < 0.73) await readSome(engine, room, random());
      else if (dice < 0.8) await changeSomething(server, engine, room, ben, random);
      else if (dice < 0.83) changeRoom(server, ada, room, [ben, cy], random);
      else if (dice < 0.86) network.set(!network.isOnline());
      else if (dice < 0.88) server.loseIndex();
      else if (dice < 0.89) server.closeAll(4012);
      else if (dice < 0.9) server.drain(random() * 20, random() * 30);
      else if (dice < 0.92) {
        await engine.stop();
        engine = device(server, ada, network);
      } else await new Promise((resolve) => setTimeout(resolve, random() * 12));
    }
    server.faults = NO_FAULTS;
    network.set(true);
    await settled(engine);
    // One more beat, so that a lost tail would have shown.
    await new Promise((resolve) => setTimeout(resolve, 60));
    await settled(engine);
    await readAll(engine);
    const unsent = await engine.database.outbox.toArray();
    for (const item of unsent) await engine.discard(item);
    const lived = await screenOf(engine);
    for (const room of rooms.filter((id) => server.isMember(id, ada))) {
      const head = server.state(room, ada).head_number;
      await until(() => server.reader(room, ada).delivered === head);
    }
    await engine.forget();
    running.splice(running.indexOf(engine), 1);
    expect(server.beforeHello).toEqual([]);

    const fresh = device(server, ada);
    await settled(fresh);
    await readAll(fresh);
    const isIn = ({ id }: { id: string }) => server.isMember(id, ada);
    expect(lived.conversations.filter(isIn)).toEqual((await screenOf(fresh)).conversations);
    for (const left of lived.conversations.filter((line) => !isIn(line))) {
      expect(left).toMatchObject({ member: 0, unread: 0 });
      for (const { number } of left.entries) expect(server.sees(left.id, ada, number)).toBe(true);
    }
    for (const room of rooms) {
      const own = server
        .log(room)
        .entries.flatMap((entry) => (entry.actor_id === ada ? (entry.message?.text ?? []) : []));
      const refused = unsent.flatMap((item) =>
        item.kind === 'message' && item.conversation_id === room ? item.text : [],
      );
      const stored = written[room]?.filter((text) => !refused.includes(text));
      expect(own).toEqual(stored);
    }
  });
});

// @vitest-environment node
import 'fake-indexeddb/auto';
import { afterEach, expect, it, vi } from 'vitest';
import { ClientDatabase } from './database';
import { Inbox } from './inbox';
import type { Entry } from './wire';

const opened: ClientDatabase[] = [];

afterEach(async () => {
  for (const database of opened.splice(0)) await database.delete();
});

function newInbox() {
  const database = new ClientDatabase(crypto.randomUUID());
  opened.push(database);
  const failed = vi.fn();
  const nothing = () => undefined;
  const inbox = new Inbox(database, 'me', {
    touched: nothing,
    answered: nothing,
    refused: nothing,
    states: nothing,
    newEntries: nothing,
    stored: nothing,
    failed,
  });
  return { database, inbox, failed };
}

const joined = (number: number): Entry => ({
  conversation_id: 'tea',
  number,
  previous_number: number - 1,
  countable_total: 0,
  time_unix_ms: number,
  actor_id: 'ada',
  joined: { user_id: `guest ${number}` },
});

const numbers = Array.from({ length: 400 }, (_, index) => index + 1);

it('stores many frames at once, also where the store is asked for none of them', async () => {
  const { database, inbox, failed } = newInbox();
  for (const number of numbers) {
    const common = { conversation_id: 'tea', message_id: '', time_unix_ms: 0 };
    inbox.post({ accepted: { ...common, client_message_id: `${number}`, number } });
  }
  inbox.post({ cursor: 'after them' });
  await inbox.idle();
  expect(failed).not.toHaveBeenCalled();
  expect(await database.readMeta('cursor')).toBe('after them');
  expect((await database.conversations.get('tea'))?.heard_of).toBe(numbers.length);
});

it('stores a long page of comings', async () => {
  const { database, inbox } = newInbox();
  const entries = numbers.map(joined);
  await inbox.takePage('tea', { entries, covered_from: 1, covered_to: numbers.length });
  expect(await database.entries.count()).toBe(numbers.length);
});

it('says when it could not store something, and goes on with what comes then', async () => {
  const { database, inbox, failed } = newInbox();
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  vi.spyOn(database.entries, 'bulkPut').mockImplementationOnce(() => {
    throw new Error('the disk is full');
  });
  inbox.post({ entry: joined(1) });
  inbox.post({ cursor: 'after it' });
  await vi.waitFor(() => expect(failed).toHaveBeenCalledOnce());
  expect(await database.readMeta('cursor')).toBe('');
  inbox.post({ entry: joined(1) });
  await inbox.idle();
  expect(await database.entries.count()).toBe(1);
  vi.restoreAllMocks();
});

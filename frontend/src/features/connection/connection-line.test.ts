import { expect, it } from 'vitest';
import { connectionText } from './connection-line';

it('says what is true', () => {
  const none = { waiting: 0, behind: 0 };
  expect(connectionText({ kind: 'connected' }, none, 0)).toBe('Caught up');
  expect(connectionText({ kind: 'connected' }, { ...none, waiting: 1 }, 0)).toBe(
    'Sending 1 message…',
  );
  expect(connectionText({ kind: 'catching-up' }, none, 0)).toBe('Catching up…');
  expect(connectionText({ kind: 'catching-up' }, { ...none, behind: 3 }, 0)).toBe(
    'Catching up: 3 behind…',
  );
  expect(connectionText({ kind: 'offline' }, { ...none, waiting: 2 }, 0)).toBe(
    'Waiting for the network — 2 messages in the outbox',
  );
  expect(connectionText({ kind: 'waiting', retryAtMs: 4_200 }, none, 1_000)).toBe(
    'No connection, trying again in 4 s',
  );
});

import { expect, it } from 'vitest';
import { connectionText } from './connection-line';

it('says what is true', () => {
  expect(connectionText({ kind: 'connected' }, 0, 0)).toBe('Connected');
  expect(connectionText({ kind: 'connected' }, 1, 0)).toBe('Sending 1 message…');
  expect(connectionText({ kind: 'catching-up' }, 0, 0)).toBe('Catching up…');
  expect(connectionText({ kind: 'offline' }, 2, 0)).toBe(
    'Waiting for the network — 2 messages in the outbox',
  );
  expect(connectionText({ kind: 'waiting', retryAtMs: 4_200 }, 0, 1_000)).toBe(
    'No connection, trying again in 4 s',
  );
});

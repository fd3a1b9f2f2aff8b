import { describe, expect, it, vi } from 'vitest';
import { Connection, type Link } from './connection';
import { DEFAULT_TIMING, type SocketEvents } from './ports';

describe('a connection', () => {
  it('says nothing but hello until it is welcomed', async () => {
    const sent: string[] = [];
    const links: Link['kind'][] = [];
    const sockets: SocketEvents[] = [];
    const connection = new Connection(
      (events) => {
        sockets.push(events);
        return { send: (text) => sent.push(text), close: () => undefined };
      },
      { accessToken: async () => 'token', onRenewed: () => () => undefined },
      { isOnline: () => true, watch: () => () => undefined },
      DEFAULT_TIMING,
      {
        cursor: async () => 'cursor',
        welcomed: () => undefined,
        received: () => undefined,
        changed: ({ kind }) => links.push(kind),
      },
    );
    connection.start();
    await vi.waitUntil(() => sockets.length > 0);
    const [socket] = sockets;
    const mark = { mark_read: { conversation_id: 'tea', number: 1 } };
    // Who read the store while the last socket went finds this one.
    expect(connection.send(mark)).toBe(false);
    socket?.opened();
    expect(connection.send(mark)).toBe(false);
    const hello = { hello: { access_token: 'token', cursor: 'cursor' } };
    expect(sent.map((text) => JSON.parse(text))).toEqual([hello]);
    const welcome = {
      connection_id: 'connection',
      user_id: 'ada',
      server_time_unix_ms: 0,
      heartbeat_interval_ms: 30_000,
      cursor: '',
    };
    socket?.received(JSON.stringify({ welcome }));
    expect(links).toEqual(['connecting', 'open']);
    expect(connection.send(mark)).toBe(true);
    expect(sent.map((text) => JSON.parse(text))).toEqual([hello, mark]);
    expect(connection.framesSent).toBe(1);
    connection.stop();
  });
});

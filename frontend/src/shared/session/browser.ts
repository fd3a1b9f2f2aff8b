/** The browser's side of the engine's ports. */
import type { Leadership, OpenSocket, Surroundings } from '@/engine/ports';
import { SUBPROTOCOL } from '@/engine/wire';

export const openBrowserSocket: OpenSocket = (events) => {
  const address = new URL('/socket', globalThis.location.href);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(address, SUBPROTOCOL);
  socket.addEventListener('open', () => events.opened());
  socket.addEventListener('close', (event) => events.closed(event.code));
  socket.addEventListener('message', (event) => {
    if (typeof event.data === 'string') events.received(event.data);
  });
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => socket.close(),
  };
};

export const browserSurroundings: Surroundings = {
  isOnline: () => navigator.onLine,
  watch(listener) {
    const abort = new AbortController();
    const { signal } = abort;
    globalThis.addEventListener('offline', () => listener('offline'), { signal });
    globalThis.addEventListener('online', () => listener('wake'), { signal });
    const shown = () => {
      if (document.visibilityState === 'visible') listener('wake');
    };
    document.addEventListener('visibilitychange', shown, { signal });
    return () => abort.abort();
  },
};

/**
 * One tab of a person leads; the lock goes to the next one when it closes or crashes. Without locks
 * (plain HTTP from another machine) each tab leads, which costs sockets but sends nothing twice.
 */
export const tabLeadership: Leadership = (name, task) => {
  const abort = new AbortController();
  const { signal } = abort;
  if (navigator.locks) {
    navigator.locks
      .request(name, { signal }, () => task(signal))
      .catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
  } else {
    void task(signal);
  }
  return () => abort.abort();
};

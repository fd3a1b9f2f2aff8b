import { useLiveQuery } from 'dexie-react-hooks';
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { EngineStatus } from '@/engine/engine';
import { useSignedIn } from '@/shared/session/context';

/** Says what is true: whether what is shown is all there is, and whether anything is still to be sent. */
export function ConnectionLine() {
  const { engine } = useSignedIn();
  const status = useSyncExternalStore(
    (listener) => engine.onStatus(listener),
    () => engine.status,
  );
  const waiting =
    useLiveQuery(() => engine.database.outbox.where({ status: 'waiting' }).count(), [engine]) ?? 0;
  const nowMs = useSecond(status.kind === 'waiting');
  const colour = {
    connected: 'bg-good',
    'catching-up': 'bg-wait animate-pulse',
    connecting: 'bg-wait animate-pulse',
    waiting: 'bg-wait',
    offline: 'bg-danger',
    'signed-out': 'bg-danger',
  }[status.kind];
  return (
    <p
      role="status"
      className="flex items-center gap-2 border-line border-t px-4 py-2.5 text-soft text-xs"
      data-connection={status.kind}
    >
      <span className={`size-2 shrink-0 rounded-full ${colour}`} />
      <span className="truncate">{connectionText(status, waiting, nowMs)}</span>
    </p>
  );
}

export function connectionText(status: EngineStatus, waiting: number, nowMs: number): string {
  const outbox = waiting === 1 ? '1 message' : `${waiting} messages`;
  const held = waiting === 0 ? '' : ` — ${outbox} in the outbox`;
  switch (status.kind) {
    case 'connected':
      return waiting === 0 ? 'Connected' : `Sending ${outbox}…`;
    case 'catching-up':
      return `Catching up…${held}`;
    case 'connecting':
      return `Connecting…${held}`;
    case 'offline':
      return `Waiting for the network${held}`;
    case 'waiting': {
      const seconds = Math.max(1, Math.ceil((status.retryAtMs - nowMs) / 1_000));
      return `No connection, trying again in ${seconds} s${held}`;
    }
    case 'signed-out':
      return 'Signed out';
  }
}

/** The time, each second, while somebody wants it. */
function useSecond(wanted: boolean): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    if (!wanted) return;
    setNowMs(Date.now());
    const timer = setInterval(() => setNowMs(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [wanted]);
  return nowMs;
}

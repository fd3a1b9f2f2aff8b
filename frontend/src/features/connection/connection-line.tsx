import { useLiveQuery } from 'dexie-react-hooks';
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { EngineStatus } from '@/engine/engine';
import { t } from '@/shared/i18n/i18n';
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
  const behind =
    useLiveQuery(async () => {
      const lines = await engine.database.conversations.where({ behind: 1 }).toArray();
      return lines.reduce((sum, line) => sum + Math.max(0, line.heard_of - line.top.number), 0);
    }, [engine]) ?? 0;
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
      <span className="truncate">{connectionText(status, { waiting, behind }, nowMs)}</span>
    </p>
  );
}

export function connectionText(
  status: EngineStatus,
  /** Messages to send, and entries that are known to be missing. */
  counts: { waiting: number; behind: number },
  nowMs: number,
): string {
  const { waiting, behind } = counts;
  const said = () => {
    switch (status.kind) {
      case 'connected':
        return waiting === 0
          ? t('connection.connected')
          : t('connection.sending', { count: waiting });
      case 'catching-up':
        return t('connection.catchingUp', { count: behind });
      case 'connecting':
        return t('connection.connecting');
      case 'offline':
        return t('connection.offline');
      case 'waiting': {
        const seconds = Math.max(1, Math.ceil((status.retryAtMs - nowMs) / 1_000));
        return t('connection.waiting', { seconds });
      }
      case 'signed-out':
        return t('connection.signedOut');
    }
  };
  const isSaidAlready = status.kind === 'connected' || status.kind === 'signed-out';
  return waiting === 0 || isSaidAlready
    ? said()
    : t('connection.withOutbox', { said: said(), count: waiting });
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

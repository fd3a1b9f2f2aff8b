import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useLiveQuery } from 'dexie-react-hooks';
import { read } from '@/shared/api/conversations';
import type { components } from '@/shared/api/generated/account';
import { done, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { DeviceIcon, DoorIcon } from '@/shared/ui/icons';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons } from '@/shared/ui/page';
import { preciseTime, relativeTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import { useProof } from './use-proof';

type Session = components['schemas']['Session'];

export function DevicesSection() {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const { proven, dialog } = useProof();
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: async () => read(await api.accounts.GET('/api/account/sessions')).sessions,
  });
  const refresh = () => queries.invalidateQueries({ queryKey: ['sessions'] });
  const ending = useMutation({
    mutationFn: (session_id: string) =>
      proven(async () =>
        done(
          await api.accounts.DELETE('/api/account/sessions/{session_id}', {
            params: { path: { session_id } },
          }),
        ),
      ),
    onSuccess: refresh,
  });
  const endingOthers = useMutation({
    mutationFn: () =>
      proven(async () => read(await api.accounts.POST('/api/account/log-out-others'))),
    onSuccess: refresh,
  });
  const others = sessions.data?.filter((session) => !session.current) ?? [];
  const error = sessions.error ?? ending.error ?? endingOthers.error;
  return (
    <>
      <LeavingCard />
      <Card
        title={t('devices.others')}
        actions={
          others.length > 1 && (
            <Button
              look="danger"
              disabled={endingOthers.isPending}
              onClick={() => endingOthers.mutate()}
            >
              {t('devices.endOthers')}
            </Button>
          )
        }
      >
        {error && <Notice kind="error">{sentence(error)}</Notice>}
        {sessions.isPending && <LineSkeletons count={2} />}
        {sessions.data && others.length === 0 && <p className="text-soft">{t('devices.none')}</p>}
        <ul className="divide-y divide-line">
          {others.map((session) => (
            <li key={session.session_id} className="flex items-center gap-3 py-2.5">
              <Device session={session} />
              <Button
                look="soft"
                disabled={ending.isPending}
                onClick={() => ending.mutate(session.session_id)}
              >
                {t('settings.signOut')}
              </Button>
            </li>
          ))}
        </ul>
      </Card>
      {dialog}
    </>
  );
}

function Device({ session }: { session: Session }) {
  const now = useNow();
  const lastMs = Date.parse(session.last_used_at);
  return (
    <>
      <DeviceIcon className="size-6 shrink-0 text-soft" />
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium">{session.device_name || t('devices.unnamed')}</p>
        <p className="truncate text-soft text-sm" title={preciseTime(lastMs)}>
          {t('devices.lastUsed', { when: relativeTime(lastMs, now) })}
        </p>
      </div>
    </>
  );
}

function LeavingCard() {
  const { engine } = useSignedIn();
  const session = useSession();
  const waiting = useLiveQuery(() => engine.database.outbox.count(), [engine]) ?? 0;
  const leaving = useMutation({ mutationFn: () => session.signOut() });
  return (
    <Card title={t('settings.thisDevice')}>
      <div className="grid grid-cols-1 justify-items-start gap-3">
        <p className="text-soft text-sm">{t('settings.signOutHint')}</p>
        {waiting > 0 && <Notice kind="error">{t('settings.unsent', { count: waiting })}</Notice>}
        {leaving.error && <Notice kind="error">{sentence(leaving.error)}</Notice>}
        <Button
          look="danger"
          className="-ml-3"
          disabled={leaving.isPending}
          onClick={() => leaving.mutate()}
        >
          <DoorIcon /> {t('settings.signOut')}
        </Button>
      </div>
    </Card>
  );
}

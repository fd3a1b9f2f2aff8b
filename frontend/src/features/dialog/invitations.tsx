import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { read } from '@/shared/api/conversations';
import { done, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { CopyIcon, LinkIcon, TrashIcon } from '@/shared/ui/icons';
import { Notice } from '@/shared/ui/notice';
import { relativeTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';

const DAY_SECONDS = 86_400;
const LIFETIMES = [1, 7, 30] as const;

/** Links by which people join, for owners and admins. The server keeps no token: a link is shown once. */
export function Invitations({ conversationId }: { conversationId: string }) {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const now = useNow();
  const [days, setDays] = useState<(typeof LIFETIMES)[number]>(7);
  const params = { path: { conversation_id: conversationId } };
  const invitations = useQuery({
    queryKey: ['invitations', conversationId],
    queryFn: async () => {
      const path = '/api/conversations/{conversation_id}/invitations';
      return read(await api.conversations.GET(path, { params })).items;
    },
  });
  const refresh = () => queries.invalidateQueries({ queryKey: ['invitations', conversationId] });
  const creating = useMutation({
    mutationFn: async () => {
      const path = '/api/conversations/{conversation_id}/invitations';
      const body = { expires_in_seconds: days * DAY_SECONDS };
      const { token } = read(await api.conversations.POST(path, { params, body }));
      return `${globalThis.location.origin}/join#${token}`;
    },
    onSuccess: refresh,
  });
  const revoking = useMutation({
    mutationFn: async (invitation_id: string) => {
      const path = '/api/conversations/{conversation_id}/invitations/{invitation_id}';
      const both = { path: { conversation_id: conversationId, invitation_id } };
      done(await api.conversations.DELETE(path, { params: both }));
    },
    onSuccess: refresh,
  });
  const error = invitations.error ?? creating.error ?? revoking.error;
  return (
    <section className="grid grid-cols-1 gap-2">
      <h3 className="font-medium text-soft text-sm">{t('invitations.title')}</h3>
      <div className="flex flex-wrap items-center gap-2">
        <Button look="soft" disabled={creating.isPending} onClick={() => creating.mutate()}>
          <LinkIcon className="size-4.5" /> {t('invitations.create')}
        </Button>
        <select
          aria-label={t('invitations.lifetime')}
          value={days}
          onChange={(event) => setDays(Number(event.target.value) as typeof days)}
          className="rounded-xl border border-line bg-panel px-2 py-1.5 text-sm"
        >
          {LIFETIMES.map((value) => (
            <option key={value} value={value}>
              {t('invitations.days', { count: value })}
            </option>
          ))}
        </select>
      </div>
      {creating.data && (
        <div className="flex items-center gap-2 rounded-xl bg-raised px-3 py-2">
          <code className="min-w-0 flex-1 truncate text-sm" data-testid="invitation-link">
            {creating.data}
          </code>
          <Button
            look="icon"
            aria-label={t('invitations.copy')}
            onClick={() => void navigator.clipboard.writeText(creating.data)}
          >
            <CopyIcon />
          </Button>
        </div>
      )}
      {error && <Notice kind="error">{sentence(error)}</Notice>}
      <ul>
        {invitations.data?.map((invitation) => (
          <li key={invitation.invitation_id} className="flex items-center gap-2 py-1 text-sm">
            <span className="min-w-0 flex-1 truncate text-soft">
              {t('invitations.line', {
                uses: invitation.uses,
                when: relativeTime(Date.parse(invitation.expires_at), now),
              })}
            </span>
            <Button
              look="icon"
              aria-label={t('invitations.end')}
              title={t('invitations.end')}
              onClick={() => revoking.mutate(invitation.invitation_id)}
            >
              <TrashIcon className="size-4.5" />
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { startTransition, useOptimistic } from 'react';
import { read } from '@/shared/api/conversations';
import type { components } from '@/shared/api/generated/account';
import { done, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { PersonLine } from '@/shared/people/person-line';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Choice } from '@/shared/ui/choice';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons } from '@/shared/ui/page';
import { Switch } from '@/shared/ui/switch';

type Privacy = components['schemas']['Privacy'];

const MAY_WRITE = ['everybody', 'shared_groups', 'contacts'] as const;
const SEES_PRESENCE = ['shared_conversations', 'contacts', 'nobody'] as const;
const FOUND_BY = ['found_by_handle', 'found_by_email', 'found_by_name'] as const;

export function PrivacySection() {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const privacy = useQuery({
    queryKey: ['privacy'],
    queryFn: async () => read(await api.accounts.GET('/api/account/privacy')),
  });
  const changing = useMutation({
    // One after another, as they were chosen.
    scope: { id: 'privacy' },
    mutationFn: async (body: Partial<Privacy>) =>
      read(await api.accounts.PATCH('/api/account/privacy', { body })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['privacy'] }),
  });
  const error = privacy.error ?? changing.error;
  // Shows what was chosen at once. What the server says of an earlier choice doesn't take back a later one.
  const [data, show] = useOptimistic(
    privacy.data,
    (known, change: Partial<Privacy>) => known && { ...known, ...change },
  );
  const choose = (change: Partial<Privacy>) =>
    startTransition(async () => {
      show(change);
      // Why it failed is said from `changing.error`.
      await changing.mutateAsync(change).catch(() => undefined);
    });
  return (
    <>
      {error && <Notice kind="error">{sentence(error)}</Notice>}
      {privacy.isPending && <LineSkeletons count={3} />}
      {data && (
        <>
          <Card title={t('privacy.mayWrite')}>
            <Choice
              name="may-write"
              legend={t('privacy.mayWrite')}
              options={MAY_WRITE.map((value) => [value, t(`privacy.may_write.${value}`)] as const)}
              value={data.may_write}
              onChange={(may_write) => choose({ may_write })}
            />
          </Card>
          <Card title={t('privacy.presence')}>
            <Choice
              name="presence"
              legend={t('privacy.presence')}
              options={SEES_PRESENCE.map((value) => [value, t(`privacy.sees.${value}`)] as const)}
              value={data.presence_visibility}
              onChange={(presence_visibility) => choose({ presence_visibility })}
            />
          </Card>
          <Card title={t('privacy.found')}>
            {FOUND_BY.map((key) => (
              <Switch
                key={key}
                label={t(`privacy.${key}`)}
                checked={data[key]}
                onChange={(checked) => choose({ [key]: checked })}
              />
            ))}
          </Card>
        </>
      )}
      <Blocked />
    </>
  );
}

function Blocked() {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const blocks = useQuery({
    queryKey: ['blocks'],
    queryFn: async () => {
      const params = { query: { limit: 100 } };
      return read(await api.accounts.GET('/api/account/blocks', { params })).items;
    },
  });
  const ending = useMutation({
    mutationFn: async (user_id: string) =>
      done(
        await api.accounts.DELETE('/api/account/blocks/{user_id}', {
          params: { path: { user_id } },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['blocks'] }),
  });
  return (
    <Card title={t('privacy.blocked')}>
      {ending.error && <Notice kind="error">{sentence(ending.error)}</Notice>}
      {blocks.data?.length === 0 && <p className="text-soft">{t('privacy.nobodyBlocked')}</p>}
      <ul className="divide-y divide-line">
        {blocks.data?.map(({ user }) => (
          <li key={user.user_id}>
            <PersonLine person={user}>
              <Button
                look="soft"
                disabled={ending.isPending}
                onClick={() => ending.mutate(user.user_id)}
              >
                {t('privacy.unblock')}
              </Button>
            </PersonLine>
          </li>
        ))}
      </ul>
    </Card>
  );
}

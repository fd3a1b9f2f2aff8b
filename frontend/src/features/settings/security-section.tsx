import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { startProvider } from '@/shared/api/account';
import { read } from '@/shared/api/conversations';
import { done, Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons } from '@/shared/ui/page';
import { preciseTime, relativeTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import { useMe } from './use-me';
import { useProof } from './use-proof';
import { useProviders } from './use-providers';

export function SecuritySection() {
  return (
    <>
      <EmailCard />
      <PasswordCard />
      <ProvidersCard />
      <EventsCard />
    </>
  );
}

function EmailCard() {
  const { api } = useSignedIn();
  const me = useMe();
  const { proven, dialog } = useProof();
  const sending = useMutation({
    mutationFn: async () => done(await api.accounts.POST('/api/account/email/send-link')),
  });
  const changing = useMutation({
    mutationFn: (email: string) =>
      proven(async () => done(await api.accounts.POST('/api/account/email', { body: { email } }))),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    changing.mutate(String(new FormData(event.currentTarget).get('email') ?? '').trim());
  };
  if (!me.data) return <LineSkeletons count={1} />;
  const fault = changing.error instanceof Problem ? changing.error.fields.get('email') : undefined;
  return (
    <Card title={t('field.email')}>
      <div className="grid grid-cols-1 gap-4">
        <div className="flex items-center gap-3">
          <p className="min-w-0 flex-1 truncate">{me.data.email}</p>
          {me.data.email_verified ? (
            <span className="rounded-full bg-good/10 px-2.5 py-0.5 text-good text-sm">
              {t('security.verified')}
            </span>
          ) : (
            <Button look="soft" disabled={sending.isPending} onClick={() => sending.mutate()}>
              {t('security.verify')}
            </Button>
          )}
        </div>
        {sending.isSuccess && <Notice kind="good">{t('security.mailSent')}</Notice>}
        {sending.error && <Notice kind="error">{sentence(sending.error)}</Notice>}
        <form onSubmit={submit} className="grid grid-cols-1 gap-3">
          <Field
            label={t('security.newEmail')}
            name="email"
            type="email"
            autoComplete="email"
            required
            error={fault}
          />
          {changing.error && !fault && <Notice kind="error">{sentence(changing.error)}</Notice>}
          {changing.isSuccess && <Notice kind="good">{t('security.mailSentToNew')}</Notice>}
          <Button
            look="soft"
            type="submit"
            className="justify-self-start"
            disabled={changing.isPending}
          >
            {t('security.changeEmail')}
          </Button>
        </form>
      </div>
      {dialog}
    </Card>
  );
}

function PasswordCard() {
  const { api } = useSignedIn();
  const me = useMe();
  const queries = useQueryClient();
  const { proven, dialog } = useProof();
  const isFirst = me.data?.has_password === false;
  const changing = useMutation({
    mutationFn: async (form: FormData) => {
      const current_password = String(form.get('current_password') ?? '');
      const body = {
        new_password: String(form.get('new_password') ?? ''),
        ...(current_password !== '' && { current_password }),
      };
      await proven(async () => done(await api.accounts.POST('/api/account/password', { body })));
      return isFirst ? t('security.passwordSet') : t('security.passwordChanged');
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ['me'] }),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    changing.mutate(new FormData(form), { onSuccess: () => form.reset() });
  };
  const faults =
    changing.error instanceof Problem ? changing.error.fields : new Map<string, string>();
  return (
    <Card title={t('field.password')}>
      <form onSubmit={submit} className="grid grid-cols-1 gap-4">
        {!isFirst && (
          <Field
            label={t('security.currentPassword')}
            name="current_password"
            type="password"
            autoComplete="current-password"
            required
            error={faults.get('current_password')}
          />
        )}
        <Field
          label={t('field.newPassword')}
          name="new_password"
          type="password"
          autoComplete="new-password"
          minLength={8}
          required
          hint={t('security.passwordHint')}
          error={faults.get('new_password')}
        />
        {changing.error && faults.size === 0 && (
          <Notice kind="error">{sentence(changing.error)}</Notice>
        )}
        {changing.data && <Notice kind="good">{changing.data}</Notice>}
        <Button
          look="soft"
          type="submit"
          className="justify-self-start"
          disabled={changing.isPending}
        >
          {isFirst ? t('security.setPassword') : t('security.changePassword')}
        </Button>
      </form>
      {dialog}
    </Card>
  );
}

/** Other places that one can sign in by. */
function ProvidersCard() {
  const { api } = useSignedIn();
  const session = useSession();
  const queries = useQueryClient();
  const { proven, dialog } = useProof();
  const providers = useProviders();
  const linking = useMutation({
    mutationFn: (provider: string) =>
      proven(async () => {
        const token = await session.accessToken();
        const address = await startProvider(provider, 'link', '/settings/security', token);
        globalThis.location.assign(address);
      }),
  });
  const unlinking = useMutation({
    mutationFn: (provider: string) =>
      proven(async () =>
        done(
          await api.accounts.DELETE('/api/account/identities/{provider}', {
            params: { path: { provider } },
          }),
        ),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['identities'] }),
  });
  if (providers.length === 0) return null;
  const error = linking.error ?? unlinking.error;
  return (
    <Card title={t('security.providers')}>
      {error && <Notice kind="error">{sentence(error)}</Notice>}
      <ul className="divide-y divide-line">
        {providers.map(({ name, display_name, linked }) => (
          <li key={name} className="flex items-center gap-3 py-2.5">
            <div className="min-w-0 flex-1">
              <p className="font-medium">{display_name}</p>
              {linked && <p className="truncate text-soft text-sm">{linked.email}</p>}
            </div>
            {linked ? (
              <Button
                look="soft"
                disabled={unlinking.isPending}
                onClick={() => unlinking.mutate(name)}
              >
                {t('security.unlink')}
              </Button>
            ) : (
              <Button look="soft" disabled={linking.isPending} onClick={() => linking.mutate(name)}>
                {t('security.link')}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {dialog}
    </Card>
  );
}

const EVENTS_PAGE = 20;

const EVENTS = new Set([
  'data_exported',
  'email_changed',
  'email_verified',
  'handle_changed',
  'identity_linked',
  'identity_unlinked',
  'logged_out',
  'other_sessions_revoked',
  'password_changed',
  'password_set',
  'recovered',
  'recovery_mailed',
  'refresh_token_reused',
  'registered',
  'session_revoked',
  'sign_in_failed',
  'signed_in',
]);

/** What happened to the account, so that one notices what one didn't do. */
function EventsCard() {
  const { api } = useSignedIn();
  const [isOpen, setOpen] = useState(false);
  const now = useNow();
  const events = useInfiniteQuery({
    queryKey: ['security-events'],
    enabled: isOpen,
    queryFn: async ({ pageParam }) => {
      const query = { limit: EVENTS_PAGE, ...(pageParam !== undefined && { before: pageParam }) };
      return read(await api.accounts.GET('/api/account/security-events', { params: { query } }));
    },
    initialPageParam: undefined as string | undefined,
    // After a page that isn't full there is nothing.
    getNextPageParam: ({ events, next }) =>
      events.length === EVENTS_PAGE ? (next ?? undefined) : undefined,
  });
  return (
    <Card title={t('security.events')}>
      {!isOpen && (
        <Button look="soft" onClick={() => setOpen(true)}>
          {t('security.showEvents')}
        </Button>
      )}
      {events.error && <Notice kind="error">{sentence(events.error)}</Notice>}
      <ul className="divide-y divide-line">
        {events.data?.pages
          .flatMap((page) => page.events)
          .map((event) => (
            <li key={`${event.at}${event.kind}`} className="py-2">
              <p>
                {EVENTS.has(event.kind)
                  ? t(`event.${event.kind}` as 'event.signed_in')
                  : event.kind}
              </p>
              <p className="truncate text-soft text-sm" title={preciseTime(Date.parse(event.at))}>
                {relativeTime(Date.parse(event.at), now)}
                {event.address && ` · ${event.address}`}
              </p>
            </li>
          ))}
      </ul>
      {events.hasNextPage && (
        <Button look="soft" onClick={() => void events.fetchNextPage()}>
          {t('action.more')}
        </Button>
      )}
    </Card>
  );
}

import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import {
  askForRecovery,
  listProviders,
  register,
  signIn,
  startProvider,
} from '@/shared/api/account';
import { Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { EntryPage } from '@/shared/ui/entry-page';
import { Field } from '@/shared/ui/field';
import { Notice } from '@/shared/ui/notice';

type Mode = 'sign-in' | 'sign-up' | 'recover';

const LINK = 'cursor-pointer rounded font-medium text-accent-ink hover:underline';

export default function SignInScreen({ notice }: { notice: string | undefined }) {
  const [mode, setMode] = useState<Mode>('sign-in');
  const title = {
    'sign-in': t('signIn.title'),
    'sign-up': t('signUp.title'),
    recover: t('recover.title'),
  }[mode];
  return (
    <EntryPage
      title={title}
      below={
        mode === 'sign-in' ? (
          <p>
            {t('signIn.other')}{' '}
            <button type="button" className={LINK} onClick={() => setMode('sign-up')}>
              {t('signIn.switch')}
            </button>
          </p>
        ) : (
          <p>
            {t('signUp.other')}{' '}
            <button type="button" className={LINK} onClick={() => setMode('sign-in')}>
              {t('signUp.switch')}
            </button>
          </p>
        )
      }
    >
      {mode === 'recover' ? (
        <AskForRecovery />
      ) : (
        <div className="grid grid-cols-1 gap-5">
          <EnterForm
            key={mode}
            mode={mode}
            notice={notice}
            onForgotten={() => setMode('recover')}
          />
          <Providers />
        </div>
      )}
    </EntryPage>
  );
}

function EnterForm({
  mode,
  notice,
  onForgotten,
}: {
  mode: 'sign-in' | 'sign-up';
  notice: string | undefined;
  onForgotten: () => void;
}) {
  const session = useSession();
  const isNew = mode === 'sign-up';
  const entering = useMutation({
    mutationFn: (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? '').trim();
      const email = text('email');
      const password = String(form.get('password') ?? '');
      return isNew
        ? register({ email, password, display_name: text('display_name'), handle: text('handle') })
        : signIn(email, password);
    },
    onSuccess: (credentials) => session.signIn(credentials),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    entering.mutate(new FormData(event.currentTarget));
  };
  const faults =
    entering.error instanceof Problem ? entering.error.fields : new Map<string, string>();
  const hasFieldFault = ['email', 'password', 'display_name', 'handle'].some((f) => faults.has(f));
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4" noValidate>
      {notice && !entering.error && <Notice kind="plain">{notice}</Notice>}
      {isNew && (
        <>
          <Field
            label={t('field.name')}
            name="display_name"
            autoComplete="name"
            required
            error={faults.get('display_name')}
          />
          <Field
            label={t('field.handle')}
            name="handle"
            autoComplete="username"
            autoCapitalize="none"
            hint={t('signUp.handleHint')}
            error={faults.get('handle')}
          />
        </>
      )}
      <Field
        label={t('field.email')}
        name="email"
        type="email"
        autoComplete="email"
        required
        error={faults.get('email')}
      />
      <Field
        label={t('field.password')}
        name="password"
        type="password"
        autoComplete={isNew ? 'new-password' : 'current-password'}
        required
        error={faults.get('password')}
      />
      {entering.error && !hasFieldFault && <Notice kind="error">{sentence(entering.error)}</Notice>}
      <Button look="primary" type="submit" className="justify-center" disabled={entering.isPending}>
        {entering.isPending ? t('action.oneMoment') : t(isNew ? 'signUp.action' : 'signIn.action')}
      </Button>
      {!isNew && (
        <button
          type="button"
          className={`${LINK} justify-self-center text-sm`}
          onClick={onForgotten}
        >
          {t('signIn.forgotten')}
        </button>
      )}
    </form>
  );
}

function AskForRecovery() {
  const asking = useMutation({ mutationFn: askForRecovery });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    asking.mutate(String(new FormData(event.currentTarget).get('email') ?? '').trim());
  };
  if (asking.isSuccess) return <Notice kind="good">{t('recover.sent')}</Notice>;
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4" noValidate>
      <p className="text-soft text-sm">{t('recover.text')}</p>
      <Field
        label={t('field.email')}
        name="email"
        type="email"
        autoComplete="email"
        required
        autoFocus
      />
      {asking.error && <Notice kind="error">{sentence(asking.error)}</Notice>}
      <Button look="primary" type="submit" className="justify-center" disabled={asking.isPending}>
        {t('recover.send')}
      </Button>
    </form>
  );
}

/** Other places that this deployment lets people sign in by. */
function Providers() {
  const providers = useQuery({ queryKey: ['providers'], queryFn: listProviders, retry: false });
  const starting = useMutation({
    mutationFn: async (provider: string) => {
      const { pathname, search } = globalThis.location;
      globalThis.location.assign(await startProvider(provider, 'sign_in', pathname + search));
    },
  });
  if (!providers.data || providers.data.length === 0) return null;
  return (
    <div className="grid grid-cols-1 gap-2 border-line border-t pt-5">
      {providers.data.map(({ name, display_name }) => (
        <Button
          key={name}
          look="soft"
          className="justify-center"
          disabled={starting.isPending}
          onClick={() => starting.mutate(name)}
        >
          {t('signIn.by', { name: display_name })}
        </Button>
      ))}
      {starting.error && <Notice kind="error">{sentence(starting.error)}</Notice>}
    </div>
  );
}

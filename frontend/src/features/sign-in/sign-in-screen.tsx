import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { register, signIn } from '@/shared/api/account';
import { Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { ChatIcon } from '@/shared/ui/icons';

type Mode = 'sign-in' | 'sign-up';

export default function SignInScreen({ notice }: { notice: string | undefined }) {
  const session = useSession();
  const [mode, setMode] = useState<Mode>('sign-in');
  const entering = useMutation({
    mutationFn: (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? '').trim();
      const email = text('email');
      const password = String(form.get('password') ?? '');
      return mode === 'sign-in'
        ? signIn(email, password)
        : register({ email, password, display_name: text('display_name'), handle: text('handle') });
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
    <main className="flex h-full bg-[radial-gradient(60rem_30rem_at_50%_0%,var(--selected),transparent)] items-center justify-center overflow-y-auto p-4">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <span className="flex size-14 items-center justify-center rounded-2xl bg-accent text-on-accent shadow-accent/30 shadow-lg">
            <ChatIcon className="size-7" />
          </span>
          <h1 className="font-semibold text-2xl tracking-tight">
            {t(mode === 'sign-in' ? 'signIn.title' : 'signUp.title')}
          </h1>
        </div>
        <form
          key={mode}
          onSubmit={submit}
          className="grid gap-4 rounded-2xl border border-line bg-panel p-6 shadow-black/5 shadow-xl"
          noValidate
        >
          {notice && !entering.error && (
            <p role="status" className="rounded-xl bg-raised px-3.5 py-2.5 text-sm">
              {notice}
            </p>
          )}
          {mode === 'sign-up' && (
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
            autoComplete={mode === 'sign-in' ? 'current-password' : 'new-password'}
            required
            error={faults.get('password')}
          />
          {entering.error && !hasFieldFault && (
            <p role="alert" className="rounded-xl bg-danger/10 px-3.5 py-2.5 text-danger text-sm">
              {sentence(entering.error)}
            </p>
          )}
          <Button
            look="primary"
            type="submit"
            className="justify-center"
            disabled={entering.isPending}
          >
            {entering.isPending
              ? t('action.oneMoment')
              : t(mode === 'sign-in' ? 'signIn.action' : 'signUp.action')}
          </Button>
        </form>
        <p className="mt-5 text-center text-soft text-sm">
          {t(mode === 'sign-in' ? 'signIn.other' : 'signUp.other')}{' '}
          <button
            type="button"
            className="cursor-pointer rounded font-medium text-accent-ink hover:underline"
            onClick={() => {
              entering.reset();
              setMode(mode === 'sign-in' ? 'sign-up' : 'sign-in');
            }}
          >
            {t(mode === 'sign-in' ? 'signIn.switch' : 'signUp.switch')}
          </button>
        </p>
      </div>
    </main>
  );
}

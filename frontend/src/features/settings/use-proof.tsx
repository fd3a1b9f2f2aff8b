import { useMutation } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { startProvider } from '@/shared/api/account';
import { done, Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { Modal } from '@/shared/ui/modal';
import { Notice } from '@/shared/ui/notice';
import { useMe } from './use-me';
import { useProviders } from './use-providers';

interface Asked {
  proved: () => void;
  given_up: () => void;
}

/**
 * For what wants to know again who sits there: does it, and where the answer is `proof_needed`, asks for
 * the password and does it once more. Who has none goes to a provider, and does it again when they are
 * back. Show `dialog` somewhere.
 */
export function useProof(): {
  proven: <T>(act: () => Promise<T>) => Promise<T>;
  dialog: ReactNode;
} {
  const [asked, setAsked] = useState<Asked>();
  const proven = async <T,>(act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'proof_needed')) throw error;
      await new Promise<void>((resolve, reject) =>
        setAsked({ proved: resolve, given_up: () => reject(error) }),
      );
      return act();
    }
  };
  const dialog = asked && (
    <ProofDialog
      onProved={() => {
        setAsked(undefined);
        asked.proved();
      }}
      onClose={() => {
        setAsked(undefined);
        asked.given_up();
      }}
    />
  );
  return { proven, dialog };
}

function ProofDialog({ onProved, onClose }: { onProved: () => void; onClose: () => void }) {
  const me = useMe();
  if (!me.data) return null;
  return (
    <Modal title={t('proof.title')} onClose={onClose}>
      {me.data.has_password ? <ByPassword onProved={onProved} /> : <ByProvider />}
    </Modal>
  );
}

function ByPassword({ onProved }: { onProved: () => void }) {
  const { api } = useSignedIn();
  const proving = useMutation({
    mutationFn: async (password: string) =>
      done(await api.accounts.POST('/api/account/reauthenticate', { body: { password } })),
    onSuccess: onProved,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    proving.mutate(String(new FormData(event.currentTarget).get('password') ?? ''));
  };
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4">
      <p className="text-soft">{t('proof.text')}</p>
      <Field
        label={t('field.password')}
        name="password"
        type="password"
        autoComplete="current-password"
        required
        autoFocus
      />
      {proving.error && <Notice kind="error">{sentence(proving.error)}</Notice>}
      <Button look="primary" type="submit" className="justify-center" disabled={proving.isPending}>
        {t('action.continue')}
      </Button>
    </form>
  );
}

function ByProvider() {
  const session = useSession();
  const linked = useProviders().filter((provider) => provider.linked !== undefined);
  const leaving = useMutation({
    mutationFn: async (provider: string) => {
      const { pathname } = globalThis.location;
      const token = await session.accessToken();
      globalThis.location.assign(await startProvider(provider, 'prove', pathname, token));
    },
  });
  return (
    <div className="grid grid-cols-1 gap-4">
      <p className="text-soft">{t('proof.byProvider')}</p>
      {linked.map(({ name, display_name }) => (
        <Button
          key={name}
          look="primary"
          className="justify-center"
          disabled={leaving.isPending}
          onClick={() => leaving.mutate(name)}
        >
          {t('signIn.by', { name: display_name })}
        </Button>
      ))}
      {leaving.error && <Notice kind="error">{sentence(leaving.error)}</Notice>}
    </div>
  );
}

import { useMutation } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { done, Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { Modal } from '@/shared/ui/modal';
import { Notice } from '@/shared/ui/notice';

interface Asked {
  proved: () => void;
  given_up: (error: Error) => void;
}

/**
 * For what wants to know again who sits there: does it, and where the answer is `proof_needed`, asks for
 * the password and does it once more. Show `dialog` somewhere.
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
        asked.given_up(new Error(t('proof.needed')));
      }}
    />
  );
  return { proven, dialog };
}

function ProofDialog({ onProved, onClose }: { onProved: () => void; onClose: () => void }) {
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
    <Modal title={t('proof.title')} onClose={onClose}>
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
        <Button
          look="primary"
          type="submit"
          className="justify-center"
          disabled={proving.isPending}
        >
          {t('action.continue')}
        </Button>
      </form>
    </Modal>
  );
}

import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { setRecoveredPassword } from '@/shared/api/account';
import { Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { takeSecret } from '@/shared/session/address';
import { Button } from '@/shared/ui/button';
import { EntryPage } from '@/shared/ui/entry-page';
import { Field } from '@/shared/ui/field';
import { Notice } from '@/shared/ui/notice';

/** Behind the mailed link `/recover#token`: a new password. */
export default function RecoverPage() {
  const [token] = useState(takeSecret);
  const setting = useMutation({
    mutationFn: (password: string) => setRecoveredPassword(token, password),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setting.mutate(String(new FormData(event.currentTarget).get('password') ?? ''));
  };
  const fault =
    setting.error instanceof Problem ? setting.error.fields.get('new_password') : undefined;
  return (
    <EntryPage title={t('recover.title')}>
      {setting.isSuccess ? (
        <div className="grid grid-cols-1 gap-4">
          <Notice kind="good">{t('recover.done')}</Notice>
          <Link to="/" className="text-center font-medium text-accent-ink hover:underline">
            {t('signIn.action')}
          </Link>
        </div>
      ) : (
        <form onSubmit={submit} className="grid grid-cols-1 gap-4" noValidate>
          <Field
            label={t('field.newPassword')}
            name="password"
            type="password"
            autoComplete="new-password"
            required
            autoFocus
            hint={t('security.passwordHint')}
            error={fault}
          />
          {setting.error && !fault && <Notice kind="error">{sentence(setting.error)}</Notice>}
          <Button
            look="primary"
            type="submit"
            className="justify-center"
            disabled={setting.isPending}
          >
            {t('recover.action')}
          </Button>
        </form>
      )}
    </EntryPage>
  );
}

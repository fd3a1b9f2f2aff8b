import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { verifyEmail } from '@/shared/api/account';
import { sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { takeSecret } from '@/shared/session/address';
import { EntryPage } from '@/shared/ui/entry-page';
import { Notice } from '@/shared/ui/notice';

/** Behind the mailed link `/verify-email#token`. */
export default function VerifyEmailPage() {
  const [token] = useState(takeSecret);
  const verifying = useQuery({
    queryKey: ['verify-email'],
    // A link is good once.
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      await verifyEmail(token);
      return true;
    },
  });
  return (
    <EntryPage title={t('verify.title')}>
      <div className="grid grid-cols-1 gap-4">
        {verifying.isPending && <Notice kind="plain">{t('action.oneMoment')}</Notice>}
        {verifying.data && <Notice kind="good">{t('verify.done')}</Notice>}
        {verifying.error && <Notice kind="error">{sentence(verifying.error)}</Notice>}
        <Link to="/" className="text-center font-medium text-accent-ink hover:underline">
          {t('home.toConversations')}
        </Link>
      </div>
    </EntryPage>
  );
}

import { useEffect, useState } from 'react';
import { words } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession } from '@/shared/session/context';
import { Notice } from '@/shared/ui/notice';

/** Says what a way to a provider ended in, until one leaves the screen that one came back to. */
export function ProviderOutcome() {
  const session = useSession();
  const [{ outcome, error }] = useState(() => session.providerOutcome);
  useEffect(() => () => session.forgetProviderOutcome(), [session]);
  if (error) return <Notice kind="error">{words(error, t('provider.failed'))}</Notice>;
  if (outcome === 'linked') return <Notice kind="good">{t('provider.linked')}</Notice>;
  if (outcome === 'proved') return <Notice kind="good">{t('provider.proved')}</Notice>;
  return null;
}

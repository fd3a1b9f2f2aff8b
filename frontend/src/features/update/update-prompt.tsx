import { useState, useSyncExternalStore } from 'react';
import { t } from '@/shared/i18n/i18n';
import { update } from '@/shared/session/service-worker';
import { Button } from '@/shared/ui/button';

/** A newer build is on the device; nobody is interrupted to use it. */
export function UpdatePrompt() {
  const isWaiting = useSyncExternalStore(update.watch, update.isWaiting);
  const [isLater, setLater] = useState(false);
  if (!isWaiting || isLater) return null;
  return (
    <div
      role="status"
      className="fixed inset-x-3 bottom-3 z-30 mx-auto flex max-w-md items-center gap-3 rounded-2xl border border-line bg-panel p-3 pl-4 shadow-2xl"
    >
      <p className="flex-1 text-sm">{t('update.ready')}</p>
      <Button look="plain" onClick={() => setLater(true)}>
        {t('update.later')}
      </Button>
      <Button look="primary" onClick={update.accept}>
        {t('update.now')}
      </Button>
    </div>
  );
}

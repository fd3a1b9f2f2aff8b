import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { read } from '@/shared/api/conversations';
import { done, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Confirm } from '@/shared/ui/confirm';
import { DownloadIcon, TrashIcon } from '@/shared/ui/icons';
import { Notice } from '@/shared/ui/notice';
import { Card } from '@/shared/ui/page';
import { useProof } from './use-proof';

/** What one takes along, and how one goes. */
export function AccountSection() {
  const { api, user } = useSignedIn();
  const session = useSession();
  const { proven, dialog } = useProof();
  const [isDeleting, setDeleting] = useState(false);
  const exporting = useMutation({
    mutationFn: () => proven(async () => read(await api.accounts.GET('/api/account/export'))),
    onSuccess: (data) => saveAs(`parlance-${user.handle}.json`, JSON.stringify(data, null, 2)),
  });
  return (
    <>
      <Card title={t('account.export')}>
        <div className="grid grid-cols-1 justify-items-start gap-3">
          <p className="text-soft">{t('account.exportText')}</p>
          {exporting.error && <Notice kind="error">{sentence(exporting.error)}</Notice>}
          <Button look="soft" disabled={exporting.isPending} onClick={() => exporting.mutate()}>
            <DownloadIcon className="size-4.5" /> {t('account.exportAction')}
          </Button>
        </div>
      </Card>
      <Card title={t('account.delete')}>
        <div className="grid grid-cols-1 justify-items-start gap-3">
          <p className="text-soft">{t('account.deleteText')}</p>
          <Button look="danger" className="-ml-3" onClick={() => setDeleting(true)}>
            <TrashIcon /> {t('account.delete')}
          </Button>
        </div>
      </Card>
      {isDeleting && (
        <Confirm
          title={t('account.deleteTitle')}
          text={t('account.deleteText')}
          action={t('account.delete')}
          act={async () => {
            await proven(async () => done(await api.accounts.DELETE('/api/account/me')));
            await session.forgetAccount();
          }}
          onClose={() => setDeleting(false)}
        />
      )}
      {dialog}
    </>
  );
}

function saveAs(fileName: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(link.href);
}

import { useMutation } from '@tanstack/react-query';
import { sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Modal } from '@/shared/ui/modal';
import { Notice } from '@/shared/ui/notice';
import type { MessageRow } from './timeline-rows';

/** For oneself or for everybody; neither can be taken back. */
export function DeleteMessage({
  conversationId,
  row,
  mayDeleteForAll,
  onClose,
}: {
  conversationId: string;
  row: MessageRow;
  mayDeleteForAll: boolean;
  onClose: () => void;
}) {
  const { engine } = useSignedIn();
  const { number, isDeleted } = row.bubble;
  const hiding = useMutation({
    mutationFn: () => engine.hide(conversationId, number),
    onSuccess: onClose,
  });
  const deleteForAll = () => {
    void engine.change(conversationId, number, { delete: {} });
    onClose();
  };
  return (
    <Modal title={t('delete.title')} onClose={onClose}>
      <div className="grid grid-cols-1 gap-4">
        <p className="text-soft">{t('delete.text')}</p>
        {hiding.error && <Notice kind="error">{sentence(hiding.error)}</Notice>}
        <div className="flex flex-wrap justify-end gap-2">
          <Button look="plain" onClick={onClose}>
            {t('action.cancel')}
          </Button>
          <Button look="danger" disabled={hiding.isPending} onClick={() => hiding.mutate()}>
            {t('delete.forMe')}
          </Button>
          {mayDeleteForAll && !isDeleted && (
            <Button look="dangerous" onClick={deleteForAll}>
              {t('delete.forAll')}
            </Button>
          )}
        </div>
      </div>
    </Modal>
  );
}

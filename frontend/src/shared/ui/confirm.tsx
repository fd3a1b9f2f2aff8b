import { useMutation } from '@tanstack/react-query';
import { sentence } from '../api/problem';
import { t } from '../i18n/i18n';
import { Button } from './button';
import { Modal } from './modal';
import { Notice } from './notice';

/** Asks before something that can't be taken back, and does it. */
export function Confirm({
  title,
  text,
  action,
  act,
  onClose,
}: {
  title: string;
  text: string;
  action: string;
  act: () => Promise<unknown>;
  onClose: () => void;
}) {
  const acting = useMutation({ mutationFn: act, onSuccess: onClose });
  return (
    <Modal title={title} onClose={onClose}>
      <div className="grid grid-cols-1 gap-4">
        <p className="text-soft">{text}</p>
        {acting.error && <Notice kind="error">{sentence(acting.error)}</Notice>}
        <div className="flex justify-end gap-2">
          <Button look="plain" onClick={onClose}>
            {t('action.cancel')}
          </Button>
          <Button look="dangerous" disabled={acting.isPending} onClick={() => acting.mutate()}>
            {action}
          </Button>
        </div>
      </div>
    </Modal>
  );
}

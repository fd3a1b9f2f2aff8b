import { useEffect, useRef, useState } from 'react';
import { t } from '@/shared/i18n/i18n';
import { CloseIcon, DownloadIcon } from '@/shared/ui/icons';

/** A picture over the whole screen. A click on it shows it in its own size; Escape leaves. */
export default function Lightbox({
  name,
  url,
  onClose,
}: {
  name: string;
  url: string;
  onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isLarge, setLarge] = useState(false);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  const action =
    'flex size-10 cursor-pointer items-center justify-center rounded-full bg-black/50 text-white hover:bg-black/80';
  return (
    <dialog
      ref={dialog}
      aria-label={name}
      onClose={onClose}
      className="m-0 h-dvh max-h-none w-screen max-w-none bg-transparent p-0 text-white backdrop:bg-black/85"
    >
      <div className="flex h-full flex-col">
        <div className="flex shrink-0 items-center gap-2 p-3">
          <p className="min-w-0 flex-1 truncate px-1 font-medium">{name}</p>
          <a
            href={url}
            download={name}
            target="_blank"
            rel="noopener noreferrer"
            aria-label={t('attachment.download', { name })}
            className={action}
          >
            <DownloadIcon />
          </a>
          <button
            type="button"
            aria-label={t('action.close')}
            className={action}
            onClick={() => dialog.current?.close()}
          >
            <CloseIcon />
          </button>
        </div>
        <div className="flex min-h-0 flex-1 overflow-auto p-3 pt-0">
          <button
            type="button"
            aria-label={isLarge ? t('attachment.fit') : t('attachment.fullSize')}
            className={`m-auto ${isLarge ? 'cursor-zoom-out' : 'flex max-h-full max-w-full cursor-zoom-in'}`}
            onClick={() => setLarge(!isLarge)}
          >
            <img
              src={url}
              alt={name}
              className={
                isLarge
                  ? 'max-w-none rounded-lg'
                  : 'max-h-full max-w-full rounded-lg object-contain'
              }
            />
          </button>
        </div>
      </div>
    </dialog>
  );
}

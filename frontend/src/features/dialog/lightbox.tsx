import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { t } from '@/shared/i18n/i18n';
import { BackIcon, CloseIcon, DownloadIcon } from '@/shared/ui/icons';
import { useDialogActions } from './dialog-actions';
import { useDownload } from './use-download';

const ACTION =
  'flex size-10 shrink-0 cursor-pointer items-center justify-center rounded-full bg-black/50 text-white hover:bg-black/80 aria-disabled:cursor-default aria-disabled:opacity-30';

/**
 * The pictures of a conversation, one at a time, over the whole screen. Arrows go to the one before and
 * after, a click shows one in its own size, Escape leaves.
 */
export default function Lightbox({
  fileIds,
  fileId,
  onGo,
  onClose,
}: {
  /** As they stand in the conversation. */
  fileIds: readonly string[];
  fileId: string;
  onGo: (fileId: string) => void;
  onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isLarge, setLarge] = useState(false);
  const { files } = useDialogActions();
  const download = useDownload(fileId);
  const name = files.get(fileId)?.file_name ?? download.data?.file.file_name ?? '';
  const url = download.data?.download_url;
  const at = fileIds.indexOf(fileId);
  const before = fileIds[at - 1];
  const after = fileIds[at + 1];
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  const go = (to: string | undefined) => {
    if (to === undefined) return;
    setLarge(false);
    onGo(to);
  };
  const pressed = (event: KeyboardEvent) => {
    // In its own size the arrows move the picture.
    if (isLarge || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') go(before);
    else if (event.key === 'ArrowRight') go(after);
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      aria-label={t('attachment.pictures')}
      onClose={onClose}
      onKeyDown={pressed}
      className="m-0 h-dvh max-h-none w-screen max-w-none bg-transparent p-0 text-white backdrop:bg-black/85"
    >
      <div className="flex h-full flex-col">
        <div className="flex shrink-0 items-center gap-2 p-3">
          <p aria-live="polite" className="flex min-w-0 flex-1 items-baseline gap-3 px-1">
            <span className="truncate font-medium">{name}</span>
            {fileIds.length > 1 && (
              <span className="shrink-0 text-sm text-white/75 tabular-nums">
                {t('attachment.position', { number: at + 1, count: fileIds.length })}
              </span>
            )}
          </p>
          {url && (
            <a
              href={url}
              download={name}
              target="_blank"
              rel="noopener noreferrer"
              aria-label={t('attachment.download', { name })}
              className={ACTION}
            >
              <DownloadIcon />
            </a>
          )}
          <button
            type="button"
            aria-label={t('action.close')}
            className={ACTION}
            onClick={() => dialog.current?.close()}
          >
            <CloseIcon />
          </button>
        </div>
        <div className="flex min-h-0 flex-1 items-center gap-2 px-3 pb-3">
          <Step label={t('attachment.previous')} to={before} go={go}>
            <BackIcon />
          </Step>
          <div className="flex h-full min-w-0 flex-1 overflow-auto">
            {url ? (
              <button
                type="button"
                aria-label={isLarge ? t('attachment.fit') : t('attachment.fullSize')}
                className={`m-auto ${isLarge ? 'cursor-zoom-out' : 'flex max-h-full max-w-full cursor-zoom-in'}`}
                onClick={() => setLarge(!isLarge)}
              >
                <img
                  key={fileId}
                  src={url}
                  alt={name}
                  className={
                    isLarge
                      ? 'max-w-none rounded-lg'
                      : 'max-h-full max-w-full rounded-lg object-contain'
                  }
                />
              </button>
            ) : (
              <p role="status" className="m-auto">
                {download.error ? t('attachment.unavailable') : t('attachment.loading')}
              </p>
            )}
          </div>
          <Step label={t('attachment.next')} to={after} go={go}>
            <BackIcon className="size-5 rotate-180" />
          </Step>
        </div>
      </div>
      {after !== undefined && <Ahead key={after} fileId={after} />}
    </dialog>
  );
}

/** Stays where it is at either end, so that the focus does, too. */
function Step({
  label,
  to,
  go,
  children,
}: {
  label: string;
  to: string | undefined;
  go: (to: string | undefined) => void;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-disabled={to === undefined}
      className={ACTION}
      onClick={() => go(to)}
    >
      {children}
    </button>
  );
}

/** Fetches the next picture while one looks at this one. */
function Ahead({ fileId }: { fileId: string }) {
  const { data } = useDownload(fileId);
  return data && <img src={data.download_url} alt="" hidden />;
}

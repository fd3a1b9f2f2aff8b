import { type ReactNode, useEffect, useId, useRef } from 'react';
import { t } from '../i18n/i18n';
import { Button } from './button';
import { CloseIcon } from './icons';

const WIDTHS = {
  narrow: 'w-[min(26rem,calc(100vw-1.5rem))]',
  wide: 'w-[min(34rem,calc(100vw-1.5rem))]',
};

/** The browser's own modal dialog: it keeps the focus inside, closes on Escape and gives the focus back. */
export function Modal({
  title,
  width = 'narrow',
  onClose,
  children,
}: {
  title: string;
  width?: keyof typeof WIDTHS;
  onClose: () => void;
  children: ReactNode;
}) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the key for it, the browser hears it itself
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        // Beside the dialog, on its backdrop.
        if (event.target === dialog.current) dialog.current?.close();
      }}
      className={`m-auto max-h-[min(44rem,calc(100dvh-2rem))] rounded-2xl border border-line bg-panel p-0 text-ink shadow-2xl backdrop:bg-black/40 backdrop:backdrop-blur-[2px] ${WIDTHS[width]}`}
    >
      <div className="flex max-h-[inherit] flex-col">
        <div className="flex shrink-0 items-center justify-between pt-4 pr-3 pl-5">
          <h2 id={id} className="min-w-0 truncate font-semibold text-lg">
            {title}
          </h2>
          <Button
            look="icon"
            aria-label={t('action.close')}
            onClick={() => dialog.current?.close()}
          >
            <CloseIcon />
          </Button>
        </div>
        <div className="min-h-0 overflow-y-auto p-5 pt-3">{children}</div>
      </div>
    </dialog>
  );
}

import { type ReactNode, useEffect, useId, useRef } from 'react';
import { Button } from './button';
import { CloseIcon } from './icons';

/** The browser's own modal dialog: it keeps the focus inside, closes on Escape and gives the focus back. */
export function Modal({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      className="m-auto w-[min(26rem,calc(100vw-2rem))] rounded-2xl border border-line bg-panel p-0 text-ink shadow-2xl backdrop:bg-black/40 backdrop:backdrop-blur-[2px]"
    >
      <div className="flex items-center justify-between pt-4 pr-3 pl-5">
        <h2 id={id} className="font-semibold text-lg">
          {title}
        </h2>
        <Button look="icon" aria-label="Close" onClick={() => dialog.current?.close()}>
          <CloseIcon />
        </Button>
      </div>
      <div className="p-5 pt-3">{children}</div>
    </dialog>
  );
}

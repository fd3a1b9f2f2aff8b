import { lazy, Suspense, useLayoutEffect, useRef, useState } from 'react';
import { SmileIcon } from '../ui/icons';
import { putBeside } from '../ui/menu';

const EmojiPicker = lazy(() => import('./emoji-picker'));

/** Opens the picker beside itself. The picker is loaded when it is first wanted. */
export function EmojiButton({
  label,
  className,
  onPick,
}: {
  label: string;
  className: string;
  onPick: (emoji: string) => void;
}) {
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        ref={button}
        type="button"
        aria-label={label}
        title={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        className={className}
        onClick={() => setOpen(!isOpen)}
      >
        <SmileIcon />
      </button>
      {isOpen && (
        <EmojiPopover
          label={label}
          place={() => button.current?.getBoundingClientRect() ?? new DOMRect()}
          onPick={(emoji) => {
            setOpen(false);
            onPick(emoji);
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

export function EmojiPopover({
  label,
  place,
  onPick,
  onClose,
}: {
  label: string;
  place: () => DOMRect;
  onPick: (emoji: string) => void;
  onClose: () => void;
}) {
  const popover = useRef<HTMLDivElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  const placeRef = useRef(place);
  useLayoutEffect(() => {
    const { current } = popover;
    if (!current) return;
    current.showPopover();
    putBeside(current, placeRef.current());
    const toggled = (event: Event) => {
      if ((event as ToggleEvent).newState === 'closed') close.current();
    };
    current.addEventListener('toggle', toggled);
    return () => current.removeEventListener('toggle', toggled);
  }, []);
  return (
    <div
      ref={popover}
      popover="auto"
      role="dialog"
      aria-label={label}
      className="fixed rounded-2xl border border-line bg-panel p-1.5 text-ink shadow-2xl"
    >
      <Suspense fallback={<div className="h-80 w-76 animate-pulse rounded-xl bg-raised" />}>
        <EmojiPicker onPick={onPick} />
      </Suspense>
    </div>
  );
}

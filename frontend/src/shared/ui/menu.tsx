import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';

export interface MenuItem {
  key: string;
  label: string;
  icon?: ReactNode;
  look?: 'plain' | 'danger';
  onChoose: () => void;
}

const GAP_PX = 6;

/** A button that opens a menu; arrows move in it, letters find, Escape and a click elsewhere close it. */
export function MenuButton({
  label,
  items,
  className,
  children,
}: {
  label: string;
  items: MenuItem[];
  className: string;
  children: ReactNode;
}) {
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  return (
    <>
      <button
        ref={button}
        type="button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        className={className}
        onClick={() => setOpen(true)}
      >
        {children}
      </button>
      {isOpen && (
        <Menu
          id={id}
          label={label}
          items={items}
          place={() => placeOf(button)}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

function placeOf(button: RefObject<HTMLElement | null>): DOMRect {
  return button.current?.getBoundingClientRect() ?? new DOMRect();
}

/** The menu itself, beside a place on the screen. Gives the focus back when it closes. */
export function Menu({
  id,
  label,
  items,
  place,
  onClose,
  header,
}: {
  id?: string;
  label: string;
  items: MenuItem[];
  place: () => DOMRect;
  onClose: () => void;
  /** Stands above the items, for instance a row of emoji. */
  header?: ReactNode;
}) {
  const menu = useRef<HTMLDivElement>(null);
  const placeRef = useRef(place);
  const close = useRef(onClose);
  close.current = onClose;

  useLayoutEffect(() => {
    const { current } = menu;
    if (!current) return;
    const before = document.activeElement;
    current.showPopover();
    putBeside(current, placeRef.current());
    current.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
    const toggled = (event: Event) => {
      if ((event as ToggleEvent).newState === 'closed') close.current();
    };
    current.addEventListener('toggle', toggled);
    return () => {
      current.removeEventListener('toggle', toggled);
      const { activeElement } = document;
      const isLost = activeElement === null || activeElement === document.body;
      if ((isLost || current.contains(activeElement)) && before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  // A place that scrolls away takes its menu along.
  useEffect(() => {
    const leave = () => close.current();
    globalThis.addEventListener('resize', leave);
    return () => globalThis.removeEventListener('resize', leave);
  }, []);

  const pressed = (event: KeyboardEvent) => {
    const all = [...(menu.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const go = (index: number) => {
      event.preventDefault();
      event.stopPropagation();
      all.at(index % all.length)?.focus();
    };
    if (event.key === 'ArrowDown') go(at + 1);
    else if (event.key === 'ArrowUp') go(at - 1);
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(-1);
    else if (event.key === 'Tab') onClose();
    else if (event.key.length === 1 && /\p{L}/u.test(event.key)) {
      const letter = event.key.toLocaleLowerCase();
      const next = [...all.slice(at + 1), ...all].find((item) =>
        item.textContent?.trim().toLocaleLowerCase().startsWith(letter),
      );
      if (next) go(all.indexOf(next));
    }
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its items take the focus, it only hears their keys
    <div
      ref={menu}
      popover="auto"
      className="fixed max-w-[calc(100vw-1rem)] rounded-2xl border border-line bg-panel p-1.5 text-ink shadow-2xl"
      onKeyDown={pressed}
    >
      {header}
      <div role="menu" id={id} aria-label={label} className="min-w-44">
        {items.map((item) => (
          <button
            key={item.key}
            type="button"
            role="menuitem"
            tabIndex={-1}
            className={`flex w-full cursor-pointer items-center gap-3 rounded-xl px-3 py-2 text-left text-sm outline-none hover:bg-hover focus:bg-hover ${item.look === 'danger' ? 'text-danger' : ''}`}
            onClick={() => {
              onClose();
              item.onChoose();
            }}
          >
            <span className="flex size-5 items-center justify-center opacity-80">{item.icon}</span>
            {item.label}
          </button>
        ))}
      </div>
    </div>
  );
}

/** Below the place, or above where there is no room; never over the edge of the screen. */
export function putBeside(element: HTMLElement, place: DOMRect): void {
  const { width, height } = element.getBoundingClientRect();
  const fitsBelow = place.bottom + GAP_PX + height <= innerHeight;
  const top = fitsBelow ? place.bottom + GAP_PX : place.top - GAP_PX - height;
  const left = place.left + width <= innerWidth - 8 ? place.left : place.right - width;
  element.style.top = `${clamp(top, 8, innerHeight - height - 8)}px`;
  element.style.left = `${clamp(left, 8, innerWidth - width - 8)}px`;
}

function clamp(value: number, lowest: number, highest: number): number {
  return Math.max(lowest, Math.min(value, highest));
}

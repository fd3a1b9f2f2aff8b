import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

/** Keys that work wherever one is. Which there are is told by `ShortcutsHelp`. */
export function useShortcuts(): { isOpen: boolean; close: () => void } {
  const navigate = useNavigate();
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (document.querySelector('dialog[open]')) return;
      const command = event.ctrlKey || event.metaKey;
      const act = shortcutOf(event.key, command, event.altKey, event.shiftKey);
      if (!act) return;
      event.preventDefault();
      if (act === 'search') {
        void navigate({ to: '/' }).then(() => focusOn('[data-shortcut="search"]'));
      } else if (act === 'write') focusOn('main textarea');
      else if (act === 'help') setOpen(true);
      else openNeighbour(act);
    };
    globalThis.addEventListener('keydown', pressed);
    return () => globalThis.removeEventListener('keydown', pressed);
  }, [navigate]);
  return { isOpen, close: () => setOpen(false) };
}

type Act = 'search' | 'write' | 'help' | 'previous' | 'next' | 'next-unread';

function shortcutOf(key: string, command: boolean, alt: boolean, shift: boolean): Act | undefined {
  if (command && !alt) {
    return { k: 'search' as const, '/': 'help' as const }[key.toLowerCase()];
  }
  if (alt && !command) {
    if (key === 'ArrowUp') return 'previous';
    if (key === 'ArrowDown') return shift ? 'next-unread' : 'next';
    if (key.toLowerCase() === 'w') return 'write';
  }
  return undefined;
}

function focusOn(selector: string): void {
  const element = document.querySelector<HTMLElement>(selector);
  element?.focus();
  if (element instanceof HTMLInputElement) element.select();
}

/** The conversation above or below the open one, in the order of the list. */
function openNeighbour(act: 'previous' | 'next' | 'next-unread'): void {
  const links = [...document.querySelectorAll<HTMLElement>('[data-conversation]')];
  const at = links.findIndex((link) => link.getAttribute('aria-current') === 'page');
  if (act === 'next-unread') {
    const after = [...links.slice(at + 1), ...links.slice(0, Math.max(at, 0))];
    after.find((link) => link.dataset.unread !== '0')?.click();
  } else {
    links[at < 0 ? 0 : at + (act === 'next' ? 1 : -1)]?.click();
  }
}

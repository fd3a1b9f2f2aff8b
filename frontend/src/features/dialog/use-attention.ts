import { useSyncExternalStore } from 'react';

const EVENTS = ['focus', 'blur', 'visibilitychange'] as const;

function watch(listener: () => void): () => void {
  for (const event of EVENTS) {
    globalThis.addEventListener(event, listener);
    document.addEventListener(event, listener);
  }
  return () => {
    for (const event of EVENTS) {
      globalThis.removeEventListener(event, listener);
      document.removeEventListener(event, listener);
    }
  };
}

/** Whether somebody looks at this page: it is visible and has the focus. */
export function useAttention(): boolean {
  return useSyncExternalStore(
    watch,
    () => document.visibilityState === 'visible' && document.hasFocus(),
  );
}

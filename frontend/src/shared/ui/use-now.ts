import { useSyncExternalStore } from 'react';

const MINUTE_MS = 60_000;
const currentMinute = () => Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;

function eachMinute(listener: () => void): () => void {
  const timer = setInterval(listener, MINUTE_MS / 4);
  return () => clearInterval(timer);
}

/** The time, in whole minutes, so that "Today" becomes "Yesterday" by itself. */
export function useNow(): number {
  return useSyncExternalStore(eachMinute, currentMinute);
}

import { useEffect, useMemo, useSyncExternalStore } from 'react';
import type { Presence } from '@/engine/wire';
import { useSignedIn } from '../session/context';

/** How somebody stands, for as long as this is shown. */
export function usePresence(userId: string | undefined): Presence | undefined {
  const { hints } = useSignedIn().engine;
  useEffect(() => (userId ? hints.want([userId]) : undefined), [hints, userId]);
  useSyncExternalStore(hints.subscribe, () => hints.version);
  return userId ? hints.presenceOf(userId) : undefined;
}

/** Who of these is there, for as long as they are shown. */
export function useOnline(userIds: readonly string[]): (userId: string) => boolean {
  const { hints } = useSignedIn().engine;
  const key = userIds.join(' ');
  useEffect(() => hints.want(key.split(' ').filter((id) => id !== '')), [hints, key]);
  const version = useSyncExternalStore(hints.subscribe, () => hints.version);
  return useMemo(
    () => (userId) => version >= 0 && hints.presenceOf(userId)?.state === 'online',
    [hints, version],
  );
}

/** Who types in a conversation now. */
export function useTyping(conversationId: string): string[] {
  const { hints } = useSignedIn().engine;
  useSyncExternalStore(hints.subscribe, () => hints.version);
  return hints.typingIn(conversationId);
}

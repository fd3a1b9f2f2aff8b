import { useLiveQuery } from 'dexie-react-hooks';
import { useEffect } from 'react';
import { isMuted, unreadCount } from '@/engine/conversation';
import { useSignedIn } from '@/shared/session/context';

/** The number of unread messages, which also stands in the tab's title and on the installed app's icon. */
export function useUnread(): number {
  const { engine } = useSignedIn();
  const unread = useLiveQuery(async () => {
    const conversations = await engine.database.conversations.where({ member: 1 }).toArray();
    // What is muted or archived waits without calling.
    return conversations
      .filter((one) => !one.settings.archived && !isMuted(one, Date.now()))
      .reduce((sum, conversation) => sum + unreadCount(conversation), 0);
  }, [engine]);
  useEffect(() => {
    document.title = unread ? `(${unread}) Parlance` : 'Parlance';
    // Only where the client is installed.
    if ('setAppBadge' in navigator) navigator.setAppBadge(unread ?? 0).catch(() => undefined);
    return () => {
      document.title = 'Parlance';
    };
  }, [unread]);
  return unread ?? 0;
}

import { useLiveQuery } from 'dexie-react-hooks';
import { useEffect } from 'react';
import { unreadCount } from '@/engine/conversation';
import { useSignedIn } from '@/shared/session/context';

/** The number of unread messages in the tab's title. */
export function useUnreadTitle(): void {
  const { engine } = useSignedIn();
  const unread = useLiveQuery(async () => {
    const conversations = await engine.database.conversations.where({ member: 1 }).toArray();
    return conversations.reduce((sum, conversation) => sum + unreadCount(conversation), 0);
  }, [engine]);
  useEffect(() => {
    document.title = unread ? `(${unread}) Parlance` : 'Parlance';
    return () => {
      document.title = 'Parlance';
    };
  }, [unread]);
}

import { Outlet, useMatchRoute } from '@tanstack/react-router';
import { AccountMenu } from '@/features/account/account-menu';
import { ConnectionLine } from '@/features/connection/connection-line';
import { ConversationList } from '@/features/conversation-list/conversation-list';
import { NewChatButton } from '@/features/new-chat/new-chat';
import { useUnreadTitle } from './use-unread-title';

/** The list beside the dialog; on a phone one at a time. */
export function Shell() {
  useUnreadTitle();
  const matchRoute = useMatchRoute();
  const showsList = matchRoute({ to: '/' }) !== false;
  return (
    <div className="grid h-full grid-cols-[minmax(0,1fr)] md:grid-cols-[minmax(18rem,23rem)_minmax(0,1fr)]">
      <aside
        aria-label="Conversations"
        className={`${showsList ? 'flex' : 'hidden'} min-h-0 flex-col border-line border-r bg-panel md:flex`}
      >
        <header className="flex h-16 shrink-0 items-center gap-3 pr-2 pl-4">
          <AccountMenu />
          <p className="flex-1 font-semibold text-lg tracking-tight">Parlance</p>
          <NewChatButton />
        </header>
        <ConversationList />
        <ConnectionLine />
      </aside>
      <div className={`${showsList ? 'hidden' : 'block'} min-h-0 min-w-0 md:block`}>
        <Outlet />
      </div>
    </div>
  );
}

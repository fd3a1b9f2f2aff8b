import { Link, Outlet, useMatchRoute } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ConnectionLine } from '@/features/connection/connection-line';
import { ConversationList } from '@/features/conversation-list/conversation-list';
import { NewChatButton } from '@/features/new-chat/new-chat';
import { ShortcutsHelp } from '@/features/shortcuts/shortcuts-help';
import { useShortcuts } from '@/features/shortcuts/use-shortcuts';
import { UpdatePrompt } from '@/features/update/update-prompt';
import { type MessageKey, t } from '@/shared/i18n/i18n';
import { PersonAvatar } from '@/shared/people/person-avatar';
import { useSignedIn } from '@/shared/session/context';
import { ChartIcon, ChatIcon, ContactsIcon, GearIcon, GroupIcon } from '@/shared/ui/icons';
import { useUnread } from './use-unread-title';

const PLACES: { to: string; label: MessageKey; icon: ReactNode }[] = [
  { to: '/', label: 'nav.chats', icon: <ChatIcon className="size-6" /> },
  { to: '/contacts', label: 'nav.contacts', icon: <ContactsIcon className="size-6" /> },
  { to: '/groups', label: 'nav.groups', icon: <GroupIcon className="size-6" /> },
  { to: '/reports', label: 'nav.reports', icon: <ChartIcon className="size-6" /> },
  { to: '/settings', label: 'nav.settings', icon: <GearIcon className="size-6" /> },
];

/** Places on the left, the list of conversations beside them, and what was chosen; on a phone one at a time. */
export function Shell() {
  const matchRoute = useMatchRoute();
  const isHome = matchRoute({ to: '/' }) !== false;
  const isDialog = matchRoute({ to: '/conversations/$conversationId' }) !== false;
  const isChats = isHome || isDialog;
  const help = useShortcuts();
  return (
    <div className="flex h-full flex-col-reverse md:flex-row">
      <Places isChats={isChats} className={isDialog ? 'hidden md:flex' : 'flex'} />
      <aside
        aria-label={t('nav.conversations')}
        className={`min-h-0 flex-1 flex-col border-line border-r bg-panel md:w-[21rem] md:flex-none xl:w-[23rem] ${isHome ? 'flex' : isDialog ? 'hidden md:flex' : 'hidden'}`}
      >
        <header className="flex h-16 shrink-0 items-center gap-3 pr-2 pl-4">
          <p className="flex-1 font-semibold text-xl tracking-tight">{t('nav.chats')}</p>
          <NewChatButton />
        </header>
        <ConversationList />
        <ConnectionLine />
      </aside>
      <div className={`min-h-0 min-w-0 flex-1 ${isHome ? 'hidden md:block' : ''}`}>
        <Outlet />
      </div>
      {help.isOpen && <ShortcutsHelp onClose={help.close} />}
      <UpdatePrompt />
    </div>
  );
}

function Places({ isChats, className }: { isChats: boolean; className: string }) {
  const { user } = useSignedIn();
  const unread = useUnread();
  return (
    <nav
      aria-label={t('nav.places')}
      className={`${className} shrink-0 items-center justify-around border-line md:gap-1 bg-rail pb-[env(safe-area-inset-bottom)] max-md:border-t md:w-18 md:flex-col md:justify-start md:border-r md:py-3`}
    >
      {PLACES.map(({ to, label, icon }) => (
        <Link
          key={to}
          to={to}
          aria-label={t(label)}
          activeOptions={{ exact: to === '/' }}
          {...(to === '/' && isChats && { 'aria-current': 'page' as const })}
          className="group relative flex h-14 w-16 min-w-0 flex-col max-md:flex-1 items-center justify-center gap-0.5 rounded-2xl text-soft hover:text-ink aria-[current=page]:text-accent-ink"
        >
          <span className="rounded-full px-3.5 py-1 transition-colors group-hover:bg-hover group-aria-[current=page]:bg-selected">
            {icon}
          </span>
          <span className="max-w-full truncate text-[0.6875rem] leading-tight">{t(label)}</span>
          {to === '/' && unread > 0 && (
            <span className="absolute top-0.5 left-1/2 ml-1.5 min-w-4.5 rounded-full bg-accent px-1 text-center font-semibold text-[0.6875rem] text-on-accent tabular-nums">
              {unread > 99 ? '99+' : unread}
            </span>
          )}
        </Link>
      ))}
      <span className="hidden md:mt-auto md:block">
        <Link to="/settings" aria-label={t('nav.account', { name: user.display_name })}>
          <PersonAvatar
            id={user.user_id}
            name={user.display_name}
            size="medium"
            picture={user.picture}
          />
        </Link>
      </span>
    </nav>
  );
}

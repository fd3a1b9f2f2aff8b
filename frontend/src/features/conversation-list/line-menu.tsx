import { type ConversationRecord, isMuted, newestRange } from '@/engine/conversation';
import { useChangeSettings } from '@/shared/conversation/settings';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import {
  ArchiveIcon,
  BellIcon,
  BellOffIcon,
  MoreIcon,
  PinIcon,
  TickIcon,
  UnreadIcon,
} from '@/shared/ui/icons';
import { MenuButton, type MenuItem } from '@/shared/ui/menu';
import { useNow } from '@/shared/ui/use-now';

/** What can be done with a conversation without opening it. */
export function LineMenu({
  conversation,
  unread,
}: {
  conversation: ConversationRecord;
  unread: number;
}) {
  const { engine } = useSignedIn();
  const { conversation_id, settings, state, top } = conversation;
  const changing = useChangeSettings(conversation_id);
  const muted = isMuted(conversation, useNow());
  const isPinned = typeof settings.pin_position === 'number';
  const isUnread = unread > 0 || state.marked_unread;
  const small = 'size-4.5';
  const items: MenuItem[] = [
    {
      key: 'pin',
      label: t(isPinned ? 'lineMenu.unpin' : 'lineMenu.pin'),
      icon: <PinIcon className={small} />,
      onChoose: () => changing.mutate({ pinned: !isPinned }),
    },
    {
      key: 'mute',
      label: t(muted ? 'lineMenu.unmute' : 'lineMenu.mute'),
      icon: muted ? <BellIcon className={small} /> : <BellOffIcon className={small} />,
      onChoose: () => changing.mutate({ mute: muted ? 'off' : 'forever' }),
    },
    isUnread
      ? {
          key: 'read',
          label: t('lineMenu.markRead'),
          icon: <TickIcon className={small} />,
          onChoose: () =>
            void engine.markRead(conversation_id, newestRange(conversation)?.to ?? top.number),
        }
      : {
          key: 'unread',
          label: t('lineMenu.markUnread'),
          icon: <UnreadIcon className={small} />,
          onChoose: () => {
            // Without a network nothing happens, and the line shows so.
            engine.markUnread(conversation_id).catch(() => undefined);
          },
        },
    {
      key: 'archive',
      label: t(settings.archived ? 'lineMenu.unarchive' : 'lineMenu.archive'),
      icon: <ArchiveIcon className={small} />,
      onChoose: () => changing.mutate({ archived: !settings.archived }),
    },
  ];
  return (
    <MenuButton
      label={t('lineMenu.label')}
      items={items}
      className="absolute top-1 right-1 flex size-7 cursor-pointer items-center justify-center rounded-full bg-panel text-soft opacity-0 shadow-sm hover:text-ink focus-visible:opacity-100 group-hover/line:opacity-100 aria-expanded:opacity-100"
    >
      <MoreIcon className="size-4" />
    </MenuButton>
  );
}

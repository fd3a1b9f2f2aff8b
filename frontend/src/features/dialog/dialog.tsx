import { Link } from '@tanstack/react-router';
import { type DragEvent, type ReactNode, useMemo, useState } from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import type { Entry } from '@/engine/wire';
import { t } from '@/shared/i18n/i18n';
import { type People, titleOf, usePeople } from '@/shared/people/names';
import { Avatar } from '@/shared/ui/avatar';
import { BackIcon } from '@/shared/ui/icons';
import { Announcer } from './announcer';
import { Composer } from './composer';
import { Details, useMembers } from './details';
import { Timeline } from './timeline';
import { type Uploads, useUploads } from './uploads';
import { useTimeline } from './use-timeline';

/** One conversation. Made anew for each, by its key. */
export function Dialog({ conversationId }: { conversationId: string }) {
  const timeline = useTimeline(conversationId);
  const uploads = useUploads(conversationId);
  const { conversation } = timeline;
  const wanted = useMemo(
    () => peopleIn(conversation, timeline.entries),
    [conversation, timeline.entries],
  );
  const people = usePeople(wanted);
  const title = conversation ? titleOf(conversation, people) : '';
  return (
    <DropTarget uploads={uploads}>
      {conversation && conversation.kind !== 'unknown' ? (
        <Header conversation={conversation} title={title} people={people} />
      ) : (
        <header className="h-16 border-line border-b bg-panel" />
      )}
      <Timeline timeline={timeline} people={people} />
      {conversation?.member === 0 ? (
        <p className="border-line border-t bg-panel p-4 text-center text-soft">
          {t('dialog.notMember')}
        </p>
      ) : (
        <Composer conversationId={conversationId} title={title} uploads={uploads} />
      )}
      <Announcer conversationId={conversationId} people={people} />
    </DropTarget>
  );
}

/** Files that are dropped anywhere on the conversation go with the next message. */
function DropTarget({ uploads, children }: { uploads: Uploads; children: ReactNode }) {
  const [isOver, setOver] = useState(false);
  const carriesFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files');
  return (
    <main
      className="relative flex h-full min-w-0 flex-col bg-canvas"
      onDragOver={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (event.currentTarget === event.target) setOver(false);
      }}
      onDrop={(event) => {
        setOver(false);
        if (!carriesFiles(event)) return;
        event.preventDefault();
        uploads.add(event.dataTransfer.files);
      }}
    >
      {children}
      {isOver && (
        <p className="pointer-events-none absolute inset-3 z-20 flex items-center justify-center rounded-2xl border-2 border-accent border-dashed bg-panel/85 font-medium text-accent-ink">
          {t('dialog.drop')}
        </p>
      )}
    </main>
  );
}

function Header({
  conversation,
  title,
  people,
}: {
  conversation: ConversationRecord;
  title: string;
  people: People;
}) {
  const [isOpen, setOpen] = useState(false);
  const isGroup = conversation.kind === 'group';
  return (
    <header className="flex h-16 shrink-0 items-center gap-2 border-line border-b bg-panel px-2 sm:px-4">
      <Link
        to="/"
        aria-label={t('dialog.back')}
        className="flex size-10 shrink-0 items-center justify-center rounded-full text-soft hover:bg-hover md:hidden"
      >
        <BackIcon />
      </Link>
      <button
        type="button"
        className="flex min-w-0 cursor-pointer items-center gap-3 rounded-xl py-1 pr-3 pl-1 text-left hover:bg-hover"
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Avatar
          id={conversation.peer_id ?? conversation.conversation_id}
          name={title}
          size="medium"
        />
        <span className="min-w-0">
          <span className="flex min-w-0">
            <h1 className="truncate font-semibold leading-tight">{title}</h1>
          </span>
          <span className="block truncate text-soft text-xs">
            {isGroup ? (
              <MemberCount conversation={conversation} />
            ) : (
              `@${people.get(conversation.peer_id ?? '')?.handle ?? '…'}`
            )}
          </span>
        </span>
      </button>
      {isOpen && (
        <Details conversation={conversation} title={title} onClose={() => setOpen(false)} />
      )}
    </header>
  );
}

function MemberCount({ conversation }: { conversation: ConversationRecord }) {
  const members = useMembers(conversation);
  if (!members.data) return t('dialog.group');
  return t('dialog.memberCount', { count: members.data.length });
}

function peopleIn(
  conversation: ConversationRecord | undefined,
  entries: readonly Entry[],
): string[] {
  const ids = new Set<string>(conversation?.peer_id ? [conversation.peer_id] : []);
  for (const { actor_id, joined, left } of entries) {
    ids.add(actor_id);
    if (joined) ids.add(joined.user_id);
    if (left) ids.add(left.user_id);
  }
  return [...ids];
}

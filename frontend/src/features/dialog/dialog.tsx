import { Link } from '@tanstack/react-router';
import {
  type DragEvent,
  lazy,
  type ReactNode,
  Suspense,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import type { Entry } from '@/engine/wire';
import { t } from '@/shared/i18n/i18n';
import { nameOf, type People, titleOf, usePeople } from '@/shared/people/names';
import { useConversationPicture } from '@/shared/people/picture';
import { usePresence, useTyping } from '@/shared/people/presence';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { BackIcon } from '@/shared/ui/icons';
import { relativeTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import { Announcer } from './announcer';
import { Composer, type ComposerMode } from './composer';
import { DeleteMessage } from './delete-message';
import { type DialogActions, DialogActionsContext } from './dialog-actions';
import { Timeline, type TimelineHandle } from './timeline';
import type { MessageRow } from './timeline-rows';
import { type Uploads, useUploads } from './uploads';
import { isPicture } from './use-download';
import { useMembership } from './use-members';
import { type Timeline as TimelineData, useTimeline } from './use-timeline';

const Details = lazy(() => import('./details'));
const MessageInfo = lazy(() => import('./message-info'));
const Lightbox = lazy(() => import('./lightbox'));

const WRITE: ComposerMode = { kind: 'write' };

/** One conversation. Made anew for each, by its key. */
export function Dialog({ conversationId }: { conversationId: string }) {
  const { engine, user } = useSignedIn();
  const timeline = useTimeline(conversationId);
  const uploads = useUploads(conversationId);
  const { conversation } = timeline;
  const people = usePeople(useMemo(() => peopleIn(timeline), [timeline]));
  const title = conversation ? titleOf(conversation, people) : '';
  const [mode, setMode] = useState<ComposerMode>(WRITE);
  const [deleting, setDeleting] = useState<MessageRow>();
  const [informed, setInformed] = useState<MessageRow>();
  const [picture, setPicture] = useState<string>();
  const handle = useRef<TimelineHandle>(null);
  const myRole = useMyRole(conversation);
  const isMember = conversation?.member === 1;

  // Who opens a conversation that was marked as unread takes that off.
  const isMarkedUnread = useRef(false);
  isMarkedUnread.current = conversation?.state.marked_unread ?? false;
  const isLoaded = conversation !== undefined;
  useEffect(() => {
    if (isLoaded && isMarkedUnread.current) {
      void engine.markRead(conversationId, 0);
    }
  }, [engine, conversationId, isLoaded]);

  const actions: DialogActions = {
    reply: (row) =>
      setMode({
        kind: 'reply',
        number: row.bubble.number,
        name: row.own ? t('people.you') : nameOf(people, row.actorId),
        text: textOf(row),
      }),
    edit: (row) => setMode({ kind: 'edit', number: row.bubble.number, text: row.bubble.text }),
    react: (row, emoji) => {
      const kind = row.bubble.reactions.find((one) => one.emoji === emoji);
      const react = kind?.user_ids.includes(user.user_id) ? { remove: emoji } : { add: emoji };
      void engine.change(conversationId, row.bubble.number, { react });
    },
    askToDelete: setDeleting,
    showInfo: setInformed,
    openPicture: setPicture,
    files: timeline.files,
    goTo: (number) => handle.current?.goTo(number),
    mayDeleteForAll: (row) => row.own || myRole === 'owner' || myRole === 'admin',
    isMember,
  };
  return (
    <DialogActionsContext value={actions}>
      <DropTarget uploads={uploads}>
        {conversation && conversation.kind !== 'unknown' ? (
          <Header conversation={conversation} title={title} people={people} />
        ) : (
          <header className="h-16 border-line border-b bg-panel" />
        )}
        <Timeline timeline={timeline} people={people} handle={handle} />
        {conversation?.member === 0 ? (
          <p className="border-line border-t bg-panel p-4 text-center text-soft">
            {t('dialog.notMember')}
          </p>
        ) : (
          <Composer
            conversationId={conversationId}
            title={title}
            uploads={uploads}
            mode={mode}
            onDone={() => setMode(WRITE)}
          />
        )}
        <Announcer conversationId={conversationId} people={people} />
        {deleting && (
          <DeleteMessage
            conversationId={conversationId}
            row={deleting}
            mayDeleteForAll={actions.mayDeleteForAll(deleting)}
            onClose={() => setDeleting(undefined)}
          />
        )}
        {informed && (
          <Suspense>
            <MessageInfo
              conversationId={conversationId}
              row={informed}
              onClose={() => setInformed(undefined)}
            />
          </Suspense>
        )}
        {picture !== undefined && (
          <Suspense>
            <Lightbox
              fileIds={picturesIn(timeline)}
              fileId={picture}
              onGo={setPicture}
              onClose={() => setPicture(undefined)}
            />
          </Suspense>
        )}
      </DropTarget>
    </DialogActionsContext>
  );
}

/** As they stand under one another. */
function picturesIn({ entries, outbox, hidden, files }: TimelineData): string[] {
  const stored = entries.filter((entry) => !hidden.has(entry.number));
  return [...stored.map((entry) => entry.message), ...outbox]
    .flatMap((one) => (one && 'attachment_ids' in one ? one.attachment_ids : []))
    .filter((id) => isPicture(files.get(id)?.content_type));
}

function textOf({ bubble }: MessageRow): string {
  return bubble.text || t('message.files', { count: bubble.attachmentIds.length });
}

function useMyRole(conversation: ConversationRecord | undefined) {
  return useMembership(conversation).data?.role;
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
  const { peer_id, conversation_id } = conversation;
  const presence = usePresence(peer_id);
  const pictureUrl = useConversationPicture(conversation, people);
  return (
    <header className="flex h-16 shrink-0 items-center gap-2 border-line border-b bg-panel px-2 sm:px-4">
      <Link
        to="/"
        aria-label={t('dialog.back')}
        className="flex size-10 shrink-0 items-center justify-center rounded-full text-soft hover:bg-hover md:hidden"
      >
        <BackIcon />
      </Link>
      {/* Inside the button it would be no heading to a screen reader. */}
      <h1 className="sr-only">{title}</h1>
      <button
        type="button"
        className="flex min-w-0 cursor-pointer items-center gap-3 rounded-xl py-1 pr-3 pl-1 text-left hover:bg-hover"
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Avatar
          id={peer_id ?? conversation_id}
          name={title}
          size="medium"
          pictureUrl={pictureUrl}
          isOnline={presence?.state === 'online'}
        />
        <span className="min-w-0">
          <span className="block truncate font-semibold leading-tight">{title}</span>
          <span className="block truncate text-soft text-xs">
            <Subtitle conversation={conversation} people={people} />
          </span>
        </span>
      </button>
      {isOpen && (
        <Suspense>
          <Details
            conversation={conversation}
            title={title}
            people={people}
            onClose={() => setOpen(false)}
          />
        </Suspense>
      )}
    </header>
  );
}

/** Who types, else who is there, else who they are. */
function Subtitle({ conversation, people }: { conversation: ConversationRecord; people: People }) {
  const { conversation_id, peer_id, kind } = conversation;
  const typing = useTyping(conversation_id);
  const presence = usePresence(peer_id);
  const membership = useMembership(conversation);
  const now = useNow();
  if (typing.length > 0) {
    const names = typing.map((id) => nameOf(people, id)).join(', ');
    return (
      <span className="text-accent-ink" data-testid="typing">
        {kind === 'direct'
          ? t('typing.direct')
          : t('typing.group', { names, count: typing.length })}
      </span>
    );
  }
  if (kind === 'group') {
    const count = membership.data?.count;
    return count === undefined ? t('dialog.group') : t('dialog.memberCount', { count });
  }
  if (presence?.state === 'online') return t('presence.online');
  if (presence?.state === 'offline' && presence.last_seen_unix_ms > 0) {
    return t('presence.lastSeen', { when: relativeTime(presence.last_seen_unix_ms, now) });
  }
  return `@${people.get(peer_id ?? '')?.handle ?? '…'}`;
}

function peopleIn({ conversation, entries, quoted }: TimelineData): string[] {
  const ids = new Set<string>(conversation?.peer_id ? [conversation.peer_id] : []);
  for (const entry of [...entries, ...quoted.values()]) addPeople(ids, entry);
  return [...ids];
}

function addPeople(ids: Set<string>, entry: Entry): void {
  const { actor_id, joined, left, role_changed, history_opened, message } = entry;
  ids.add(actor_id);
  const about = (joined ?? left ?? role_changed ?? history_opened)?.user_id;
  if (about) ids.add(about);
  for (const { user_ids } of message?.reactions ?? []) for (const id of user_ids) ids.add(id);
}

import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import type { Entry } from '@/engine/wire';
import { type People, titleOf, usePeople } from '@/shared/people/names';
import { Avatar } from '@/shared/ui/avatar';
import { BackIcon } from '@/shared/ui/icons';
import { Announcer } from './announcer';
import { Composer } from './composer';
import { Details, useMembers } from './details';
import { Timeline } from './timeline';
import { useTimeline } from './use-timeline';

/** One conversation. Made anew for each, by its key. */
export function Dialog({ conversationId }: { conversationId: string }) {
  const timeline = useTimeline(conversationId);
  const { conversation } = timeline;
  const wanted = useMemo(
    () => peopleIn(conversation, timeline.entries),
    [conversation, timeline.entries],
  );
  const people = usePeople(wanted);
  const title = conversation ? titleOf(conversation, people) : '';
  return (
    <main className="flex h-full min-w-0 flex-col bg-canvas">
      {conversation && conversation.kind !== 'unknown' ? (
        <Header conversation={conversation} title={title} people={people} />
      ) : (
        <header className="h-16 border-line border-b bg-panel" />
      )}
      <Timeline timeline={timeline} people={people} />
      {conversation?.member === 0 ? (
        <p className="border-line border-t bg-panel p-4 text-center text-soft">
          You are not in this conversation any more.
        </p>
      ) : (
        <Composer conversationId={conversationId} title={title} />
      )}
      <Announcer conversationId={conversationId} people={people} />
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
        aria-label="Back to the conversations"
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
          size="small"
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
  const { length } = members.data ?? [];
  if (!members.data) return 'Group';
  return length === 1 ? 'Only you' : `${length} members`;
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

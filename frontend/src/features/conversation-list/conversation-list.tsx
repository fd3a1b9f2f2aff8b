import { Link } from '@tanstack/react-router';
import { defaultRangeExtractor, type Range, useVirtualizer } from '@tanstack/react-virtual';
import { useLiveQuery } from 'dexie-react-hooks';
import { type KeyboardEvent, type RefObject, useCallback, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { type ConversationRecord, isMuted, unreadCount } from '@/engine/conversation';
import { t } from '@/shared/i18n/i18n';
import { type People, titleOf, usePeople } from '@/shared/people/names';
import { useConversationPicture } from '@/shared/people/picture';
import { useOnline, useTyping } from '@/shared/people/presence';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Choice } from '@/shared/ui/choice';
import { BellOffIcon, PinIcon, SearchIcon } from '@/shared/ui/icons';
import { shortTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import { LineMenu } from './line-menu';
import { previewOf } from './preview';

interface Line {
  conversation: ConversationRecord;
  title: string;
  draft: string | undefined;
  unread: number;
  isOnline: boolean;
}

const WATCHED = 50;
/** Height of a line with its gap, until it is measured. */
const LINE_PX = 70;

type Filter = 'all' | 'unread' | 'groups' | 'archived';

export function ConversationList() {
  const { engine, user } = useSignedIn();
  const [search, setSearch] = useState('');
  const [filter, setFilter] = useState<Filter>('all');
  const searchField = useRef<HTMLInputElement>(null);
  const focusLine = useRef<(index: number) => void>(undefined);
  const conversations = useLiveQuery(
    () =>
      engine.database.conversations
        .orderBy('activity_ms')
        .reverse()
        .filter((line) => line.kind !== 'unknown' && isShown(line, user.user_id))
        .toArray(),
    [engine],
  );
  // An empty store says nothing until it was compared with the server once.
  const isLoaded = useLiveQuery(
    async () => (await engine.database.readMeta('cursor')) !== '',
    [engine],
  );
  const drafts = useLiveQuery(async () => {
    const rows = await engine.database.drafts.toArray();
    return new Map(rows.map((row) => [row.conversation_id, row.text]));
  }, [engine]);
  const people = usePeople(useMemo(() => peopleOf(conversations ?? []), [conversations]));
  const isOnline = useOnline(useMemo(() => peersOf(conversations ?? []), [conversations]));
  if (!conversations || (conversations.length === 0 && !isLoaded)) return <Skeleton />;
  const lines = conversations.map((conversation) => toLine(conversation, people, drafts, isOnline));
  const wanted = search.trim().toLocaleLowerCase();
  const found = lines
    .filter((line) => passes(line, filter) && line.title.toLocaleLowerCase().includes(wanted))
    .sort((a, b) => pinOf(a) - pinOf(b));
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="grid grid-cols-1 gap-2 px-3 pb-2">
        <label className="flex items-center gap-2 rounded-xl bg-raised px-3 py-2 text-soft focus-within:ring-2 focus-within:ring-accent/40">
          <SearchIcon className="size-4 shrink-0" />
          <input
            ref={searchField}
            type="search"
            data-shortcut="search"
            onKeyDown={(event) => {
              if (event.key !== 'ArrowDown' || event.altKey) return;
              event.preventDefault();
              focusLine.current?.(0);
            }}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
            placeholder={t('list.search')}
            aria-label={t('list.searchLabel')}
            className="w-full bg-transparent text-ink outline-none placeholder:text-soft"
          />
        </label>
        <Choice
          name="filter"
          legend={t('list.filter')}
          options={[
            ['all', t('list.all')],
            ['unread', t('list.unread')],
            ['groups', t('list.groups')],
            ['archived', t('list.archived')],
          ]}
          value={filter}
          onChange={setFilter}
        />
      </div>
      {found.length === 0 ? (
        <nav aria-label={t('nav.conversations')} className="min-h-0 flex-1 px-2">
          <p className="px-4 py-10 text-center text-soft">
            {lines.length === 0 ? t('list.empty') : t('list.nothingFound')}
          </p>
        </nav>
      ) : (
        <Lines
          lines={found}
          people={people}
          focusLine={focusLine}
          onLeaveUpwards={() => searchField.current?.focus()}
        />
      )}
    </div>
  );
}

/**
 * Only what is in sight stands in the page, and the line that has the focus. Arrows move from line to
 * line; each line says which of how many it is.
 */
function Lines({
  lines,
  people,
  focusLine,
  onLeaveUpwards,
}: {
  lines: readonly Line[];
  people: People;
  /** For the search field: moves the focus to a line. */
  focusLine: RefObject<((index: number) => void) | undefined>;
  onLeaveUpwards: () => void;
}) {
  const scroller = useRef<HTMLElement>(null);
  const [focused, setFocused] = useState<string>();
  const kept = lines.findIndex((line) => line.conversation.conversation_id === focused);
  const list = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    getItemKey: useCallback(
      (index: number) => lines[index]?.conversation.conversation_id ?? index,
      [lines],
    ),
    rangeExtractor: useCallback(
      (range: Range) => {
        const shown = defaultRangeExtractor(range);
        return kept < 0 || shown.includes(kept) ? shown : [...shown, kept].sort((a, b) => a - b);
      },
      [kept],
    ),
    overscan: 6,
    paddingEnd: 8,
  });
  const focus = (index: number) => {
    const id = lines[index]?.conversation.conversation_id;
    if (id === undefined) return;
    // It may be far out of sight: it has to be there before it can have the focus.
    flushSync(() => setFocused(id));
    scroller.current
      ?.querySelector<HTMLElement>(`[data-conversation="${id}"]`)
      ?.focus({ preventScroll: true });
    list.scrollToIndex(index);
  };
  focusLine.current = focus;
  const pressed = (event: KeyboardEvent) => {
    const { target } = event;
    if (!(target instanceof HTMLElement) || !target.matches('[data-conversation]')) return;
    const at = lines.findIndex(
      (line) => line.conversation.conversation_id === target.dataset.conversation,
    );
    const next = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: lines.length - 1 }[event.key];
    if (next === undefined || event.altKey) return;
    event.preventDefault();
    if (next < 0) onLeaveUpwards();
    else focus(Math.min(next, lines.length - 1));
  };
  return (
    <nav
      ref={scroller}
      aria-label={t('nav.conversations')}
      className="min-h-0 flex-1 overflow-y-auto px-2"
      onKeyDown={pressed}
    >
      <ul className="relative" style={{ height: list.getTotalSize() }}>
        {list.getVirtualItems().map(({ index, key, start }) => {
          const line = lines[index];
          return (
            line && (
              <li
                key={key}
                ref={list.measureElement}
                data-index={index}
                aria-setsize={lines.length}
                aria-posinset={index + 1}
                className="group/line absolute inset-x-0 top-0 pb-0.5"
                style={{ transform: `translateY(${start}px)` }}
                onFocus={() => setFocused(line.conversation.conversation_id)}
              >
                <ConversationLink line={line} people={people} />
                <LineMenu conversation={line.conversation} unread={line.unread} />
              </li>
            )
          );
        })}
      </ul>
    </nav>
  );
}

function passes(line: Line, filter: Filter): boolean {
  const { archived } = line.conversation.settings;
  switch (filter) {
    case 'all':
      return !archived;
    case 'unread':
      return !archived && (line.unread > 0 || line.conversation.state.marked_unread);
    case 'groups':
      return !archived && line.conversation.kind === 'group';
    case 'archived':
      return archived;
  }
}

/** Pinned ones stand above the others, in their own order; the others stay as they are. */
function pinOf({ conversation }: Line): number {
  return conversation.settings.pin_position ?? Number.MAX_SAFE_INTEGER;
}

function ConversationLink({ line, people }: { line: Line; people: People }) {
  const { user } = useSignedIn();
  const { conversation, title, unread } = line;
  const now = useNow();
  const { conversation_id, last_entry, state } = conversation;
  const typing = useTyping(conversation_id);
  const pictureUrl = useConversationPicture(conversation, people);
  const muted = isMuted(conversation, now);
  const isPinned = typeof conversation.settings.pin_position === 'number';
  return (
    <Link
      to="/conversations/$conversationId"
      params={{ conversationId: conversation_id }}
      data-conversation={conversation_id}
      data-unread={unread}
      className="group flex items-center gap-3 rounded-xl px-2.5 py-2.5 outline-offset-[-2px] hover:bg-hover aria-[current=page]:bg-selected"
    >
      <Avatar
        id={conversation.peer_id ?? conversation_id}
        name={title}
        size="large"
        pictureUrl={pictureUrl}
        isOnline={line.isOnline}
      />
      <span className="min-w-0 flex-1">
        <span className="flex items-baseline gap-2">
          <span
            className={`min-w-0 flex-1 truncate ${unread > 0 ? 'font-semibold' : 'font-medium'}`}
          >
            {title}
          </span>
          {muted && <BellOffIcon className="size-3.5 shrink-0 self-center text-soft" />}
          {last_entry && (
            <time
              dateTime={new Date(last_entry.time_unix_ms).toISOString()}
              className={`shrink-0 text-xs group-hover/line:invisible ${unread > 0 ? 'text-accent-ink' : 'text-soft'}`}
            >
              {shortTime(last_entry.time_unix_ms, now)}
            </time>
          )}
        </span>
        <span className="mt-0.5 flex h-5 items-center gap-2">
          <span className="min-w-0 flex-1 truncate text-soft text-sm">
            {typing.length > 0 ? (
              <span className="text-accent-ink">
                {conversation.kind === 'direct' ? t('typing.direct') : t('typing.somebody')}
              </span>
            ) : line.draft ? (
              <>
                <span className="text-danger">{t('list.draft')} </span>
                {line.draft}
              </>
            ) : (
              last_entry &&
              previewOf(last_entry, people, user.user_id, conversation.kind === 'group')
            )}
          </span>
          {isPinned && unread === 0 && <PinIcon className="size-4 shrink-0 text-soft" />}
          {unread === 0 && state.marked_unread && (
            <span className="size-3 shrink-0 rounded-full bg-accent">
              <span className="sr-only">{t('list.markedUnread')}</span>
            </span>
          )}
          {unread > 0 && (
            <span
              className={`min-w-5 shrink-0 rounded-full ${muted ? 'bg-muted' : 'bg-accent'} px-1.5 py-px text-center font-semibold text-on-accent text-xs tabular-nums`}
            >
              <span aria-hidden="true">{unread > 999 ? '999+' : unread}</span>
              <span className="sr-only">{t('list.unreadCount', { count: unread })}</span>
            </span>
          )}
        </span>
      </span>
    </Link>
  );
}

function Skeleton() {
  return (
    <ul className="flex flex-1 flex-col gap-0.5 px-2 pt-24" aria-label={t('list.loading')}>
      {['w-24', 'w-36', 'w-28', 'w-40', 'w-20', 'w-32'].map((width) => (
        <li key={width} className="flex animate-pulse items-center gap-3 px-2.5 py-2.5">
          <span className="size-12 rounded-full bg-raised" />
          <span className="grid flex-1 gap-2">
            <span className={`h-3.5 rounded bg-raised ${width}`} />
            <span className="h-3 w-4/5 rounded bg-raised" />
          </span>
        </li>
      ))}
    </ul>
  );
}

/** What one has left is gone; what one was removed from stays readable as far as it was seen. */
function isShown(line: ConversationRecord, me: string): boolean {
  return line.member === 1 || (line.last_entry !== undefined && line.last_entry.actor_id !== me);
}

function toLine(
  conversation: ConversationRecord,
  people: People,
  drafts: ReadonlyMap<string, string> | undefined,
  isOnline: (userId: string) => boolean,
): Line {
  return {
    conversation,
    title: titleOf(conversation, people),
    draft: drafts?.get(conversation.conversation_id),
    unread: unreadCount(conversation),
    isOnline: isOnline(conversation.peer_id ?? ''),
  };
}

/** Whose presence the list shows: of the newest, as many as can be watched beside a dialog's. */
function peersOf(conversations: readonly ConversationRecord[]): string[] {
  return conversations.flatMap(({ peer_id }) => peer_id ?? []).slice(0, WATCHED);
}

function peopleOf(conversations: readonly ConversationRecord[]): string[] {
  const ids = new Set<string>();
  for (const { peer_id, last_entry } of conversations) {
    for (const id of [
      peer_id,
      last_entry?.actor_id,
      last_entry?.joined?.user_id,
      last_entry?.left?.user_id,
    ]) {
      if (id) ids.add(id);
    }
  }
  return [...ids];
}

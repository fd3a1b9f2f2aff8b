import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { unreadCount } from '@/engine/conversation';
import { describeChange } from '@/shared/conversation/change';
import { nameOf, type People } from '@/shared/people/names';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { DownIcon } from '@/shared/ui/icons';
import { dayName } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import { Bubble } from './bubble';
import { type TimelineItem, timelineDays } from './timeline-items';
import { useAttention } from './use-attention';
import type { Timeline as TimelineData } from './use-timeline';

/** So near to the end counts as being there. */
const AT_BOTTOM_PX = 48;
/** Older entries are fetched before the person comes to the first. */
const NEAR_TOP_PX = 600;

export function Timeline({ timeline, people }: { timeline: TimelineData; people: People }) {
  const { engine, user } = useSignedIn();
  const { conversation, entries, outbox, isComplete, isLoaded, showOlder } = timeline;
  const scroller = useRef<HTMLDivElement>(null);
  const divider = useRef<HTMLDivElement>(null);
  const [isAtBottom, setAtBottom] = useState(true);
  const hasAttention = useAttention();
  const now = useNow();
  const unread = conversation ? unreadCount(conversation) : 0;
  const newAbove = useNewAbove(timeline, unread);
  const days = timelineDays(entries, outbox, user.user_id, newAbove);
  const newest = entries.at(-1)?.number ?? 0;
  const conversationId = conversation?.conversation_id;

  // The scroller counts from its end (column-reverse): what is added above moves nothing.
  const look = () => {
    const { current } = scroller;
    if (!current) return;
    setAtBottom(isScrolledToEnd(current));
    const above = current.scrollHeight - current.clientHeight + current.scrollTop;
    if (!isComplete && above < NEAR_TOP_PX) showOlder();
  };

  // The first unread message, once, when the conversation is opened.
  const isPlaced = useRef(false);
  useLayoutEffect(() => {
    if (isPlaced.current || !isLoaded) return;
    isPlaced.current = true;
    divider.current?.scrollIntoView({ block: 'start' });
    setAtBottom(isScrolledToEnd(scroller.current));
  }, [isLoaded]);

  useEffect(() => {
    if (!conversationId || !hasAttention || !isAtBottom || unread === 0 || newest === 0) return;
    // The state may be older than the placing of this very render.
    if (isPlaced.current && isScrolledToEnd(scroller.current)) {
      void engine.markRead(conversationId, newest);
    }
  }, [engine, conversationId, hasAttention, isAtBottom, unread, newest]);

  // Whoever writes wants to see it.
  const lastWritten = outbox.at(-1)?.position;
  useLayoutEffect(() => {
    if (lastWritten !== undefined) scroller.current?.scrollTo({ top: 0 });
  }, [lastWritten]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={look}
        className="flex h-full flex-col-reverse overflow-y-auto overscroll-contain"
      >
        <section
          aria-label="Messages"
          // Focusable, so that the keyboard can scroll it.
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable
          tabIndex={0}
          className="mx-auto flex w-full max-w-3xl flex-col px-3 py-3 outline-offset-[-3px] sm:px-4"
        >
          {!isLoaded && <Skeleton />}
          {isComplete && entries.length > 0 && (
            <p className="py-4 text-center text-soft text-xs">The beginning of this conversation</p>
          )}
          {days.map((day) => (
            <div key={day.key} className="flex flex-col">
              <p className="pointer-events-none sticky top-2 z-10 my-3 self-center rounded-full bg-panel/90 px-3 py-1 font-medium text-soft text-xs shadow-sm">
                {dayName(day.timeMs, now)}
              </p>
              {day.items.map((item) => (
                <Item
                  key={item.key}
                  item={item}
                  people={people}
                  inGroup={conversation?.kind === 'group'}
                  divider={divider}
                />
              ))}
            </div>
          ))}
        </section>
      </div>
      {!isAtBottom && (
        <button
          type="button"
          aria-label={
            unread > 0 ? `To the newest message, ${unread} unread` : 'To the newest message'
          }
          className="absolute right-4 bottom-3 flex size-11 cursor-pointer items-center justify-center rounded-full border border-line bg-panel text-soft shadow-md hover:text-ink"
          onClick={() => scroller.current?.scrollTo({ top: 0, behavior: 'smooth' })}
        >
          <DownIcon />
          {unread > 0 && (
            <span className="absolute -top-1.5 min-w-5 rounded-full bg-accent px-1.5 py-px font-semibold text-on-accent text-xs tabular-nums">
              {unread}
            </span>
          )}
        </button>
      )}
    </div>
  );
}

function isScrolledToEnd(scroller: HTMLElement | null): boolean {
  return scroller !== null && scroller.scrollTop > -AT_BOTTOM_PX;
}

/** Where the unread began when the conversation was opened; it stays there while one reads on. */
function useNewAbove(timeline: TimelineData, unread: number): number | undefined {
  const [newAbove, setNewAbove] = useState<{ value: number | undefined }>();
  const { conversation, isLoaded } = timeline;
  if (!newAbove && conversation && isLoaded) {
    const value = unread > 0 ? conversation.state.read_number : undefined;
    setNewAbove({ value });
    return value;
  }
  return newAbove?.value;
}

function Item({
  item,
  people,
  inGroup,
  divider,
}: {
  item: TimelineItem;
  people: People;
  inGroup: boolean;
  divider: React.RefObject<HTMLDivElement | null>;
}) {
  const { user } = useSignedIn();
  switch (item.kind) {
    case 'new-messages':
      return (
        <div
          ref={divider}
          className="my-3 flex scroll-mt-16 items-center gap-3 font-medium text-accent-ink text-xs"
        >
          <span className="h-px flex-1 bg-accent/30" />
          New messages
          <span className="h-px flex-1 bg-accent/30" />
        </div>
      );
    case 'change':
      return (
        <p className="my-2 self-center rounded-full bg-ink/5 px-3 py-1 text-center text-soft text-xs">
          {describeChange(item.entry, people, user.user_id)}
        </p>
      );
    case 'group': {
      const name = nameOf(people, item.actorId);
      const showAuthor = inGroup && !item.own;
      return (
        <div className="mt-2.5 flex items-end gap-2">
          {showAuthor && <Avatar id={item.actorId} name={name} size="small" />}
          <div className="flex min-w-0 flex-1 flex-col gap-0.5">
            {item.bubbles.map((bubble, index) => (
              <Bubble
                key={bubble.key}
                bubble={bubble}
                own={item.own}
                author={showAuthor && index === 0 ? name : undefined}
                isLast={index === item.bubbles.length - 1}
              />
            ))}
          </div>
        </div>
      );
    }
  }
}

function Skeleton() {
  return (
    <div aria-hidden="true" className="flex animate-pulse flex-col gap-3 py-4">
      {['w-48', 'w-64 self-end', 'w-56', 'w-36', 'w-44 self-end'].map((shape) => (
        <span key={shape} className={`h-10 rounded-2xl bg-ink/5 ${shape}`} />
      ))}
    </div>
  );
}

import { useVirtualizer } from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { inBackground } from '@/engine/background';
import { unreadCount } from '@/engine/conversation';
import { describeChange } from '@/shared/conversation/change';
import { t } from '@/shared/i18n/i18n';
import type { People } from '@/shared/people/names';
import { useSignedIn } from '@/shared/session/context';
import { DownIcon } from '@/shared/ui/icons';
import { dayName } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import { MessageLine } from './message-line';
import { type TimelineRow, timelineRows } from './timeline-rows';
import { useAttention } from './use-attention';
import { isPicture } from './use-download';
import type { Timeline as TimelineData } from './use-timeline';

/** So near to the end counts as being there. */
const AT_END_PX = 48;
/** Older or newer entries are fetched so long before the last of them comes into sight: a fling takes 0.2 s for it. */
const NEAR_PX = 2_400;

export interface TimelineHandle {
  goTo(number: number): void;
}

export function Timeline({
  timeline,
  people,
  handle,
}: {
  timeline: TimelineData;
  people: People;
  handle: Ref<TimelineHandle>;
}) {
  const { engine, user } = useSignedIn();
  const { conversation, entries, outbox, hidden, marks, quoted } = timeline;
  const { isComplete, isLoaded, isAtTail } = timeline;
  const scroller = useRef<HTMLDivElement>(null);
  const hasAttention = useAttention();
  const unread = conversation ? unreadCount(conversation) : 0;
  const newAbove = useNewAbove(timeline, unread);
  const rows = useMemo(() => {
    const all = timelineRows({ entries, outbox, hidden, marks }, user.user_id, newAbove);
    const beginning: TimelineRow = { kind: 'beginning', key: 'beginning' };
    return isComplete && entries.length > 0 ? [beginning, ...all] : all;
  }, [entries, outbox, hidden, marks, user.user_id, newAbove, isComplete]);
  /** Not known before the first look. */
  const [isAtEnd, setAtEnd] = useState<boolean>();
  const newest = entries.at(-1)?.number ?? 0;
  const conversationId = conversation?.conversation_id;

  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimateOf(rows[index], timeline.files),
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    overscan: 12,
    paddingStart: 12,
    paddingEnd: 12,
    // What is added above moves nothing; what is added below is followed only from the end.
    anchorTo: 'end',
    followOnAppend: isAtTail,
    scrollEndThreshold: AT_END_PX,
  });
  const shown = list.getVirtualItems();

  const lookNow = useRef(() => {});
  const lastSight = useRef<{ top: number; height: number }>(undefined);
  const moves = () => {
    opensAt.current = undefined;
  };
  const look = () => {
    const { current } = scroller;
    if (!current) return;
    // Sizes that become known and what is added move the top too. Upwards without either goes only who wants to.
    const before = lastSight.current;
    const now = { top: current.scrollTop, height: current.scrollHeight };
    if (before && now.top < before.top && now.height === before.height) moves();
    lastSight.current = now;
    const below = belowSight(current);
    setAtEnd(isAtTail && below <= AT_END_PX);
    if (!isPlaced.current) return;
    if (current.scrollTop < NEAR_PX && !isComplete) timeline.showOlder();
    if (below < NEAR_PX && !isAtTail) timeline.showNewer();
  };
  lookNow.current = look;

  // Opens at the first unread message, else at the end.
  const isPlaced = useRef(false);
  useLayoutEffect(() => {
    if (isPlaced.current || !isLoaded || rows.length === 0) return;
    isPlaced.current = true;
    const divider = rows.findIndex((row) => row.kind === 'new-messages');
    opensAt.current = divider >= 0 ? 'new-messages' : 'end';
    if (divider >= 0) list.scrollToIndex(divider, { align: 'start' });
    else list.scrollToEnd();
  }, [isLoaded, rows, list]);

  // Sizes are known only once rows are drawn. Until the person moves, what was opened at stays where it is,
  // and whether the end is in sight is seen anew.
  const opensAt = useRef<'new-messages' | 'end'>(undefined);
  const size = list.getTotalSize();
  useLayoutEffect(() => {
    if (!isPlaced.current || size === 0) return;
    const divider = rows.findIndex((row) => row.kind === opensAt.current);
    if (divider >= 0) list.scrollToIndex(divider, { align: 'start' });
    else if (opensAt.current === 'end') list.scrollToEnd();
    lookNow.current();
  }, [size, rows, list]);

  useEffect(() => {
    if (!conversationId || !hasAttention || isAtEnd !== true) return;
    if (unread === 0 || newest === 0) return;
    // The state may be older than the placing of this very render.
    if (isPlaced.current && isAtTail && belowSight(scroller.current) <= AT_END_PX) {
      void engine.markRead(conversationId, newest);
    }
  }, [engine, conversationId, hasAttention, isAtEnd, isAtTail, unread, newest]);

  const { showNewest } = timeline;
  const toEnd = useCallback(() => {
    opensAt.current = undefined;
    if (isAtTail) list.scrollToEnd();
    else {
      wantsEnd.current = true;
      showNewest();
    }
  }, [isAtTail, showNewest, list]);
  const wantsEnd = useRef(false);
  useLayoutEffect(() => {
    if (!wantsEnd.current || !isAtTail) return;
    wantsEnd.current = false;
    list.scrollToEnd();
  }, [isAtTail, list]);

  // A message that was answered: brought into the window first, then shown.
  const wanted = useRef<number>(undefined);
  const { showAround } = timeline;
  useImperativeHandle(
    handle,
    () => ({
      goTo: (number) => {
        opensAt.current = undefined;
        wanted.current = number;
        inBackground(showAround(number));
      },
    }),
    [showAround],
  );
  useLayoutEffect(() => {
    const { current: number } = wanted;
    const index = rows.findIndex((row) => row.kind === 'message' && row.bubble.number === number);
    if (number === undefined || index < 0) return;
    wanted.current = undefined;
    list.scrollToIndex(index, { align: 'center' });
    requestAnimationFrame(() => pointOut(scroller.current, number));
  }, [rows, list]);

  // Whoever writes wants to see it.
  const lastWritten = outbox.findLast((item) => item.kind === 'message')?.position;
  const seenWritten = useRef(lastWritten);
  useLayoutEffect(() => {
    if (lastWritten === undefined || lastWritten === seenWritten.current) return;
    seenWritten.current = lastWritten;
    toEnd();
  }, [lastWritten, toEnd]);

  const first = shown[0];
  return (
    <div className="relative min-h-0 flex-1">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: its messages take the focus, it only hears their keys */}
      <div
        ref={scroller}
        onScroll={look}
        onWheel={moves}
        onTouchMove={moves}
        onPointerDown={moves}
        onKeyDown={(event) => {
          moves();
          moveBetweenMessages(event, scroller.current);
        }}
        className="h-full overflow-y-auto overscroll-contain [overflow-anchor:none]"
        data-testid="timeline"
      >
        {!isLoaded && <Skeleton />}
        <div className="relative mx-auto w-full max-w-3xl" style={{ height: list.getTotalSize() }}>
          <ol
            aria-label={t('timeline.label')}
            className="absolute inset-x-3 top-0 flex flex-col sm:inset-x-4"
            style={{ transform: `translateY(${first?.start ?? 0}px)` }}
          >
            {shown.map(({ index, key }) => {
              const row = rows[index];
              return (
                row && (
                  <li key={key} data-index={index} ref={list.measureElement} className="flow-root">
                    <Row
                      row={row}
                      people={people}
                      inGroup={conversation?.kind === 'group'}
                      quoted={quoted}
                    />
                  </li>
                )
              );
            })}
          </ol>
        </div>
      </div>
      <FloatingDay rows={rows} index={list.range?.startIndex ?? 0} isScrolling={list.isScrolling} />
      {isAtEnd === false && <ToEnd unread={unread} onClick={toEnd} />}
    </div>
  );
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

/** How much of the conversation is below what one sees, in pixels. */
function belowSight(scroller: HTMLElement | null): number {
  if (!scroller) return Number.POSITIVE_INFINITY;
  return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
}

/** Near to what is measured later, so that the scroll bar doesn't jump. */
function estimateOf(row: TimelineRow | undefined, files: TimelineData['files']): number {
  if (row?.kind !== 'message') return 44;
  const { text, attachmentIds } = row.bubble;
  const lines = Math.ceil(text.length / 55) + (text.match(/\n/gu)?.length ?? 0);
  const extras = (row.bubble.replyTo > 0 ? 56 : 0) + (row.bubble.reactions.length > 0 ? 26 : 0);
  const attached = attachmentIds
    .map((id) => files.get(id))
    .reduce((sum, file) => sum + (!file || isPicture(file.content_type) ? 216 : 72), 0);
  return 20 + Math.max(1, lines) * 22 + attached + (row.isFirst ? 12 : 0) + extras;
}

/** Up and down from message to message, whoever has the focus on one. */
function moveBetweenMessages(event: KeyboardEvent, scroller: HTMLElement | null): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const { activeElement } = document;
  if (step === undefined || !scroller || !activeElement?.matches('article')) return;
  event.preventDefault();
  const all = [...scroller.querySelectorAll<HTMLElement>('article')];
  const next = all[all.indexOf(activeElement as HTMLElement) + step];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

/** A light on the message that one has jumped to. */
function pointOut(scroller: HTMLElement | null, number: number): void {
  const found = scroller?.querySelector<HTMLElement>(`article[data-number="${number}"]`);
  found?.focus({ preventScroll: true });
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  found?.animate([{ boxShadow: '0 0 0 4px var(--accent)' }, { boxShadow: 'none' }], 1_200);
}

function Row({
  row,
  people,
  inGroup,
  quoted,
}: {
  row: TimelineRow;
  people: People;
  inGroup: boolean;
  quoted: TimelineData['quoted'];
}) {
  const { user } = useSignedIn();
  const now = useNow();
  switch (row.kind) {
    case 'beginning':
      return <p className="py-4 text-center text-soft text-xs">{t('timeline.beginning')}</p>;
    case 'day':
      return (
        <p className="my-3 text-center">
          <span className="rounded-full bg-panel px-3 py-1 font-medium text-soft text-xs shadow-sm">
            {dayName(row.timeMs, now)}
          </span>
        </p>
      );
    case 'new-messages':
      return (
        <p className="my-3 flex items-center gap-3 font-medium text-accent-ink text-xs">
          <span className="h-px flex-1 bg-accent/30" />
          {t('timeline.newMessages')}
          <span className="h-px flex-1 bg-accent/30" />
        </p>
      );
    case 'change':
      return (
        <p className="my-2 text-center">
          <span className="inline-block rounded-2xl bg-ink/5 px-3 py-1 text-soft text-xs">
            {describeChange(row.entry, people, user.user_id)}
          </span>
        </p>
      );
    case 'message':
      return (
        <MessageLine
          row={row}
          people={people}
          inGroup={inGroup}
          quoted={quoted.get(row.bubble.replyTo)}
        />
      );
  }
}

/** While one scrolls: the day of what is at the top. */
function FloatingDay({
  rows,
  index,
  isScrolling,
}: {
  rows: readonly TimelineRow[];
  index: number;
  isScrolling: boolean;
}) {
  const now = useNow();
  const day = rows.slice(0, index + 1).findLast((row) => row.kind === 'day');
  if (!day) return null;
  return (
    <p
      aria-hidden="true"
      className={`pointer-events-none absolute inset-x-0 top-2 text-center transition-opacity duration-300 ${isScrolling ? '' : 'opacity-0'}`}
    >
      <span className="rounded-full bg-panel px-3 py-1 font-medium text-soft text-xs shadow-md">
        {dayName(day.timeMs, now)}
      </span>
    </p>
  );
}

function ToEnd({ unread, onClick }: { unread: number; onClick: () => void }) {
  return (
    <button
      type="button"
      aria-label={t('timeline.toEnd', { unread })}
      className="absolute right-4 bottom-3 flex size-11 cursor-pointer items-center justify-center rounded-full border border-line bg-panel text-soft shadow-md hover:text-ink"
      onClick={onClick}
    >
      <DownIcon />
      {unread > 0 && (
        <span className="absolute -top-1.5 min-w-5 rounded-full bg-accent px-1.5 py-px font-semibold text-on-accent text-xs tabular-nums">
          {unread > 999 ? '999+' : unread}
        </span>
      )}
    </button>
  );
}

function Skeleton() {
  return (
    <div
      aria-hidden="true"
      className="mx-auto flex w-full max-w-3xl animate-pulse flex-col gap-3 px-4 py-6"
    >
      {['w-48', 'w-64 self-end', 'w-56', 'w-36', 'w-44 self-end'].map((shape) => (
        <span key={shape} className={`h-10 rounded-2xl bg-ink/5 ${shape}`} />
      ))}
    </div>
  );
}

/**
 * Which part of a conversation is held for the screen, by number. Numbers are gapless, so a window is
 * two of them. Pure.
 */
import { type ConversationRecord, unreadCount } from '@/engine/conversation';
import type { Range } from '@/engine/ranges';

export interface TimelineWindow {
  from: number;
  /** `tail`: whatever is written at the end shows. */
  to: number | 'tail';
}

/** Entries to begin with: some screens full. */
const OPENING = 80;
/** By how much it grows at a time. */
const STEP = 60;
/** More than this isn't held: the far side goes. */
const AT_MOST = 320;
/** What was read stands before the first unread, for its context. */
const CONTEXT = 15;

/** At the end, or where the unread begin if they reach further back. */
export function openingWindow(conversation: ConversationRecord, range: Range): TimelineWindow {
  const newest = newestWindow(range);
  const unread = unreadCount(conversation);
  const firstUnread = conversation.state.read_number + 1;
  if (unread === 0 || firstUnread - CONTEXT >= newest.from) return newest;
  const from = Math.max(range.from, firstUnread - CONTEXT);
  return { from, to: range.to - from < AT_MOST ? 'tail' : from + OPENING };
}

export function newestWindow(range: Range): TimelineWindow {
  return { from: Math.max(range.from, range.to - OPENING + 1), to: 'tail' };
}

export function windowAround(number: number, range: Range): TimelineWindow {
  const to = number + OPENING / 2;
  const from = Math.max(range.from, number - OPENING / 2);
  return { from, to: to >= range.to ? 'tail' : to };
}

export function withOlder(window: TimelineWindow, range: Range): TimelineWindow {
  const from = Math.max(range.from, window.from - STEP);
  const to = window.to === 'tail' ? range.to : window.to;
  return { from, to: to - from >= AT_MOST ? from + AT_MOST : window.to };
}

export function withNewer(window: TimelineWindow, range: Range): TimelineWindow {
  if (window.to === 'tail') return window;
  const to = window.to + STEP;
  const end = Math.min(to, range.to);
  return { from: Math.max(window.from, end - AT_MOST), to: to >= range.to ? 'tail' : to };
}

import { useLiveQuery } from 'dexie-react-hooks';
import { useCallback, useEffect, useRef, useState } from 'react';
import { inBackground } from '@/engine/background';
import { type ConversationRecord, newestRange } from '@/engine/conversation';
import type { ClientDatabase, KnownFile, MemberMarks, OutboxItem } from '@/engine/database';
import type { Entry } from '@/engine/wire';
import { useSignedIn } from '@/shared/session/context';
import {
  newestWindow,
  openingWindow,
  type TimelineWindow,
  windowAround,
  withNewer,
  withOlder,
} from './timeline-window';

export interface Timeline {
  conversation: ConversationRecord | undefined;
  entries: Entry[];
  outbox: OutboxItem[];
  hidden: ReadonlySet<number>;
  marks: MemberMarks[];
  /** What is answered here, by number, as far as it is held. */
  quoted: ReadonlyMap<number, Entry>;
  /** What is attached here, as far as it is known. */
  files: ReadonlyMap<string, KnownFile>;
  /** Nothing stands before the first entry. */
  isComplete: boolean;
  /** The newest entry is among them. */
  isAtTail: boolean;
  /** Something of the conversation can be shown. */
  isLoaded: boolean;
  showOlder: () => void;
  showNewer: () => void;
  showNewest: () => void;
  /** Brings an entry into the window; false when it can't be had. */
  showAround: (number: number) => Promise<boolean>;
}

/** A thin window shows a preview at most: more is fetched at once. */
const THIN = 30;
const NOTHING: ReadonlySet<number> = new Set();
const NO_QUOTES: ReadonlyMap<number, Entry> = new Map();
const NO_FILES: ReadonlyMap<string, KnownFile> = new Map();
/** How far back a quoted message is looked for. */
const PAGES_TO_LOOK_THROUGH = 40;

/**
 * A window on the newest unbroken run of a conversation. It moves as one scrolls and stays of bounded
 * size, so that reading it costs the same in a conversation of a hundred thousand messages.
 */
export function useTimeline(conversationId: string): Timeline {
  const { engine } = useSignedIn();
  const [window, setWindow] = useState<TimelineWindow>();
  const isLoading = useRef(false);
  const found = useLiveQuery(
    () => readWindow(engine.database, conversationId, window),
    [engine, conversationId, window],
  );
  const range = found?.conversation && newestRange(found.conversation);

  // Where it opens is decided once there is something to show.
  if (!window && found?.conversation && range) {
    setWindow(openingWindow(found.conversation, range));
  }

  const load = useCallback(async () => {
    if (isLoading.current) return;
    isLoading.current = true;
    try {
      await engine.loadOlder(conversationId);
    } catch {
      // No network: the connection line says so, and scrolling or coming back asks again.
    } finally {
      isLoading.current = false;
    }
  }, [engine, conversationId]);

  const isThin =
    found?.conversation !== undefined &&
    (range ? range.to - range.from : 0) < THIN &&
    (range?.from ?? 2) > 1;
  useEffect(() => {
    if (!isThin) return;
    void load();
    return engine.onStatus(() => {
      if (engine.status.kind === 'connected') void load();
    });
  }, [isThin, load, engine]);

  // What members read while this device was away is told by nothing else.
  const isMember = found?.conversation?.member === 1;
  useEffect(() => {
    if (!isMember) return;
    const fetch = () => {
      if (engine.status.kind === 'connected') {
        engine.fetchMarks(conversationId).catch(() => undefined);
      }
    };
    fetch();
    return engine.onStatus(fetch);
  }, [engine, conversationId, isMember]);

  /** The run as it is in the store now, which may be ahead of this render. */
  const storedRange = useCallback(async () => {
    const conversation = await engine.database.conversations.get(conversationId);
    return conversation && newestRange(conversation);
  }, [engine, conversationId]);

  const showOlder = useCallback(() => {
    const move = async () => {
      const stored = await storedRange();
      if (stored) setWindow((before) => before && withOlder(before, stored));
    };
    if ((window?.from ?? 0) > (range?.from ?? 0)) inBackground(move());
    else if ((range?.from ?? 2) > 1) inBackground(load().then(move));
  }, [window, range?.from, load, storedRange]);

  const showNewer = useCallback(
    () => range && setWindow((before) => before && withNewer(before, range)),
    [range],
  );
  const showNewest = useCallback(() => range && setWindow(newestWindow(range)), [range]);
  const showAround = useCallback(
    async (number: number) => {
      for (let pages = 0; pages < PAGES_TO_LOOK_THROUGH; pages += 1) {
        const stored = await storedRange();
        if (!stored || (stored.from <= 1 && number < stored.from)) return false;
        if (number >= stored.from) {
          setWindow(windowAround(number, stored));
          return true;
        }
        await load();
      }
      return false;
    },
    [load, storedRange],
  );

  return {
    conversation: found?.conversation,
    entries: found?.entries ?? [],
    outbox: found?.outbox ?? [],
    hidden: found?.hidden ?? NOTHING,
    marks: found?.marks ?? [],
    quoted: found?.quoted ?? NO_QUOTES,
    files: found?.files ?? NO_FILES,
    isComplete:
      range !== undefined &&
      range.from <= 1 &&
      (found?.window?.from ?? 2) <= Math.max(range.from, 1),
    isAtTail: found?.window?.to === 'tail',
    isLoaded: found !== undefined && (found.window !== undefined || found.outbox.length > 0),
    showOlder,
    showNewer,
    showNewest,
    showAround,
  };
}

async function readWindow(
  { conversations, entries, outbox, hidden, receipts, files }: ClientDatabase,
  conversationId: string,
  window: TimelineWindow | undefined,
) {
  const conversation = await conversations.get(conversationId);
  const range = conversation && newestRange(conversation);
  const rows =
    window && range
      ? await entries
          .where('[conversation_id+number]')
          .between(
            [conversationId, Math.max(window.from, range.from)],
            [conversationId, window.to === 'tail' ? range.to : window.to],
            true,
            true,
          )
          .toArray()
      : [];
  const waiting = await outbox.where({ conversation_id: conversationId }).sortBy('position');
  const hiddenRows = await hidden.where({ conversation_id: conversationId }).toArray();
  const marks = await receipts.where({ conversation_id: conversationId }).toArray();
  const replies = waiting.flatMap((item) => (item.kind === 'message' ? item.reply_to_number : []));
  const answered = [
    ...new Set([...replies, ...rows.map((row) => row.message?.reply_to_number ?? 0)]),
  ];
  const originals = await entries.bulkGet(
    answered
      .filter((number) => number > 0)
      .map((number): [string, number] => [conversationId, number]),
  );
  const attached = [...rows.map((row) => row.message), ...waiting].flatMap((one) =>
    one && 'attachment_ids' in one ? one.attachment_ids : [],
  );
  const known = await files.bulkGet(attached);
  return {
    conversation,
    window,
    entries: rows,
    outbox: waiting,
    hidden: new Set(hiddenRows.map((row) => row.number)),
    marks,
    files: new Map(known.flatMap((file) => (file ? [[file.file_id, file] as const] : []))),
    quoted: new Map(originals.flatMap((entry) => (entry ? [[entry.number, entry] as const] : []))),
  };
}

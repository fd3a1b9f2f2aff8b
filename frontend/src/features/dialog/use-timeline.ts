import { useLiveQuery } from 'dexie-react-hooks';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type ConversationRecord, newestRange } from '@/engine/conversation';
import type { OutboxItem } from '@/engine/database';
import type { Entry } from '@/engine/wire';
import { useSignedIn } from '@/shared/session/context';

const WINDOW = 60;

export interface Timeline {
  conversation: ConversationRecord | undefined;
  entries: Entry[];
  outbox: OutboxItem[];
  /** Nothing stands before the first entry. */
  isComplete: boolean;
  /** Something of the conversation can be shown. */
  isLoaded: boolean;
  showOlder: () => void;
}

/** The newest unbroken run of a conversation, as much of it as was scrolled to. */
export function useTimeline(conversationId: string): Timeline {
  const { engine } = useSignedIn();
  const [limit, setLimit] = useState(WINDOW);
  const loading = useRef(false);
  const found = useLiveQuery(async () => {
    const { conversations, entries, outbox } = engine.database;
    const conversation = await conversations.get(conversationId);
    const range = conversation && newestRange(conversation);
    const rows = range
      ? await entries
          .where('[conversation_id+number]')
          .between([conversationId, range.from], [conversationId, range.to], true, true)
          .reverse()
          .limit(limit)
          .toArray()
      : [];
    const waiting = await outbox.where({ conversation_id: conversationId }).sortBy('position');
    return { conversation, from: range?.from, entries: rows.reverse(), outbox: waiting };
  }, [engine, conversationId, limit]);
  const shown = found?.entries.length ?? 0;
  const from = found?.from;
  const isComplete = from !== undefined && from <= 1 && shown < limit;

  const load = useCallback(async () => {
    if (loading.current) return;
    loading.current = true;
    try {
      await engine.loadOlder(conversationId);
    } catch {
      // No network: the connection line says so, and scrolling or coming back asks again.
    } finally {
      loading.current = false;
    }
  }, [engine, conversationId]);

  // The first look at a conversation has a preview at most.
  const isThin = found?.conversation !== undefined && shown < WINDOW / 2 && (from ?? 2) > 1;
  useEffect(() => {
    if (!isThin) return;
    void load();
    return engine.onStatus(() => {
      if (engine.status.kind === 'connected') void load();
    });
  }, [isThin, load, engine]);

  const showOlder = useCallback(() => {
    if (shown >= limit) setLimit(limit + WINDOW);
    else if ((from ?? 2) > 1) void load().then(() => setLimit((before) => before + WINDOW));
  }, [shown, limit, from, load]);

  return {
    conversation: found?.conversation,
    entries: found?.entries ?? [],
    outbox: found?.outbox ?? [],
    isComplete,
    isLoaded: found !== undefined && (from !== undefined || found.outbox.length > 0),
    showOlder,
  };
}

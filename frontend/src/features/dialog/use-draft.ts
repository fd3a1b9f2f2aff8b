import { useCallback, useEffect, useRef, useState } from 'react';
import type { ClientDatabase } from '@/engine/database';
import { useSignedIn } from '@/shared/session/context';

const SAVE_AFTER_MS = 400;

/** What was begun stays with its conversation, also over a reload. For a component of one conversation. */
export function useDraft(conversationId: string) {
  const { database } = useSignedIn().engine;
  const [text, setText] = useState('');
  /** What is not saved yet. */
  const unsaved = useRef<string>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const save = useCallback(() => {
    clearTimeout(timer.current);
    if (unsaved.current !== undefined) saveDraft(database, conversationId, unsaved.current);
    unsaved.current = undefined;
  }, [database, conversationId]);

  useEffect(() => {
    let isCurrent = true;
    void database.drafts.get(conversationId).then((draft) => {
      if (isCurrent && draft && unsaved.current === undefined) setText(draft.text);
    });
    globalThis.addEventListener('pagehide', save);
    return () => {
      isCurrent = false;
      globalThis.removeEventListener('pagehide', save);
      save();
    };
  }, [database, conversationId, save]);

  const change = (next: string) => {
    setText(next);
    unsaved.current = next;
    clearTimeout(timer.current);
    // What was sent must not come back as a draft.
    if (next === '') save();
    else timer.current = setTimeout(save, SAVE_AFTER_MS);
  };
  return { text, setText: change };
}

function saveDraft(database: ClientDatabase, conversation_id: string, text: string): void {
  const { drafts } = database;
  void (text.trim() === ''
    ? drafts.delete(conversation_id)
    : drafts.put({ conversation_id, text }));
}

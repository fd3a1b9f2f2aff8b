import { useEffect, useRef, useState } from 'react';
import { t } from '@/shared/i18n/i18n';
import { nameOf, type People } from '@/shared/people/names';
import { useSignedIn } from '@/shared/session/context';

/** Reads new messages of others out to who uses a screen reader. */
export function Announcer({ conversationId, people }: { conversationId: string; people: People }) {
  const { engine, user } = useSignedIn();
  const [spoken, setSpoken] = useState('');
  const names = useRef(people);
  names.current = people;
  useEffect(
    () =>
      engine.onNewEntries((entries) => {
        const lines = entries
          .filter((entry) => entry.conversation_id === conversationId)
          .filter((entry) => entry.message && entry.actor_id !== user.user_id)
          .map(
            (entry) =>
              `${nameOf(names.current, entry.actor_id)}: ${entry.message?.text || t('message.files', { count: entry.message?.attachment_ids.length ?? 1 })}`,
          );
        if (lines.length > 0) setSpoken(lines.join('\n'));
      }),
    [engine, conversationId, user.user_id],
  );
  return (
    <p className="sr-only" aria-live="polite">
      {spoken}
    </p>
  );
}

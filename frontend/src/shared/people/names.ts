import { useLiveQuery } from 'dexie-react-hooks';
import { useEffect } from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import type { Person } from '@/engine/database';
import { t } from '../i18n/i18n';
import { useSignedIn } from '../session/context';

export type People = ReadonlyMap<string, Person>;

const NOBODY: People = new Map();

/** Everybody whose name is known here; asks for the names of these. */
export function usePeople(wanted: readonly string[]): People {
  const { engine } = useSignedIn();
  const key = wanted.join(' ');
  useEffect(() => engine.people.want(key.split(' ')), [engine, key]);
  return (
    useLiveQuery(async () => {
      const people = await engine.database.people.toArray();
      return new Map(people.map((person) => [person.user_id, person]));
    }, [engine]) ?? NOBODY
  );
}

export function nameOf(people: People, userId: string): string {
  return people.get(userId)?.display_name ?? t('people.somebody');
}

export function titleOf(conversation: ConversationRecord, people: People): string {
  return conversation.kind === 'group'
    ? (conversation.name ?? '')
    : nameOf(people, conversation.peer_id ?? '');
}

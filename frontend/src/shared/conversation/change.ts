import type { Entry } from '@/engine/wire';
import { nameOf, type People } from '../people/names';

/** What happened, in a line. */
export function describeChange(entry: Entry, people: People, me: string): string {
  const name = (id: string) => (id === me ? 'You' : nameOf(people, id));
  if (entry.created) return `${name(entry.actor_id)} started the conversation`;
  if (entry.joined) {
    return entry.joined.user_id === entry.actor_id
      ? `${name(entry.actor_id)} joined`
      : `${name(entry.actor_id)} added ${name(entry.joined.user_id)}`;
  }
  if (entry.left) {
    return entry.left.user_id === entry.actor_id
      ? `${name(entry.actor_id)} left`
      : `${name(entry.actor_id)} removed ${name(entry.left.user_id)}`;
  }
  return '';
}

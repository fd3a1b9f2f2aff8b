import type { Entry } from '@/engine/wire';
import { t } from '../i18n/i18n';
import { nameOf, type People } from '../people/names';

/** What happened, in a line. */
export function describeChange(entry: Entry, people: People, me: string): string {
  // "You" has sentences of its own: in many languages the verb changes with it.
  const by = entry.actor_id === me ? 'you' : 'other';
  const name = nameOf(people, entry.actor_id);
  const whom = (id: string) => (id === me ? t('people.youAsObject') : nameOf(people, id));
  if (entry.created) return t('change.created', { by, name });
  if (entry.renamed) return t('change.renamed', { by, name, to: entry.renamed.name });
  if (entry.picture_changed) return t('change.picture', { by, name });
  if (entry.role_changed) {
    const { user_id, role } = entry.role_changed;
    const isKnown = role === 'owner' || role === 'admin' || role === 'member';
    const roleName = isKnown ? t(`role.${role}`) : role;
    return t('change.role', { by, name, whom: whom(user_id), role: roleName });
  }
  if (entry.history_opened) {
    return t('change.history', { by, name, whom: whom(entry.history_opened.user_id) });
  }
  if (entry.group_deleted) return t('change.groupDeleted', { by, name });
  const joined = entry.joined?.user_id;
  if (joined) {
    return joined === entry.actor_id
      ? t('change.joined', { by, name })
      : t('change.added', { by, name, whom: whom(joined) });
  }
  const left = entry.left?.user_id;
  if (left) {
    return left === entry.actor_id
      ? t('change.left', { by, name })
      : t('change.removed', { by, name, whom: whom(left) });
  }
  return '';
}

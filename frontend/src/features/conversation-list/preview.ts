import type { Entry } from '@/engine/wire';
import { describeChange } from '@/shared/conversation/change';
import { t } from '@/shared/i18n/i18n';
import { nameOf, type People } from '@/shared/people/names';

export function previewOf(entry: Entry, people: People, me: string, inGroup: boolean): string {
  if (!entry.message) return describeChange(entry, people, me);
  const { text, attachment_ids, deleted } = entry.message;
  if (deleted) return t('message.deleted');
  const what = text || t('message.files', { count: attachment_ids.length });
  if (entry.actor_id === me) return t('list.byYou', { what });
  return inGroup ? t('list.by', { name: nameOf(people, entry.actor_id), what }) : what;
}

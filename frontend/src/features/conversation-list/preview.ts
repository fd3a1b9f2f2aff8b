import type { Entry } from '@/engine/wire';
import { describeChange } from '@/shared/conversation/change';
import { nameOf, type People } from '@/shared/people/names';

export function previewOf(entry: Entry, people: People, me: string, inGroup: boolean): string {
  if (!entry.message) return describeChange(entry, people, me);
  const { text, attachment_ids } = entry.message;
  const what = text || (attachment_ids.length > 1 ? `${attachment_ids.length} files` : 'A file');
  if (entry.actor_id === me) return `You: ${what}`;
  return inGroup ? `${nameOf(people, entry.actor_id)}: ${what}` : what;
}

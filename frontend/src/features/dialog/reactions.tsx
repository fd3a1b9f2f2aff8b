import { t } from '@/shared/i18n/i18n';
import { nameOf, type People } from '@/shared/people/names';
import { useSignedIn } from '@/shared/session/context';
import { useDialogActions } from './dialog-actions';
import type { MessageRow } from './timeline-rows';

/** Below a message: each emoji with how many put it; a click adds or takes away one's own. */
export function Reactions({ row, people }: { row: MessageRow; people: People }) {
  const { user } = useSignedIn();
  const { react, isMember } = useDialogActions();
  const names = (ids: readonly string[]) =>
    ids.map((id) => (id === user.user_id ? t('people.you') : nameOf(people, id))).join(', ');
  return (
    <ul aria-label={t('message.reactions')} className="-mt-1 z-1 flex flex-wrap gap-1 px-2">
      {row.bubble.reactions.map(({ emoji, user_ids }) => (
        <li key={emoji}>
          <button
            type="button"
            aria-pressed={user_ids.includes(user.user_id)}
            aria-label={`${emoji} ${names(user_ids)}`}
            title={names(user_ids)}
            disabled={!isMember}
            className="flex h-6.5 cursor-pointer items-center gap-1 rounded-full border border-line bg-panel px-2 text-sm tabular-nums shadow-xs hover:border-accent aria-pressed:border-accent aria-pressed:bg-selected"
            onClick={() => react(row, emoji)}
          >
            <span className="leading-none">{emoji}</span>
            <span className="text-soft text-xs">{user_ids.length}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

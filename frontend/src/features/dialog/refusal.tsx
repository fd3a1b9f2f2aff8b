import type { OutboxItem } from '@/engine/database';
import { type MessageKey, t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';

const REASONS: Record<string, MessageKey> = {
  not_a_member: 'refusal.not_a_member',
  conversation_unknown: 'refusal.not_a_member',
  text_too_long: 'refusal.text_too_long',
  text_empty: 'refusal.text_empty',
  attachment_invalid: 'refusal.attachment_invalid',
  client_message_id_expired: 'refusal.client_message_id_expired',
  client_message_id_conflict: 'refusal.client_message_id_conflict',
  not_allowed: 'refusal.not_allowed',
  not_the_author: 'refusal.not_allowed',
  too_many_changes: 'refusal.too_many_changes',
  blocked: 'refusal.blocked',
};

/** What the server refused for good, why, and what can be done about it. */
export function Refusal({ item }: { item: OutboxItem }) {
  const { engine } = useSignedIn();
  const { code = '', detail = '' } = item.refusal ?? {};
  const known = REASONS[code];
  const reason = known ? t(known) : detail;
  const action = 'cursor-pointer rounded font-medium text-accent-ink hover:underline';
  return (
    <p role="alert" className="flex flex-wrap justify-end gap-x-3 px-1 pt-1 text-danger text-xs">
      <span>
        {t(item.kind === 'message' ? 'refusal.notSent' : 'refusal.notChanged', { reason })}
      </span>
      <button type="button" className={action} onClick={() => void engine.retry(item)}>
        {t('action.tryAgain')}
      </button>
      <button type="button" className={action} onClick={() => void engine.discard(item)}>
        {t(item.kind === 'message' ? 'action.delete' : 'action.dismiss')}
      </button>
    </p>
  );
}

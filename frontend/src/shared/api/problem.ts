import { type MessageKey, t } from '../i18n/i18n';

/** What a service refused, as RFC 9457 has it. */
export class Problem extends Error {
  override name = 'Problem';

  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly fields: ReadonlyMap<string, string> = new Map(),
  ) {
    super(detail);
  }
}

interface ProblemBody {
  code?: string;
  detail?: string;
  title?: string;
  errors?: { field: string; code: string; detail: string }[];
}

/** What a person can do something about has words in their language; the rest is as the service says it. */
const IN_OUR_WORDS = new Set([
  'blocks_full',
  'busy',
  'cannot_open_with_self',
  'contacts_full',
  'content_type_not_allowed',
  'conversation_unknown',
  'credentials_wrong',
  'current_password_missing',
  'description_invalid',
  'display_name_invalid',
  'email_invalid',
  'email_taken',
  'file_unknown',
  'group_full',
  'group_name_invalid',
  'group_name_taken',
  'group_unknown',
  'handle_invalid',
  'handle_taken',
  'identity_taken',
  'invitation_unknown',
  'last_credential',
  'link_invalid',
  'mails_off',
  'mails_waiting',
  'member_unknown',
  'not_a_member',
  'not_allowed',
  'not_yourself',
  'oidc_email_unverified',
  'oidc_link_required',
  'oidc_sign_up_off',
  'owner_required',
  'password_too_common',
  'password_too_long',
  'password_too_short',
  'proof_failed',
  'proof_needed',
  'provider_unavailable',
  'query_too_short',
  'rate_limited',
  'role_insufficient',
  'size_invalid',
  'status_text_invalid',
  'timeout',
  'too_many_invitations',
  'too_many_members',
  'too_many_pins',
  'unavailable',
  'user_unknown',
  'version_conflict',
]);

/** What a code means; `otherwise` for one that has no words of ours. */
export function words(code: string, otherwise: string): string {
  return IN_OUR_WORDS.has(code) ? t(`problem.code.${code}` as MessageKey) : otherwise;
}

export function toProblem(status: number, body: unknown): Problem {
  const { code, detail, title, errors } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as ProblemBody;
  return new Problem(
    status,
    code ?? `http_${status}`,
    words(code ?? '', detail ?? title ?? t('problem.server')),
    new Map(errors?.map((error) => [error.field, words(error.code, error.detail)])),
  );
}

/** For answers without a body. */
export function done(answer: { error?: unknown; response: Response }): void {
  if (!answer.response.ok) throw toProblem(answer.response.status, answer.error);
}

/** A sentence for a person, for anything that a request can end in. */
export function sentence(error: unknown): string {
  if (error instanceof Problem) {
    const [field] = error.fields.values();
    return field ?? error.message;
  }
  if (error instanceof TypeError) return t('problem.unreachable');
  return t('problem.unknown');
}

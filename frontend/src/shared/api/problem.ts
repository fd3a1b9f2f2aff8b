import { t } from '../i18n/i18n';

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

export function toProblem(status: number, body: unknown): Problem {
  const { code, detail, title, errors } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as ProblemBody;
  return new Problem(
    status,
    code ?? `http_${status}`,
    detail ?? title ?? t('problem.server'),
    new Map(errors?.map((error) => [error.field, error.detail])),
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

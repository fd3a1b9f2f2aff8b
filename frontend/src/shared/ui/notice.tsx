import type { ReactNode } from 'react';

const KINDS = {
  error: 'bg-danger/10 text-danger',
  good: 'bg-good/10 text-good',
  plain: 'bg-raised text-ink',
};

/** A sentence about what happened; read out at once when it is an error. */
export function Notice({ kind, children }: { kind: keyof typeof KINDS; children: ReactNode }) {
  return (
    <p
      role={kind === 'error' ? 'alert' : 'status'}
      className={`rounded-xl px-3.5 py-2.5 text-sm ${KINDS[kind]}`}
    >
      {children}
    </p>
  );
}

import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { t } from '../i18n/i18n';
import { BackIcon } from './icons';

/** A screen beside the conversations: title, perhaps actions, and what it is about. */
export function Page({
  title,
  back = '/',
  actions,
  children,
}: {
  title: string;
  back?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <main className="flex h-full min-w-0 flex-col bg-canvas">
      <header className="flex h-16 shrink-0 items-center gap-2 border-line border-b bg-panel px-2 sm:px-6">
        <Link
          to={back}
          aria-label={t('action.back')}
          className="flex size-10 shrink-0 items-center justify-center rounded-full text-soft hover:bg-hover md:hidden"
        >
          <BackIcon />
        </Link>
        <h1 className="min-w-0 flex-1 truncate font-semibold text-lg">{title}</h1>
        {actions}
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto grid w-full max-w-3xl grid-cols-1 gap-4 p-4 sm:p-6">{children}</div>
      </div>
    </main>
  );
}

/** A part of a page with a heading of its own. */
export function Card({
  title,
  actions,
  children,
}: {
  title?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className="rounded-2xl border border-line bg-panel p-4 sm:p-5">
      {title && (
        <div className="mb-3 flex items-center gap-2">
          <h2 className="min-w-0 flex-1 font-semibold">{title}</h2>
          {actions}
        </div>
      )}
      {children}
    </section>
  );
}

/** Grey shapes where lines will be. */
export function LineSkeletons({ count = 4 }: { count?: number }) {
  return (
    <div aria-hidden="true" className="grid animate-pulse gap-3">
      {Array.from({ length: count }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike and never move
        <span key={index} className="flex items-center gap-3 py-1">
          <span className="size-10 rounded-full bg-raised" />
          <span className="grid flex-1 gap-2">
            <span className="h-3.5 w-1/3 rounded bg-raised" />
            <span className="h-3 w-1/2 rounded bg-raised" />
          </span>
        </span>
      ))}
    </div>
  );
}

import type { ReactNode } from 'react';
import { ChatIcon } from './icons';

/** A card in the middle of the screen, for who isn't signed in. */
export function EntryPage({
  title,
  below,
  children,
}: {
  title: string;
  below?: ReactNode;
  children: ReactNode;
}) {
  return (
    <main className="flex h-full items-center justify-center overflow-y-auto bg-[radial-gradient(60rem_30rem_at_50%_0%,var(--selected),transparent)] p-4">
      <div className="my-auto w-full max-w-sm">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <span className="flex size-14 items-center justify-center rounded-2xl bg-accent text-on-accent shadow-accent/30 shadow-lg">
            <ChatIcon className="size-7" />
          </span>
          <h1 className="font-semibold text-2xl tracking-tight">{title}</h1>
        </div>
        <div className="rounded-2xl border border-line bg-panel p-6 shadow-black/5 shadow-xl">
          {children}
        </div>
        {below && <div className="mt-5 text-center text-soft text-sm">{below}</div>}
      </div>
    </main>
  );
}

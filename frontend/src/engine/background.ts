import Dexie from 'dexie';

/** Lets work run that nobody waits for. That the store was closed under it is how sign-out ends it. */
export function inBackground(work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    if (error instanceof Dexie.DatabaseClosedError) return;
    console.error('work in the background failed', error);
  });
}

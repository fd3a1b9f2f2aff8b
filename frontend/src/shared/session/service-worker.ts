/** Registers the service worker, and tells when a newer build waits for its person. */
let waiting: ServiceWorker | undefined;
const listeners = new Set<() => void>();
const LOOK_EACH_MS = 60 * 60_000;

export const update = {
  isWaiting: (): boolean => waiting !== undefined,
  watch(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  /** All tabs go on with the new build: each reloads when it takes over. */
  accept: (): void => waiting?.postMessage('activate'),
};

export async function registerServiceWorker(): Promise<void> {
  // Plain HTTP from another machine has none.
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  const hadOne = serviceWorker.controller !== null;
  serviceWorker.addEventListener('controllerchange', () => {
    if (hadOne) globalThis.location.reload();
  });
  const registration = await serviceWorker.register('/service-worker.js');
  const look = () => {
    // The first one of all has nothing to replace.
    if (!registration.waiting || !serviceWorker.controller) return;
    waiting = registration.waiting;
    for (const listener of listeners) listener();
  };
  look();
  registration.addEventListener('updatefound', () => {
    registration.installing?.addEventListener('statechange', look);
  });
  setInterval(() => registration.update().catch(() => undefined), LOOK_EACH_MS);
}

/**
 * Keeps the files of one build on the device, so that the client opens without a network. What people
 * wrote is in IndexedDB; interfaces and the socket never pass through here. A new build waits until
 * its person agrees to it: a page and its files stay of one version.
 */
declare const self: ServiceWorkerGlobalScope;
/** Filled in by the build. */
declare const __FILES__: string[];
declare const __VERSION__: string;

const PREFIX = 'parlance-files-';
const CACHE = PREFIX + __VERSION__;
const PAGE = '/index.html';
/** Left to the network: interfaces, the socket. */
const NOT_OURS = /^\/(api|socket)(\/|$)/u;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(__FILES__)));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(forgetOthers());
});

self.addEventListener('message', (event) => {
  if (event.data === 'activate') void self.skipWaiting();
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (NOT_OURS.test(url.pathname)) return;
  const isPage = request.mode === 'navigate';
  event.respondWith(kept(isPage ? PAGE : url.pathname).then((found) => found ?? fetch(request)));
});

async function kept(path: string): Promise<Response | undefined> {
  return (await caches.open(CACHE)).match(path);
}

async function forgetOthers(): Promise<void> {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}

import './styles.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Problem } from '@/shared/api/problem';
import { speak, useLanguage } from '@/shared/i18n/i18n';
import { handedToken } from '@/shared/session/address';
import { SessionContext } from '@/shared/session/context';
import { registerServiceWorker } from '@/shared/session/service-worker';
import { Session } from '@/shared/session/session';
import { applyTheme, chosenTheme } from '@/shared/ui/theme';
import { loadDialog, router } from './router';

applyTheme(chosenTheme());

const session = new Session();

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal stays one; only what a network or a busy server did is worth another try.
      retry: (failures, error) => failures < 3 && !(error instanceof Problem && error.status < 500),
    },
    // The default waits in silence while the browser says offline.
    mutations: { networkMode: 'always' },
  },
});
session.subscribe(() => {
  if (session.state.kind === 'signed-out') queries.clear();
});

function App() {
  // Another language draws everything anew.
  return (
    <SessionContext value={session}>
      <QueryClientProvider client={queries}>
        <RouterProvider key={useLanguage()} router={router} />
      </QueryClientProvider>
    </SessionContext>
  );
}

const app = document.getElementById('app');
if (!app) throw new Error('index.html has no #app');
await speak();
await session.resume(handedToken);
createRoot(app).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
setTimeout(() => void loadDialog(), 0);
registerServiceWorker().catch((error: unknown) => {
  // The client works without it, only not without a network.
  console.warn('no service worker', error);
});

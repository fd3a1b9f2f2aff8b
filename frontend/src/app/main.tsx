import './styles.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Problem } from '@/shared/api/problem';
import { SessionContext } from '@/shared/session/context';
import { Session } from '@/shared/session/session';
import { applyTheme, chosenTheme } from '@/shared/ui/theme';
import { router } from './router';

applyTheme(chosenTheme());

const session = new Session();
session.resume();

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

const app = document.getElementById('app');
if (!app) throw new Error('index.html has no #app');
createRoot(app).render(
  <StrictMode>
    <SessionContext value={session}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </SessionContext>
  </StrictMode>,
);

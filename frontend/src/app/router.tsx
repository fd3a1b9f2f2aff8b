import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Outlet,
  useParams,
  useSearch,
} from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { Dialog } from '@/features/dialog/dialog';
import { OpenGroup, OpenPerson } from '@/features/links/open-chat';
import { t } from '@/shared/i18n/i18n';
import { SignedInContext, useSessionState } from '@/shared/session/context';
import { ChatIcon } from '@/shared/ui/icons';
import { Shell } from './shell';

const SignInScreen = lazy(() => import('@/features/sign-in/sign-in-screen'));

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

/** Whatever the address, it waits behind the sign-in. */
const gate = createRoute({ getParentRoute: () => root, id: 'gate', component: Gate });

const shell = createRoute({ getParentRoute: () => gate, id: 'shell', component: Shell });

const home = createRoute({ getParentRoute: () => shell, path: '/', component: Home });

const dialog = createRoute({
  getParentRoute: () => shell,
  path: '/conversations/$conversationId',
  component: function DialogRoute() {
    const { conversationId } = useParams({ from: dialog.id });
    return <Dialog key={conversationId} conversationId={conversationId} />;
  },
});

const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings',
  component: lazyRouteComponent(() => import('@/features/settings/settings-page')),
});

const group = createRoute({
  getParentRoute: () => gate,
  path: '/group/$groupName/connect',
  component: function GroupRoute() {
    return <OpenGroup name={useParams({ from: group.id }).groupName} />;
  },
});

const person = createRoute({
  getParentRoute: () => gate,
  path: '/chat/user',
  validateSearch: (search): { handle: string } => ({ handle: String(search.handle ?? '') }),
  component: function PersonRoute() {
    return <OpenPerson handle={useSearch({ from: person.id }).handle} />;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([
    gate.addChildren([shell.addChildren([home, dialog, settings]), group, person]),
  ]),
  defaultPreload: 'intent',
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

function Gate() {
  const state = useSessionState();
  if (state.kind === 'signed-out') {
    return (
      <Suspense>
        <SignInScreen notice={state.notice} />
      </Suspense>
    );
  }
  return (
    <SignedInContext value={state}>
      <Outlet />
    </SignedInContext>
  );
}

function Home() {
  return (
    <main className="flex h-full flex-col items-center justify-center gap-3 bg-canvas text-soft">
      <span className="flex size-20 items-center justify-center rounded-full bg-panel">
        <ChatIcon className="size-10 opacity-50" />
      </span>
      <p>{t('home.choose')}</p>
    </main>
  );
}

function NotFound() {
  return (
    <main className="flex h-full flex-col items-center justify-center gap-3">
      <h1 className="font-semibold text-lg">{t('home.nothingHere')}</h1>
      <Link to="/" className="font-medium text-accent-ink hover:underline">
        {t('home.toConversations')}
      </Link>
    </main>
  );
}

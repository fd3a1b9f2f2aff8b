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
import { OpenGroup, OpenPerson } from '@/features/links/open-chat';
import { t } from '@/shared/i18n/i18n';
import { SignedInContext, useSessionState } from '@/shared/session/context';
import { ChatIcon } from '@/shared/ui/icons';
import { Shell } from './shell';

const SignInScreen = lazy(() => import('@/features/sign-in/sign-in-screen'));

/** Comes right after the first page, so that the first conversation opens at once. */
export const loadDialog = () => import('./dialog-route');

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

/** Whatever the address, it waits behind the sign-in. */
const gate = createRoute({ getParentRoute: () => root, id: 'gate', component: Gate });

const shell = createRoute({ getParentRoute: () => gate, id: 'shell', component: Shell });

const home = createRoute({ getParentRoute: () => shell, path: '/', component: Home });

const dialog = createRoute({
  getParentRoute: () => shell,
  path: '/conversations/$conversationId',
  component: lazyRouteComponent(loadDialog),
});

const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings',
  component: lazyRouteComponent(() => import('@/features/settings/settings-page')),
});

const settingsSection = createRoute({
  getParentRoute: () => shell,
  path: '/settings/$section',
  component: lazyRouteComponent(() => import('@/features/settings/settings-page')),
});

const contacts = createRoute({
  getParentRoute: () => shell,
  path: '/contacts',
  component: lazyRouteComponent(() => import('@/features/contacts/contacts-page')),
});

const groups = createRoute({
  getParentRoute: () => shell,
  path: '/groups',
  component: lazyRouteComponent(() => import('@/features/groups/groups-page')),
});

const reports = createRoute({
  getParentRoute: () => shell,
  path: '/reports',
  component: lazyRouteComponent(() => import('@/features/reports/reports-page')),
});

const invitation = createRoute({
  getParentRoute: () => gate,
  path: '/join',
  component: lazyRouteComponent(() => import('@/features/groups/invitation-page')),
});

const recover = createRoute({
  getParentRoute: () => root,
  path: '/recover',
  component: lazyRouteComponent(() => import('@/features/recovery/recover-page')),
});

const verifyEmail = createRoute({
  getParentRoute: () => root,
  path: '/verify-email',
  component: lazyRouteComponent(() => import('@/features/recovery/verify-email-page')),
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
    gate.addChildren([
      shell.addChildren([home, dialog, contacts, groups, reports, settings, settingsSection]),
      group,
      person,
      invitation,
    ]),
    recover,
    verifyEmail,
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

import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  Outlet,
  useParams,
  useSearch,
} from '@tanstack/react-router';
import { Dialog } from '@/features/dialog/dialog';
import { OpenGroup, OpenPerson } from '@/features/links/open-chat';
import { SignInScreen } from '@/features/sign-in/sign-in-screen';
import { SignedInContext, useSessionState } from '@/shared/session/context';
import { ChatIcon } from '@/shared/ui/icons';
import { Shell } from './shell';

const root = createRootRoute({ component: Gate, notFoundComponent: NotFound });

const shell = createRoute({ getParentRoute: () => root, id: 'shell', component: Shell });

const home = createRoute({ getParentRoute: () => shell, path: '/', component: Home });

const dialog = createRoute({
  getParentRoute: () => shell,
  path: '/conversations/$conversationId',
  component: function DialogRoute() {
    const { conversationId } = useParams({ from: dialog.id });
    return <Dialog key={conversationId} conversationId={conversationId} />;
  },
});

const group = createRoute({
  getParentRoute: () => root,
  path: '/group/$groupName/connect',
  component: function GroupRoute() {
    return <OpenGroup name={useParams({ from: group.id }).groupName} />;
  },
});

const person = createRoute({
  getParentRoute: () => root,
  path: '/chat/user',
  validateSearch: (search): { handle: string } => ({ handle: String(search.handle ?? '') }),
  component: function PersonRoute() {
    return <OpenPerson handle={useSearch({ from: person.id }).handle} />;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([shell.addChildren([home, dialog]), group, person]),
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

/** Whatever the address, it waits behind the sign-in. */
function Gate() {
  const state = useSessionState();
  if (state.kind === 'signed-out') return <SignInScreen notice={state.notice} />;
  return (
    <SignedInContext value={state}>
      <Outlet />
    </SignedInContext>
  );
}

function Home() {
  return (
    <main className="flex h-full flex-col items-center justify-center gap-3 bg-canvas text-soft">
      <ChatIcon className="size-12 opacity-40" />
      <p>Choose a conversation, or start a new one.</p>
    </main>
  );
}

function NotFound() {
  return (
    <main className="flex h-full flex-col items-center justify-center gap-3">
      <h1 className="font-semibold text-lg">There is nothing here</h1>
      <Link to="/" className="font-medium text-accent-ink hover:underline">
        To your conversations
      </Link>
    </main>
  );
}

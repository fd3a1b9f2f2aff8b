import { useQuery } from '@tanstack/react-query';
import { Link, Navigate } from '@tanstack/react-router';
import type { ConversationDescription } from '@/engine/conversation';
import { sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';

/** Behind `/group/{groupName}/connect`: joins the group if need be, then shows it. */
export function OpenGroup({ name }: { name: string }) {
  const { api } = useSignedIn();
  return (
    <OpenChat
      what={t('open.group', { name })}
      address={['group', name]}
      open={() => api.joinGroup(name)}
    />
  );
}

/** Behind `/chat/user?handle=`: opens the conversation with that person. */
export function OpenPerson({ handle }: { handle: string }) {
  const { api } = useSignedIn();
  const open = async () => api.openDirect((await api.findUser(handle.replace(/^@/u, ''))).user_id);
  return <OpenChat what={t('open.person', { handle })} address={['person', handle]} open={open} />;
}

function OpenChat({
  what,
  address,
  open,
}: {
  what: string;
  address: string[];
  open: () => Promise<ConversationDescription>;
}) {
  const { engine, user } = useSignedIn();
  const opened = useQuery({
    queryKey: ['open-chat', user.user_id, ...address],
    queryFn: async () => {
      const description = await open();
      await engine.opened(description);
      return description.conversation_id;
    },
  });
  if (opened.data) {
    const params = { conversationId: opened.data };
    return <Navigate to="/conversations/$conversationId" params={params} replace />;
  }
  return (
    <main className="flex h-full flex-col items-center justify-center gap-3 p-6 text-center">
      {opened.error ? (
        <>
          <h1 className="font-semibold text-lg">{t('open.failed', { what })}</h1>
          <p role="alert" className="text-soft">
            {sentence(opened.error)}
          </p>
          <Link to="/" className="font-medium text-accent-ink hover:underline">
            {t('home.toConversations')}
          </Link>
        </>
      ) : (
        <p role="status" className="text-soft">
          {t('open.opening', { what })}
        </p>
      )}
    </main>
  );
}

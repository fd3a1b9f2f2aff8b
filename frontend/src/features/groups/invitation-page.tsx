import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { read } from '@/shared/api/conversations';
import { sentence } from '@/shared/api/problem';
import { useGoToConversation } from '@/shared/conversation/open';
import { t } from '@/shared/i18n/i18n';
import { takeSecret } from '@/shared/session/address';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { Notice } from '@/shared/ui/notice';

/** Behind `/join#token`: what one is invited to, before one joins. */
export default function InvitationPage() {
  const { api } = useSignedIn();
  const [token] = useState(takeSecret);
  const go = useGoToConversation();
  const preview = useQuery({
    queryKey: ['invitation'],
    gcTime: 0,
    queryFn: async () =>
      read(
        await api.conversations.POST('/api/conversations/invitations/preview', { body: { token } }),
      ),
  });
  const joining = useMutation({
    mutationFn: async () => go(await api.joinByInvitation(token)),
  });
  const group = preview.data?.group;
  const error = preview.error ?? joining.error;
  return (
    <main className="flex h-full flex-col items-center justify-center gap-4 bg-canvas p-6 text-center">
      {group && (
        <>
          <Avatar id={group.conversation_id} name={group.name} size="huge" />
          <div>
            <h1 className="font-semibold text-xl">{group.name}</h1>
            <p className="text-soft">{t('groups.members', { count: group.member_count })}</p>
          </div>
          {group.description !== '' && <p className="max-w-md">{group.description}</p>}
          <Button look="primary" disabled={joining.isPending} onClick={() => joining.mutate()}>
            {t(group.role ? 'groups.open' : 'newChat.action.join')}
          </Button>
        </>
      )}
      {preview.isPending && <p role="status">{t('action.oneMoment')}</p>}
      {error && <Notice kind="error">{sentence(error)}</Notice>}
      <Link to="/" className="font-medium text-accent-ink hover:underline">
        {t('home.toConversations')}
      </Link>
    </main>
  );
}

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { type ConversationRecord, isMuted } from '@/engine/conversation';
import { done, sentence } from '@/shared/api/problem';
import { useChangeSettings } from '@/shared/conversation/settings';
import { t } from '@/shared/i18n/i18n';
import type { People } from '@/shared/people/names';
import { useConversationPicture } from '@/shared/people/picture';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { Confirm } from '@/shared/ui/confirm';
import { DoorIcon, ForbiddenIcon, TrashIcon } from '@/shared/ui/icons';
import { Modal } from '@/shared/ui/modal';
import { Notice } from '@/shared/ui/notice';
import { Switch } from '@/shared/ui/switch';
import { useNow } from '@/shared/ui/use-now';
import { GroupEditor } from './group-editor';
import { Invitations } from './invitations';
import { Members } from './members';
import { useMembership } from './use-members';

/** Everything about a conversation but its messages. Loaded when somebody wants to see it. */
export default function Details({
  conversation,
  title,
  people,
  onClose,
}: {
  conversation: ConversationRecord;
  title: string;
  people: People;
  onClose: () => void;
}) {
  const { kind, peer_id, group, conversation_id } = conversation;
  const membership = useMembership(conversation);
  const myRole = membership.data?.role;
  const isManager = kind === 'group' && (myRole === 'owner' || myRole === 'admin');
  const peer = people.get(peer_id ?? '');
  const pictureUrl = useConversationPicture(conversation, people);
  const isMember = conversation.member === 1;
  return (
    <Modal
      title={kind === 'group' ? t('details.group') : t('details.person')}
      width="wide"
      onClose={onClose}
    >
      <div className="grid grid-cols-1 gap-5">
        <div className="flex items-center gap-4">
          <Avatar
            id={peer_id ?? conversation_id}
            name={title}
            size="huge"
            pictureUrl={pictureUrl}
          />
          <div className="min-w-0">
            <p className="truncate font-semibold text-xl">{title}</p>
            {peer && <p className="truncate text-soft">@{peer.handle}</p>}
            {peer?.status_text && <p className="truncate">{peer.status_text}</p>}
            {group && (
              <p className="text-soft text-sm">
                {t(`groups.${group.visibility}`)} ·{' '}
                {t('groups.members', { count: membership.data?.count ?? group.member_count })}
              </p>
            )}
            {group?.description && <p className="whitespace-pre-wrap">{group.description}</p>}
          </div>
        </div>
        {isMember && <OwnSettings conversation={conversation} />}
        {isManager && group && (
          <GroupEditor conversation={conversation} isOwner={myRole === 'owner'} />
        )}
        {isManager && isMember && <Invitations conversationId={conversation_id} />}
        {kind === 'group' && isMember && <Members conversation={conversation} myRole={myRole} />}
        {isMember && kind === 'group' && (
          <Leaving conversationId={conversation_id} isOwner={myRole === 'owner'} title={title} />
        )}
        {kind === 'direct' && peer_id && <Blocking userId={peer_id} name={title} />}
      </div>
    </Modal>
  );
}

/** What the person wants for themselves; nobody else sees it. */
function OwnSettings({ conversation }: { conversation: ConversationRecord }) {
  const changing = useChangeSettings(conversation.conversation_id);
  const now = useNow();
  const { archived, pin_position } = conversation.settings;
  return (
    <section>
      <Switch
        label={t('settings.mute')}
        checked={isMuted(conversation, now)}
        onChange={(checked) => changing.mutate({ mute: checked ? 'forever' : 'off' })}
      />
      <Switch
        label={t('settings.pin')}
        checked={pin_position !== undefined && pin_position !== null}
        onChange={(pinned) => changing.mutate({ pinned })}
      />
      <Switch
        label={t('settings.archive')}
        checked={archived}
        onChange={(isArchived) => changing.mutate({ archived: isArchived })}
      />
      {changing.error && <Notice kind="error">{sentence(changing.error)}</Notice>}
    </section>
  );
}

function Leaving({
  conversationId,
  isOwner,
  title,
}: {
  conversationId: string;
  isOwner: boolean;
  title: string;
}) {
  const { api, engine } = useSignedIn();
  const navigate = useNavigate();
  const [isDeleting, setDeleting] = useState(false);
  const gone = async () => {
    await engine.left(conversationId);
    await navigate({ to: '/' });
  };
  const leaving = useMutation({
    mutationFn: async () => {
      await api.leave(conversationId);
      await gone();
    },
  });
  return (
    <section className="flex flex-wrap gap-2 border-line border-t pt-3">
      <Button look="danger" disabled={leaving.isPending} onClick={() => leaving.mutate()}>
        <DoorIcon /> {t('details.leave')}
      </Button>
      {isOwner && (
        <Button look="danger" onClick={() => setDeleting(true)}>
          <TrashIcon /> {t('details.deleteGroup')}
        </Button>
      )}
      {leaving.error && <Notice kind="error">{sentence(leaving.error)}</Notice>}
      {isDeleting && (
        <Confirm
          title={t('details.deleteGroupTitle', { title })}
          text={t('details.deleteGroupText')}
          action={t('details.deleteGroup')}
          act={async () => {
            const path = '/api/conversations/{conversation_id}';
            const params = { path: { conversation_id: conversationId } };
            done(await api.conversations.DELETE(path, { params }));
            await gone();
          }}
          onClose={() => setDeleting(false)}
        />
      )}
    </section>
  );
}

function Blocking({ userId, name }: { userId: string; name: string }) {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const params = { path: { user_id: userId } };
  return (
    <section className="border-line border-t pt-3">
      <Button look="danger" onClick={() => setAsking(true)}>
        <ForbiddenIcon /> {t('contacts.block')}
      </Button>
      {isAsking && (
        <Confirm
          title={t('contacts.blockTitle', { name })}
          text={t('contacts.blockText')}
          action={t('contacts.block')}
          act={async () => {
            done(await api.accounts.PUT('/api/account/blocks/{user_id}', { params }));
            await queries.invalidateQueries({ queryKey: ['blocks'] });
          }}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}

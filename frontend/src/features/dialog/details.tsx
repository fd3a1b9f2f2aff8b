import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import { sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { nameOf, usePeople } from '@/shared/people/names';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { DoorIcon } from '@/shared/ui/icons';
import { Modal } from '@/shared/ui/modal';
import { useMembers } from './use-members';

export default function Details({
  conversation,
  title,
  onClose,
}: {
  conversation: ConversationRecord;
  title: string;
  onClose: () => void;
}) {
  const { api, engine, user } = useSignedIn();
  const navigate = useNavigate();
  const members = useMembers(conversation);
  const ids = useMemo(() => members.data?.map((member) => member.user_id) ?? [], [members.data]);
  const people = usePeople(ids);
  const isGroup = conversation.kind === 'group';
  const leaving = useMutation({
    mutationFn: async () => {
      await api.leave(conversation.conversation_id);
      await engine.left(conversation.conversation_id);
    },
    onSuccess: () => navigate({ to: '/' }),
  });
  return (
    <Modal title={title} onClose={onClose}>
      <h3 className="mb-1 font-medium text-soft text-sm">
        {isGroup ? t('details.members') : t('details.people')}
      </h3>
      <ul className="-mx-2 max-h-80 overflow-y-auto">
        {members.data?.map((member) => (
          <li key={member.user_id} className="flex items-center gap-3 rounded-xl px-2 py-2">
            <Avatar id={member.user_id} name={nameOf(people, member.user_id)} size="small" />
            <span className="min-w-0 flex-1">
              <span className="block truncate leading-tight">
                {nameOf(people, member.user_id)}
                {member.user_id === user.user_id && (
                  <span className="text-soft"> {t('people.youInBrackets')}</span>
                )}
              </span>
              <span className="block truncate text-soft text-xs">
                @{people.get(member.user_id)?.handle ?? '…'}
              </span>
            </span>
            {isGroup && member.role !== 'member' && (
              <span className="rounded-full bg-raised px-2 py-0.5 text-soft text-xs">
                {t(`role.${member.role}`)}
              </span>
            )}
          </li>
        ))}
      </ul>
      {(members.error ?? leaving.error) && (
        <p role="alert" className="text-danger text-sm">
          {sentence(members.error ?? leaving.error)}
        </p>
      )}
      {isGroup && conversation.member === 1 && (
        <div className="mt-3 border-line border-t pt-3">
          <Button
            look="danger"
            className="-ml-3"
            disabled={leaving.isPending}
            onClick={() => leaving.mutate()}
          >
            <DoorIcon /> {t('details.leave')}
          </Button>
        </div>
      )}
    </Modal>
  );
}

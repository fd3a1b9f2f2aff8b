import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type UIEvent, useMemo } from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import type { Member } from '@/shared/api/conversations';
import { done, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { nameOf, usePeople } from '@/shared/people/names';
import { PersonLine } from '@/shared/people/person-line';
import { useOnline } from '@/shared/people/presence';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { MoreIcon, PlusIcon } from '@/shared/ui/icons';
import { MenuButton, type MenuItem } from '@/shared/ui/menu';
import { Notice } from '@/shared/ui/notice';
import { LineSkeletons } from '@/shared/ui/page';
import { useMembers } from './use-members';

type Role = Member['role'];

/** Presence of more people than this isn't asked for. */
const WATCHED = 50;
/** The next page is fetched when the end of the list is this near. */
const NEAR_END_PX = 400;

const NOBODY: readonly Member[] = [];

export function Members({
  conversation,
  myRole,
}: {
  conversation: ConversationRecord;
  myRole: Role | undefined;
}) {
  const { user } = useSignedIn();
  const { data: members = NOBODY, ...pages } = useMembers(conversation);
  const loadNearEnd = ({ currentTarget: list }: UIEvent<HTMLElement>) => {
    const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    if (isNear && pages.hasNextPage && !pages.isFetching) void pages.fetchNextPage();
  };
  const people = usePeople(useMemo(() => members.map((member) => member.user_id), [members]));
  const isOnline = useOnline(members.slice(0, WATCHED).map((member) => member.user_id));
  const changing = useMemberCalls(conversation.conversation_id);
  const isManager = myRole === 'owner' || myRole === 'admin';
  return (
    <section>
      <h3 className="font-medium text-soft text-sm">{t('details.members')}</h3>
      {isManager && <AddPeople conversationId={conversation.conversation_id} />}
      {changing.error && <Notice kind="error">{sentence(changing.error)}</Notice>}
      {pages.isLoading && <LineSkeletons count={3} />}
      <ul className="max-h-96 divide-y divide-line overflow-y-auto" onScroll={loadNearEnd}>
        {members.map((member) => {
          const person = people.get(member.user_id);
          const name = nameOf(people, member.user_id);
          const isMe = member.user_id === user.user_id;
          const items = memberItems(member, isMe, myRole, (change) =>
            changing.mutate({ userId: member.user_id, ...change }),
          );
          return (
            <li key={member.user_id}>
              <PersonLine
                person={{
                  handle: '…',
                  ...person,
                  user_id: member.user_id,
                  display_name: name,
                }}
                suffix={isMe ? t('people.youInBrackets') : undefined}
                isOnline={isOnline(member.user_id)}
              >
                {member.role !== 'member' && (
                  <span className="rounded-full bg-raised px-2 py-0.5 text-soft text-xs">
                    {t(`role.${member.role}`)}
                  </span>
                )}
                {items.length > 0 && (
                  <MenuButton
                    label={t('contacts.more', { name })}
                    items={items}
                    className="flex size-9 shrink-0 cursor-pointer items-center justify-center rounded-full text-soft hover:bg-hover"
                  >
                    <MoreIcon />
                  </MenuButton>
                )}
              </PersonLine>
            </li>
          );
        })}
      </ul>
      {pages.error && <Notice kind="error">{sentence(pages.error)}</Notice>}
      {/* Also without scrolling, and again after a failure. */}
      {pages.hasNextPage && (
        <Button
          look="plain"
          className="mt-1 justify-self-start text-accent-ink text-sm"
          disabled={pages.isFetching}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('members.more')}
        </Button>
      )}
    </section>
  );
}

type MemberChange = { role: Role } | { remove: true } | { openHistory: true };

/** What one may do with a member: owners everything, admins remove plain members. */
function memberItems(
  member: Member,
  isMe: boolean,
  myRole: Role | undefined,
  change: (change: MemberChange) => void,
): MenuItem[] {
  const items: MenuItem[] = [];
  if (myRole === 'owner') {
    for (const role of ['owner', 'admin', 'member'] as const) {
      if (role === member.role) continue;
      const label = t('members.makeRole', { role: t(`role.${role}`) });
      items.push({ key: role, label, onChoose: () => change({ role }) });
    }
    if (!isMe) {
      const label = t('members.openHistory');
      items.push({ key: 'history', label, onChoose: () => change({ openHistory: true }) });
    }
  }
  const mayRemove = myRole === 'owner' || (myRole === 'admin' && member.role === 'member');
  if (mayRemove && !isMe) {
    items.push({
      key: 'remove',
      label: t('members.remove'),
      look: 'danger',
      onChoose: () => change({ remove: true }),
    });
  }
  return items;
}

function useMemberCalls(conversation_id: string) {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ userId, ...change }: { userId: string } & MemberChange) => {
      const params = { path: { conversation_id, user_id: userId } };
      const base = '/api/conversations/{conversation_id}/members/{user_id}';
      if ('role' in change) {
        done(await api.conversations.PUT(`${base}/role`, { params, body: { role: change.role } }));
      } else if ('openHistory' in change) {
        done(await api.conversations.PUT(`${base}/history`, { params, body: { from_number: 1 } }));
      } else {
        done(await api.conversations.DELETE(base, { params }));
      }
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ['members', conversation_id] }),
  });
}

function AddPeople({ conversationId }: { conversationId: string }) {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const adding = useMutation({
    mutationFn: async (handle: string) => {
      const { user_id } = await api.findUser(handle.replace(/^@/u, '').toLowerCase());
      const path = '/api/conversations/{conversation_id}/members';
      const params = { path: { conversation_id: conversationId } };
      done(await api.conversations.POST(path, { params, body: { user_ids: [user_id] } }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ['members', conversationId] }),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const handle = String(new FormData(form).get('handle') ?? '').trim();
    if (handle !== '') adding.mutate(handle, { onSuccess: () => form.reset() });
  };
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-2 py-2">
      <div className="flex gap-2">
        <input
          name="handle"
          placeholder="@ada"
          aria-label={t('members.addHandle')}
          autoCapitalize="none"
          autoComplete="off"
          className="min-w-0 flex-1 rounded-xl border border-line bg-panel px-3 py-1.5 outline-none placeholder:text-soft focus:border-accent"
        />
        <Button look="soft" type="submit" disabled={adding.isPending}>
          <PlusIcon className="size-4" /> {t('members.add')}
        </Button>
      </div>
      {adding.error && <Notice kind="error">{sentence(adding.error)}</Notice>}
    </form>
  );
}

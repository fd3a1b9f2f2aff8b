import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import type { ConversationRecord } from '@/engine/conversation';
import type { Member } from '@/shared/api/conversations';
import { useSignedIn } from '@/shared/session/context';

/** One's own role in a group and how many are in it; both without its members, of whom there may be thousands. */
export function useMembership(conversation: ConversationRecord | undefined) {
  const { api } = useSignedIn();
  const { conversation_id = '', kind, member } = conversation ?? {};
  return useQuery({
    queryKey: ['members', conversation_id, 'own', changeOf(conversation)],
    queryFn: async () => {
      const { role, conversation: now } = await api.getMembers(conversation_id, { limit: 1 });
      return { role, count: now.group?.member_count };
    },
    enabled: member === 1 && kind === 'group',
    placeholderData: (before, query) =>
      query?.queryKey[1] === conversation_id ? before : undefined,
  });
}

/** Who is in a group, page by page. */
export function useMembers(conversation: ConversationRecord) {
  const { api } = useSignedIn();
  const { conversation_id, member } = conversation;
  return useInfiniteQuery({
    queryKey: ['members', conversation_id, 'pages', changeOf(conversation)],
    queryFn: ({ pageParam }) =>
      api.getMembers(conversation_id, pageParam === '' ? {} : { cursor: pageParam }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
    select: ({ pages }) => membersOf(pages),
    enabled: member === 1,
    placeholderData: (before) => before,
  });
}

/** Everybody once: who left and came back while the pages were read has come to the end. */
export function membersOf(pages: readonly { members: readonly Member[] }[]): Member[] {
  const members = new Map<string, Member>();
  for (const member of pages.flatMap((page) => page.members)) {
    members.delete(member.user_id);
    members.set(member.user_id, member);
  }
  return [...members.values()];
}

/** Who comes, goes or gets another role leaves an entry: then everything is read anew. */
function changeOf(conversation: ConversationRecord | undefined): number {
  const last = conversation?.last_entry;
  return last && !last.message ? last.number : 0;
}

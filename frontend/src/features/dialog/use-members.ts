import { useQuery } from '@tanstack/react-query';
import type { ConversationRecord } from '@/engine/conversation';
import { useSignedIn } from '@/shared/session/context';

/** Who is in a conversation, read anew when somebody comes, goes or gets another role. */
export function useMembers(conversation: ConversationRecord | undefined) {
  const { api } = useSignedIn();
  const { conversation_id = '', member = 0, last_entry } = conversation ?? {};
  // Who comes or goes leaves an entry.
  const change = last_entry && !last_entry.message ? last_entry.number : 0;
  return useQuery({
    queryKey: ['members', conversation_id, change],
    queryFn: async () => (await api.getMembers(conversation_id)).members,
    enabled: member === 1,
    placeholderData: (before) => before,
  });
}

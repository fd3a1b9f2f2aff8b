import { useNavigate } from '@tanstack/react-router';
import type { ConversationDescription } from '@/engine/conversation';
import { useSignedIn } from '../session/context';

/** Goes to a conversation that was just opened, made or joined. */
export function useGoToConversation(): (description: ConversationDescription) => Promise<void> {
  const { engine } = useSignedIn();
  const navigate = useNavigate();
  return async (description) => {
    await engine.opened(description);
    const params = { conversationId: description.conversation_id };
    await navigate({ to: '/conversations/$conversationId', params });
  };
}

import { useParams } from '@tanstack/react-router';
import { Dialog } from '@/features/dialog/dialog';

export default function DialogRoute() {
  const { conversationId } = useParams({ from: '/gate/shell/conversations/$conversationId' });
  return <Dialog key={conversationId} conversationId={conversationId} />;
}

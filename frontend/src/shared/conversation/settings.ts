import { useMutation } from '@tanstack/react-query';
import { read } from '../api/conversations';
import { useSignedIn } from '../session/context';

export interface SettingsChange {
  mute?: 'off' | 'until' | 'forever';
  muted_until?: string;
  archived?: boolean;
  pinned?: boolean;
}

/** Mutes, archives or pins a conversation; the person's other devices follow at once. */
export function useChangeSettings(conversation_id: string) {
  const { api, engine } = useSignedIn();
  return useMutation({
    mutationFn: async (body: SettingsChange) => {
      const path = '/api/conversations/{conversation_id}/settings';
      const params = { path: { conversation_id } };
      const settings = read(await api.conversations.PATCH(path, { params, body }));
      await engine.takeSettings(conversation_id, settings);
    },
  });
}

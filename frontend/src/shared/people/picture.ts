import { useQuery } from '@tanstack/react-query';
import type { ConversationRecord } from '@/engine/conversation';
import { read } from '../api/conversations';
import { useSignedIn } from '../session/context';
import type { People } from './names';

/** Where one of the pictures is that are shipped. */
export function shippedUrlOf(picture: string | undefined): string | undefined {
  const name = picture?.startsWith('default:') ? picture.slice('default:'.length) : undefined;
  return name ? `/api/account/pictures/${encodeURIComponent(name)}` : undefined;
}

/** The id of the file that a person uploaded as their picture. */
export function fileOf(picture: string | undefined): string | undefined {
  return picture?.startsWith('file:') ? picture.slice('file:'.length) : undefined;
}

export const pictureKey = (userId: string, fileId: string | undefined) => [
  'picture',
  userId,
  fileId,
];

/** The address of a person's picture; of one that they uploaded, as soon as it is here. */
export function usePictureUrl(userId: string, picture: string | undefined): string | undefined {
  const { api } = useSignedIn();
  const fileId = fileOf(picture);
  const fetched = useQuery({
    queryKey: pictureKey(userId, fileId),
    enabled: fileId !== undefined,
    queryFn: async () => (await import('./picture-store')).pictureOf(api, userId, fileId ?? ''),
    staleTime: Number.POSITIVE_INFINITY,
    // What was fetched once needs no network.
    networkMode: 'offlineFirst',
  });
  return fileId === undefined ? shippedUrlOf(picture) : fetched.data;
}

/** The address of the picture of a conversation: the other person's, or the group's. */
export function useConversationPicture(
  { peer_id, group }: ConversationRecord,
  people: People,
): string | undefined {
  const person = usePictureUrl(peer_id ?? '', people.get(peer_id ?? '')?.picture);
  const file = useFileUrl(group?.picture_id);
  return peer_id ? person : file;
}

/** The address of a group's picture, which is a file of the group. */
export function useFileUrl(fileId: string | undefined): string | undefined {
  const { api } = useSignedIn();
  const download = useQuery({
    queryKey: ['download', fileId],
    enabled: fileId !== undefined,
    queryFn: async () =>
      read(
        await api.files.GET('/api/files/{file_id}/download', {
          params: { path: { file_id: fileId ?? '' } },
        }),
      ),
    staleTime: ({ state }) => (state.data?.expires_in_seconds ?? 60) * 900,
  });
  return download.data?.download_url;
}

import { useQuery } from '@tanstack/react-query';
import { read } from '../api/conversations';
import { useSignedIn } from '../session/context';

/** Where a person's picture is, if they chose one of those that are shipped. */
export function pictureUrlOf(picture: string | undefined): string | undefined {
  const name = picture?.startsWith('default:') ? picture.slice('default:'.length) : undefined;
  return name ? `/api/account/pictures/${encodeURIComponent(name)}` : undefined;
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

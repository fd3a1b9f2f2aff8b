import { useQuery } from '@tanstack/react-query';
import { read } from '@/shared/api/conversations';
import { useSignedIn } from '@/shared/session/context';

/** Where the bytes of a file are, for some minutes. What it is called and of which kind is kept for good. */
export function useDownload(fileId: string) {
  const { api, engine } = useSignedIn();
  return useQuery({
    queryKey: ['download', fileId],
    queryFn: async () => {
      const params = { path: { file_id: fileId } };
      const download = read(await api.files.GET('/api/files/{file_id}/download', { params }));
      const { file_id, file_name, content_type, size_bytes } = download.file;
      await engine.database.files.put({ file_id, file_name, content_type, size_bytes });
      return download;
    },
    // The address is good for minutes; a new one is asked for before it ends.
    staleTime: ({ state }) => (state.data?.expires_in_seconds ?? 60) * 900,
    refetchInterval: ({ state }) => (state.data?.expires_in_seconds ?? 60) * 900,
  });
}

const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);

export function isPicture(contentType: string | undefined): boolean {
  return PICTURES.has(contentType ?? '');
}

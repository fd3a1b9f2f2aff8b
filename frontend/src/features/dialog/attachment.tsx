import { useQuery } from '@tanstack/react-query';
import { read } from '@/shared/api/conversations';
import { useSignedIn } from '@/shared/session/context';
import { FileIcon } from '@/shared/ui/icons';
import { sizeText } from './size';

const IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);

export function Attachment({ fileId }: { fileId: string }) {
  const { api } = useSignedIn();
  const download = useQuery({
    queryKey: ['download', fileId],
    queryFn: async () =>
      read(
        await api.files.GET('/api/files/{file_id}/download', {
          params: { path: { file_id: fileId } },
        }),
      ),
    // The address is good for minutes; a new one is asked for before it ends.
    staleTime: ({ state }) => (state.data?.expires_in_seconds ?? 60) * 900,
    refetchInterval: ({ state }) => (state.data?.expires_in_seconds ?? 60) * 900,
  });
  if (!download.data) {
    return (
      <span className="my-1 flex items-center gap-2 text-soft text-sm">
        <FileIcon /> {download.error ? 'This file can’t be shown.' : 'Loading…'}
      </span>
    );
  }
  const { file, download_url } = download.data;
  if (IMAGES.has(file.content_type)) {
    return (
      <a href={download_url} target="_blank" rel="noopener noreferrer" className="my-1 block">
        <img
          src={download_url}
          alt={file.file_name}
          className="max-h-80 min-h-16 min-w-16 max-w-full rounded-xl object-contain"
        />
      </a>
    );
  }
  return (
    <a
      href={download_url}
      target="_blank"
      rel="noopener noreferrer"
      className="my-1 flex items-center gap-3 rounded-xl bg-ink/5 px-3 py-2.5 hover:bg-ink/10"
    >
      <FileIcon className="size-7 shrink-0 text-accent-ink" />
      <span className="min-w-0">
        <span className="block truncate font-medium">{file.file_name}</span>
        <span className="block text-soft text-xs">{sizeText(file.size_bytes)}</span>
      </span>
    </a>
  );
}

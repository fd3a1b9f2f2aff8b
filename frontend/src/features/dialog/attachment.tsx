import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { read } from '@/shared/api/conversations';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { FileIcon } from '@/shared/ui/icons';
import { sizeText } from './size';

const Lightbox = lazy(() => import('./lightbox'));

const IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);
const VIDEOS = new Set(['video/mp4', 'video/webm', 'video/ogg', 'video/quicktime']);

export function Attachment({ fileId }: { fileId: string }) {
  const { api } = useSignedIn();
  const [isOpen, setOpen] = useState(false);
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
        <FileIcon /> {download.error ? t('attachment.unavailable') : t('attachment.loading')}
      </span>
    );
  }
  const { file, download_url } = download.data;
  if (IMAGES.has(file.content_type)) {
    return (
      <>
        <button
          type="button"
          className="my-1 block cursor-zoom-in overflow-hidden rounded-xl bg-ink/5"
          aria-label={t('attachment.open', { name: file.file_name })}
          onClick={() => setOpen(true)}
        >
          {/* Of a fixed size, so that nothing moves when it has come. */}
          <img
            src={download_url}
            alt={file.file_name}
            loading="lazy"
            className="h-52 w-72 max-w-full object-cover"
          />
        </button>
        {isOpen && (
          <Suspense>
            <Lightbox name={file.file_name} url={download_url} onClose={() => setOpen(false)} />
          </Suspense>
        )}
      </>
    );
  }
  if (VIDEOS.has(file.content_type)) {
    return (
      // biome-ignore lint/a11y/useMediaCaption: what people send has no captions
      <video
        src={download_url}
        controls
        preload="metadata"
        aria-label={file.file_name}
        className="my-1 h-52 w-80 max-w-full rounded-xl bg-black"
      />
    );
  }
  if (file.content_type.startsWith('audio/')) {
    return (
      // biome-ignore lint/a11y/useMediaCaption: what people send has no captions
      <audio
        src={download_url}
        controls
        preload="metadata"
        aria-label={file.file_name}
        className="my-1 w-72 max-w-full"
      />
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

import { t } from '@/shared/i18n/i18n';
import { FileIcon } from '@/shared/ui/icons';
import { useDialogActions } from './dialog-actions';
import { sizeText } from './size';
import { isPicture, useDownload } from './use-download';

const VIDEOS = new Set(['video/mp4', 'video/webm', 'video/ogg', 'video/quicktime']);

/** Of a fixed size, so that nothing moves when a picture has come. */
const PICTURE_BOX = 'my-1 h-52 w-72 max-w-full overflow-hidden rounded-xl bg-ink/5';

export function Attachment({ fileId }: { fileId: string }) {
  const { files, openPicture } = useDialogActions();
  const download = useDownload(fileId);
  const file = download.data?.file ?? files.get(fileId);
  const url = download.data?.download_url;
  if (isPicture(file?.content_type) && !(download.error && !url)) {
    const name = file?.file_name ?? '';
    return (
      <button
        type="button"
        className={`${PICTURE_BOX} block cursor-zoom-in`}
        aria-label={t('attachment.open', { name })}
        onClick={() => openPicture(fileId)}
      >
        {url && <img src={url} alt={name} loading="lazy" className="size-full object-cover" />}
      </button>
    );
  }
  if (!file && !download.error) {
    // Most of what people send is pictures; later it is known before it is drawn.
    return (
      <span className={`${PICTURE_BOX} flex animate-pulse items-center justify-center`}>
        <span className="sr-only">{t('attachment.loading')}</span>
      </span>
    );
  }
  if (!file || !url) {
    return (
      <span className="my-1 flex items-center gap-2 text-soft text-sm in-data-own:text-own-soft">
        <FileIcon />
        {download.error ? t('attachment.unavailable') : t('attachment.loading')}
      </span>
    );
  }
  if (VIDEOS.has(file.content_type)) {
    return (
      // biome-ignore lint/a11y/useMediaCaption: what people send has no captions
      <video
        src={url}
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
        src={url}
        controls
        preload="metadata"
        aria-label={file.file_name}
        className="my-1 w-72 max-w-full"
      />
    );
  }
  return (
    <a
      href={url}
      target="_blank"
      rel="noopener noreferrer"
      className="my-1 flex items-center gap-3 rounded-xl bg-ink/5 px-3 py-2.5 hover:bg-ink/10 in-data-own:bg-panel in-data-own:hover:bg-raised"
    >
      <FileIcon className="size-7 shrink-0 text-accent-ink" />
      <span className="min-w-0">
        <span className="block truncate font-medium">{file.file_name}</span>
        <span className="block text-soft text-xs">{sizeText(file.size_bytes)}</span>
      </span>
    </a>
  );
}

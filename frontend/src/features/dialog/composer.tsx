import { type ClipboardEvent, type KeyboardEvent, useEffect, useRef } from 'react';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { ClipIcon, CloseIcon, FileIcon, SendIcon } from '@/shared/ui/icons';
import { FILES_AT_MOST, type Upload, useUploads } from './uploads';
import { useDraft } from './use-draft';

const BYTES_AT_MOST = 8_192;
const bytesOf = (text: string) => new TextEncoder().encode(text).length;

export function Composer({ conversationId, title }: { conversationId: string; title: string }) {
  const { engine } = useSignedIn();
  const { text, setText } = useDraft(conversationId);
  const { uploads, add, remove, clear } = useUploads(conversationId);
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover what one came to read.
    if (conversationId && matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, [conversationId]);

  const files = uploads.filter((upload) => upload.error === undefined);
  const isUploading = files.some((upload) => upload.fileId === undefined);
  const over = bytesOf(text) - BYTES_AT_MOST;
  const canSend =
    (text.trim() !== '' || files.length > 0) &&
    over <= 0 &&
    !isUploading &&
    files.length <= FILES_AT_MOST;

  const send = () => {
    if (!canSend) return;
    const attachmentIds = files.flatMap((upload) => upload.fileId ?? []);
    void engine.send(conversationId, { text: text.trim(), attachmentIds });
    setText('');
    clear();
    field.current?.focus();
  };
  const pressed = (event: KeyboardEvent) => {
    // While an input method composes, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const pasted = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    add(event.clipboardData.files);
  };
  return (
    <form
      className="bg-canvas px-3 pt-1 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-4"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className="mx-auto w-full max-w-3xl rounded-2xl border border-line bg-panel shadow-sm focus-within:border-accent/60">
        {uploads.length > 0 && (
          <ul className="flex flex-wrap gap-2 px-3 pt-3" aria-label="Files to send">
            {uploads.map((upload) => (
              <UploadChip key={upload.key} upload={upload} onRemove={() => remove(upload.key)} />
            ))}
          </ul>
        )}
        <div className="flex items-end gap-1 p-1.5">
          <Button
            look="icon"
            aria-label="Attach files"
            disabled={!globalThis.isSecureContext || uploads.length >= FILES_AT_MOST}
            onClick={() => picker.current?.click()}
          >
            <ClipIcon />
          </Button>
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            onChange={(event) => {
              add(event.target.files ?? []);
              event.target.value = '';
            }}
          />
          <textarea
            ref={field}
            rows={1}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={pressed}
            onPaste={pasted}
            placeholder="Message"
            aria-label={`Message to ${title}`}
            enterKeyHint="send"
            className="field-sizing-content max-h-48 min-h-10 flex-1 resize-none bg-transparent px-1 py-2 outline-none placeholder:text-soft"
          />
          {over > 0 && (
            <span role="status" className="self-center text-danger text-xs tabular-nums">
              {over} too long
            </span>
          )}
          <button
            type="submit"
            aria-label="Send"
            disabled={!canSend}
            className="flex size-10 shrink-0 cursor-pointer items-center justify-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:cursor-default disabled:bg-transparent disabled:text-soft"
          >
            <SendIcon />
          </button>
        </div>
      </div>
    </form>
  );
}

function UploadChip({ upload, onRemove }: { upload: Upload; onRemove: () => void }) {
  const percent = Math.round(upload.progress * 100);
  return (
    <li
      className={`flex max-w-60 items-center gap-2 rounded-xl bg-raised py-1.5 pr-1 pl-2.5 text-sm ${upload.error ? 'ring-1 ring-danger/60' : ''}`}
    >
      <FileIcon className="size-5 shrink-0 text-accent-ink" />
      <span className="min-w-0">
        <span className="block truncate">{upload.fileName}</span>
        {upload.error ? (
          <span role="alert" className="block text-danger text-xs">
            {upload.error}
          </span>
        ) : (
          <progress
            className="block h-1 w-full accent-accent"
            max={100}
            value={percent}
            aria-label={`Upload of ${upload.fileName}`}
          />
        )}
      </span>
      <button
        type="button"
        aria-label={`Remove ${upload.fileName}`}
        className="cursor-pointer rounded-full p-1 text-soft hover:text-ink"
        onClick={onRemove}
      >
        <CloseIcon className="size-4" />
      </button>
    </li>
  );
}

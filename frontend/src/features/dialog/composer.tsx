import {
  type ClipboardEvent,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from 'react';
import { EmojiButton } from '@/shared/emoji/emoji-button';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import {
  ClipIcon,
  CloseIcon,
  FileIcon,
  PencilIcon,
  ReplyIcon,
  SendIcon,
  TickIcon,
} from '@/shared/ui/icons';
import { FILES_AT_MOST, type Upload, type Uploads } from './uploads';
import { useDraft } from './use-draft';

/** What the field is for at the moment. */
export type ComposerMode =
  | { kind: 'write' }
  | { kind: 'reply'; number: number; name: string; text: string }
  | { kind: 'edit'; number: number; text: string };

const BYTES_AT_MOST = 8_192;
const bytesOf = (text: string) => new TextEncoder().encode(text).length;

export function Composer({
  conversationId,
  title,
  uploads,
  mode,
  onDone,
}: {
  conversationId: string;
  title: string;
  uploads: Uploads;
  mode: ComposerMode;
  /** Back to writing. */
  onDone: () => void;
}) {
  const { engine } = useSignedIn();
  const draft = useDraft(conversationId);
  const [edited, setEdited] = useState<string>();
  const isEditing = mode.kind === 'edit';
  // While one edits, the draft waits.
  const text = isEditing ? (edited ?? mode.text) : draft.text;
  const setText = (next: string) => {
    if (isEditing) setEdited(next);
    else {
      draft.setText(next);
      if (next.trim() !== '') engine.hints.type(conversationId);
      else engine.hints.stopTyping(conversationId);
    }
  };
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover what one came to read.
    if (conversationId && matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, [conversationId]);
  useEffect(() => {
    setEdited(undefined);
    if (mode.kind !== 'write') field.current?.focus();
  }, [mode]);
  // Who leaves the conversation leaves the draft.
  useEffect(() => () => engine.hints.stopTyping(conversationId), [engine, conversationId]);

  const files = uploads.all.filter((upload) => upload.error === undefined);
  const isUploading = files.some((upload) => upload.fileId === undefined);
  const over = bytesOf(text) - BYTES_AT_MOST;
  const canSend =
    (text.trim() !== '' || (files.length > 0 && !isEditing)) &&
    over <= 0 &&
    !isUploading &&
    files.length <= FILES_AT_MOST;

  const send = () => {
    if (!canSend) return;
    if (isEditing) {
      if (text.trim() !== mode.text) {
        void engine.change(conversationId, mode.number, { edit: { text: text.trim() } });
      }
    } else {
      const attachmentIds = files.flatMap((upload) => upload.fileId ?? []);
      const replyToNumber = mode.kind === 'reply' ? mode.number : 0;
      void engine.send(conversationId, { text: text.trim(), attachmentIds, replyToNumber });
      draft.setText('');
      uploads.clear();
    }
    onDone();
    field.current?.focus();
  };
  const pressed = (event: KeyboardEvent) => {
    // While an input method composes, keys belong to it.
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape' && mode.kind !== 'write') {
      event.preventDefault();
      onDone();
    } else if (event.key === 'ArrowUp' && text === '') {
      // Into the messages, from the last one on.
      event.preventDefault();
      [...document.querySelectorAll<HTMLElement>('main article')].at(-1)?.focus();
    }
  };
  const pasted = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    uploads.add(event.clipboardData.files);
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
        {mode.kind !== 'write' && <ModeLine mode={mode} onDone={onDone} />}
        {uploads.all.length > 0 && (
          <ul className="flex flex-wrap gap-2 px-3 pt-3" aria-label={t('composer.files')}>
            {uploads.all.map((upload) => (
              <UploadChip
                key={upload.key}
                upload={upload}
                onRemove={() => uploads.remove(upload.key)}
              />
            ))}
          </ul>
        )}
        <div className="flex items-end gap-0.5 p-1.5">
          {!isEditing && <FilesButton uploads={uploads} />}
          <textarea
            ref={field}
            rows={1}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={pressed}
            onPaste={pasted}
            placeholder={t('composer.placeholder')}
            aria-label={t('composer.label', { title })}
            enterKeyHint="send"
            className="field-sizing-content max-h-48 min-h-10 flex-1 resize-none bg-transparent px-1 py-2 outline-none placeholder:text-soft"
          />
          {over > 0 && (
            <span role="status" className="self-center text-danger text-xs tabular-nums">
              {t('composer.tooLong', { count: over })}
            </span>
          )}
          <EmojiButton
            label={t('emoji.insert')}
            className="flex size-10 shrink-0 cursor-pointer items-center justify-center rounded-full text-soft hover:bg-hover hover:text-ink"
            onPick={(emoji) => setText(insertAtCaret(field, text, emoji))}
          />
          <SubmitButton label={t(isEditing ? 'action.save' : 'action.send')} disabled={!canSend}>
            {isEditing ? <TickIcon /> : <SendIcon />}
          </SubmitButton>
        </div>
      </div>
    </form>
  );
}

/** What one writes now, if it isn't simply a message. */
function ModeLine({
  mode,
  onDone,
}: {
  mode: Exclude<ComposerMode, { kind: 'write' }>;
  onDone: () => void;
}) {
  return (
    <div className="flex items-center gap-3 px-4 pt-2.5">
      {mode.kind === 'edit' ? (
        <PencilIcon className="size-5 shrink-0 text-accent-ink" />
      ) : (
        <ReplyIcon className="size-5 shrink-0 text-accent-ink" />
      )}
      <p className="min-w-0 flex-1 border-accent border-l-3 pl-2.5 text-sm">
        <span className="block truncate font-semibold text-accent-ink">
          {mode.kind === 'edit'
            ? t('composer.editing')
            : t('composer.replying', { name: mode.name })}
        </span>
        <span className="block truncate text-soft">{mode.text}</span>
      </p>
      <Button look="icon" aria-label={t('action.cancel')} onClick={onDone}>
        <CloseIcon className="size-4" />
      </Button>
    </div>
  );
}

function FilesButton({ uploads }: { uploads: Uploads }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button
        look="icon"
        aria-label={t('composer.attach')}
        title={t('composer.attach')}
        disabled={!globalThis.isSecureContext || uploads.all.length >= FILES_AT_MOST}
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
          uploads.add(event.target.files ?? []);
          event.target.value = '';
        }}
      />
    </>
  );
}

function SubmitButton({
  label,
  disabled,
  children,
}: {
  label: string;
  disabled: boolean;
  children: ReactNode;
}) {
  return (
    <button
      type="submit"
      aria-label={label}
      title={label}
      disabled={disabled}
      className="flex size-10 shrink-0 cursor-pointer items-center justify-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:cursor-default disabled:bg-transparent disabled:text-soft"
    >
      {children}
    </button>
  );
}

function insertAtCaret(
  field: RefObject<HTMLTextAreaElement | null>,
  text: string,
  inserted: string,
): string {
  const { selectionStart = text.length, selectionEnd = text.length } = field.current ?? {};
  const caret = selectionStart + inserted.length;
  // After the new text has been drawn.
  requestAnimationFrame(() => {
    field.current?.focus();
    field.current?.setSelectionRange(caret, caret);
  });
  return text.slice(0, selectionStart) + inserted + text.slice(selectionEnd);
}

function UploadChip({ upload, onRemove }: { upload: Upload; onRemove: () => void }) {
  const percent = Math.round(upload.progress * 100);
  return (
    <li
      className={`flex max-w-60 items-center gap-2 rounded-xl bg-raised py-1.5 pr-1 pl-2.5 text-sm ${upload.error ? 'ring-1 ring-danger/60' : ''}`}
    >
      {upload.previewUrl ? (
        <img src={upload.previewUrl} alt="" className="size-10 shrink-0 rounded-lg object-cover" />
      ) : (
        <FileIcon className="size-5 shrink-0 text-accent-ink" />
      )}
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
            aria-label={t('composer.uploading', { name: upload.fileName })}
          />
        )}
      </span>
      <button
        type="button"
        aria-label={t('composer.remove', { name: upload.fileName })}
        className="cursor-pointer rounded-full p-1 text-soft hover:text-ink"
        onClick={onRemove}
      >
        <CloseIcon className="size-4" />
      </button>
    </li>
  );
}

import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import type { ConversationRecord } from '@/engine/conversation';
import type { ServerApi } from '@/shared/api/conversations';
import { Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Choice } from '@/shared/ui/choice';
import { Field } from '@/shared/ui/field';
import { CameraIcon, PencilIcon } from '@/shared/ui/icons';
import { Notice } from '@/shared/ui/notice';
import { upload } from './uploads';

type Change = Parameters<ServerApi['changeGroup']>[1];

/** Name, description, picture and who may join, for owners and admins. */
export function GroupEditor({
  conversation,
  isOwner,
}: {
  conversation: ConversationRecord;
  isOwner: boolean;
}) {
  const { api, engine } = useSignedIn();
  const { conversation_id, name = '', group } = conversation;
  const [isOpen, setOpen] = useState(false);
  const [visibility, setVisibility] = useState(group?.visibility ?? 'public');
  const picker = useRef<HTMLInputElement>(null);
  const changing = useMutation({
    mutationFn: async (change: Change) =>
      engine.opened(await api.changeGroup(conversation_id, change)),
  });
  const picturing = useMutation({
    mutationFn: async (file: File) =>
      changing.mutateAsync({
        picture_id: (await upload(api, conversation_id, file, () => undefined)).file_id,
      }),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (field: string) => String(form.get(field) ?? '').trim();
    const wanted = text('name');
    changing.mutate(
      {
        description: text('description'),
        ...(wanted !== name && { name: wanted }),
        ...(isOwner && visibility !== group?.visibility && { visibility }),
      },
      { onSuccess: () => setOpen(false) },
    );
  };
  const faults =
    changing.error instanceof Problem ? changing.error.fields : new Map<string, string>();
  const error = picturing.error ?? (faults.size === 0 ? changing.error : null);
  return (
    <section className="grid grid-cols-1 gap-3">
      <div className="flex flex-wrap gap-2">
        <Button look="soft" onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
          <PencilIcon className="size-4" /> {t('group.edit')}
        </Button>
        <Button
          look="soft"
          disabled={picturing.isPending || !globalThis.isSecureContext}
          onClick={() => picker.current?.click()}
        >
          <CameraIcon className="size-4.5" /> {t('group.picture')}
        </Button>
        {group?.picture_id && (
          <Button look="soft" onClick={() => changing.mutate({ picture_id: '' })}>
            {t('group.removePicture')}
          </Button>
        )}
        <input
          ref={picker}
          type="file"
          accept="image/png,image/jpeg,image/webp"
          hidden
          onChange={(event) => {
            const file = event.target.files?.[0];
            if (file) picturing.mutate(file);
            event.target.value = '';
          }}
        />
      </div>
      {error && <Notice kind="error">{sentence(error)}</Notice>}
      {isOpen && (
        <form onSubmit={submit} className="grid grid-cols-1 gap-3">
          <Field
            label={t('field.groupName')}
            name="name"
            defaultValue={name}
            autoCapitalize="none"
            autoComplete="off"
            required
            hint={t('groups.nameHint')}
            error={faults.get('name')}
          />
          <Field
            label={t('field.description')}
            name="description"
            defaultValue={group?.description ?? ''}
            maxLength={500}
            error={faults.get('description')}
          />
          {isOwner && (
            <Choice
              name="visibility"
              legend={t('groups.visibility')}
              options={[
                ['public', t('groups.public')],
                ['private', t('groups.private')],
              ]}
              value={visibility}
              onChange={setVisibility}
            />
          )}
          <Button
            look="primary"
            type="submit"
            className="justify-self-start"
            disabled={changing.isPending}
          >
            {t('action.save')}
          </Button>
        </form>
      )}
    </section>
  );
}

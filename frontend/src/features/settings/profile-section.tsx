import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { read } from '@/shared/api/conversations';
import { Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { PersonAvatar } from '@/shared/people/person-avatar';
import { fileOf, shippedUrlOf, usePictureUrl } from '@/shared/people/picture';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { CameraIcon } from '@/shared/ui/icons';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons } from '@/shared/ui/page';
import { NotAPicture } from './square-picture';
import { useMe } from './use-me';
import { usePictureUpload } from './use-picture-upload';

export function ProfileSection() {
  const me = useMe();
  if (me.error) return <Notice kind="error">{sentence(me.error)}</Notice>;
  if (!me.data) return <LineSkeletons count={3} />;
  return <Profile user={me.data.user} />;
}

interface User {
  user_id: string;
  handle: string;
  display_name: string;
  status_text: string;
  picture: string;
}

function Profile({ user }: { user: User }) {
  const { api, engine } = useSignedIn();
  const session = useSession();
  const queries = useQueryClient();
  const [picture, setPicture] = useState(user.picture);
  const saving = useMutation({
    mutationFn: async (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? '').trim();
      const body = {
        display_name: text('display_name'),
        handle: text('handle'),
        status_text: text('status_text'),
        picture,
      };
      return read(await api.accounts.PATCH('/api/account/me', { body }));
    },
    onSuccess: async (me) => {
      queries.setQueryData(['me'], me);
      session.renamed(me.user);
      await engine.database.people.put({ ...me.user, fetched_at_ms: Date.now() });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    saving.mutate(new FormData(event.currentTarget));
  };
  const faults = saving.error instanceof Problem ? saving.error.fields : new Map<string, string>();
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4">
      <Card>
        <div className="grid justify-items-center gap-4">
          <PersonAvatar id={user.user_id} name={user.display_name} size="huge" picture={picture} />
          <Pictures userId={user.user_id} chosen={picture} onChoose={setPicture} />
          <PictureUpload isUnsaved={picture !== user.picture} onUploaded={setPicture} />
        </div>
      </Card>
      <Card>
        <div className="grid grid-cols-1 gap-4">
          <Field
            label={t('field.name')}
            name="display_name"
            defaultValue={user.display_name}
            autoComplete="name"
            required
            maxLength={64}
            error={faults.get('display_name')}
          />
          <Field
            label={t('field.handle')}
            name="handle"
            defaultValue={user.handle}
            autoCapitalize="none"
            autoComplete="off"
            required
            hint={t('profile.handleHint')}
            error={faults.get('handle')}
          />
          <Field
            label={t('field.status')}
            name="status_text"
            defaultValue={user.status_text}
            maxLength={140}
            placeholder={t('profile.statusPlaceholder')}
            error={faults.get('status_text')}
          />
          {saving.error && faults.size === 0 && (
            <Notice kind="error">{sentence(saving.error)}</Notice>
          )}
          {saving.isSuccess && <Notice kind="good">{t('settings.saved')}</Notice>}
          <Button
            look="primary"
            type="submit"
            className="justify-self-start"
            disabled={saving.isPending}
          >
            {t('action.save')}
          </Button>
        </div>
      </Card>
    </form>
  );
}

/** One from a file of this device; it is one's picture when the profile is saved. */
function PictureUpload({
  isUnsaved,
  onUploaded,
}: {
  isUnsaved: boolean;
  onUploaded: (picture: string) => void;
}) {
  const picker = useRef<HTMLInputElement>(null);
  const uploading = usePictureUpload(onUploaded);
  const { isPending, isSuccess, error, progress } = uploading;
  return (
    <div className="grid justify-items-center gap-2">
      <Button
        look="soft"
        disabled={isPending || !globalThis.isSecureContext}
        onClick={() => picker.current?.click()}
      >
        <CameraIcon className="size-4.5" />{' '}
        {isPending
          ? t('profile.uploading', { percent: Math.round(progress * 100) })
          : t('profile.choosePicture')}
      </Button>
      <input
        ref={picker}
        type="file"
        accept="image/*"
        hidden
        data-testid="picture-file"
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) uploading.mutate(file);
          event.target.value = '';
        }}
      />
      {isSuccess && isUnsaved && (
        <p role="status" className="text-soft text-sm">
          {t('profile.uploaded')}
        </p>
      )}
      {error && (
        <Notice kind="error">
          {error instanceof NotAPicture ? t('profile.notAPicture') : sentence(error)}
        </Notice>
      )}
    </div>
  );
}

/** None: then one's initials; one's own; those that are shipped. */
function Pictures({
  userId,
  chosen,
  onChoose,
}: {
  userId: string;
  chosen: string;
  onChoose: (picture: string) => void;
}) {
  const { api } = useSignedIn();
  const pictures = useQuery({
    queryKey: ['pictures'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => read(await api.accounts.GET('/api/account/pictures')).names,
  });
  // The last own one stays to be chosen while others are looked at.
  const [own, setOwn] = useState<string>();
  if (fileOf(chosen) && chosen !== own) setOwn(chosen);
  const ownUrl = usePictureUrl(userId, own);
  const shipped = (pictures.data ?? []).map((name) => `default:${name}`);
  const all = ['', ...(own ? [own] : []), ...shipped];
  const nameOf = (picture: string) => {
    if (picture === '') return t('profile.initials');
    return picture === own ? t('profile.ownPicture') : picture.replace('default:', '');
  };
  return (
    <fieldset>
      <legend className="sr-only">{t('profile.picture')}</legend>
      <div className="flex flex-wrap justify-center gap-2">
        {all.map((picture) => (
          <label
            key={picture}
            title={nameOf(picture)}
            className="cursor-pointer rounded-full p-0.5 has-checked:ring-2 has-checked:ring-accent has-focus-visible:outline-2 has-focus-visible:outline-accent has-focus-visible:outline-offset-4"
          >
            <input
              type="radio"
              name="picture"
              className="sr-only"
              checked={picture === chosen}
              onChange={() => onChoose(picture)}
            />
            <span className="sr-only">{nameOf(picture)}</span>
            <Disc url={picture === own ? ownUrl : shippedUrlOf(picture)} />
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Disc({ url }: { url: string | undefined }) {
  if (url) return <img src={url} alt="" className="size-10 rounded-full object-cover" />;
  return (
    <span
      aria-hidden="true"
      className="flex size-10 items-center justify-center rounded-full bg-raised text-soft text-xs"
    >
      Aa
    </span>
  );
}

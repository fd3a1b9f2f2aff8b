import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { read } from '@/shared/api/conversations';
import { Problem, sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { pictureUrlOf } from '@/shared/people/picture';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons } from '@/shared/ui/page';
import { useMe } from './use-me';

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
          <Avatar
            id={user.user_id}
            name={user.display_name}
            size="huge"
            pictureUrl={pictureUrlOf(picture)}
          />
          <Pictures chosen={picture} onChoose={setPicture} />
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

/** Those that are shipped, or none: then one's initials. */
function Pictures({ chosen, onChoose }: { chosen: string; onChoose: (picture: string) => void }) {
  const { api } = useSignedIn();
  const pictures = useQuery({
    queryKey: ['pictures'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => read(await api.accounts.GET('/api/account/pictures')).names,
  });
  const all = ['', ...(pictures.data ?? []).map((name) => `default:${name}`)];
  return (
    <fieldset>
      <legend className="sr-only">{t('profile.picture')}</legend>
      <div className="flex flex-wrap justify-center gap-2">
        {all.map((picture) => (
          <label
            key={picture}
            title={picture.replace('default:', '') || t('profile.initials')}
            className="cursor-pointer rounded-full p-0.5 has-checked:ring-2 has-checked:ring-accent has-focus-visible:outline-2 has-focus-visible:outline-accent has-focus-visible:outline-offset-4"
          >
            <input
              type="radio"
              name="picture"
              className="sr-only"
              checked={picture === chosen}
              onChange={() => onChoose(picture)}
            />
            <span className="sr-only">
              {picture.replace('default:', '') || t('profile.initials')}
            </span>
            {picture === '' ? (
              <span
                aria-hidden="true"
                className="flex size-10 items-center justify-center rounded-full bg-raised text-soft text-xs"
              >
                Aa
              </span>
            ) : (
              <img src={pictureUrlOf(picture)} alt="" className="size-10 rounded-full" />
            )}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { type FormEvent, useDeferredValue, useState } from 'react';
import { read } from '@/shared/api/conversations';
import type { components } from '@/shared/api/generated/conversation';
import { Problem, sentence } from '@/shared/api/problem';
import { useGoToConversation } from '@/shared/conversation/open';
import { t } from '@/shared/i18n/i18n';
import { useFileUrl } from '@/shared/people/picture';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { Choice } from '@/shared/ui/choice';
import { Field } from '@/shared/ui/field';
import { PlusIcon, SearchIcon } from '@/shared/ui/icons';
import { Modal } from '@/shared/ui/modal';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons, Page } from '@/shared/ui/page';

type GroupCard = components['schemas']['GroupCard'];
type Visibility = 'public' | 'private';

/** Public groups, to look around and join; and a new one. */
export default function GroupsPage() {
  const { api } = useSignedIn();
  const [text, setText] = useState('');
  const [isCreating, setCreating] = useState(false);
  const prefix = useDeferredValue(text.trim().toLowerCase());
  const groups = useInfiniteQuery({
    queryKey: ['public-groups', prefix],
    queryFn: async ({ pageParam }) => {
      const query = {
        ...(prefix !== '' && { prefix }),
        ...(pageParam !== undefined && { cursor: pageParam }),
      };
      return read(await api.conversations.GET('/api/conversations/groups', { params: { query } }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const all = groups.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page
      title={t('nav.groups')}
      actions={
        <Button look="primary" className="px-3.5! py-2! text-sm" onClick={() => setCreating(true)}>
          <PlusIcon className="size-4" /> {t('newChat.create')}
        </Button>
      }
    >
      <Card>
        <label className="mb-2 flex items-center gap-2 rounded-xl bg-raised px-3 py-2.5 text-soft focus-within:ring-2 focus-within:ring-accent/40">
          <SearchIcon className="size-4 shrink-0" />
          <input
            type="search"
            value={text}
            onChange={(event) => setText(event.target.value)}
            placeholder={t('groups.find')}
            aria-label={t('groups.find')}
            className="w-full bg-transparent text-ink outline-none placeholder:text-soft"
          />
        </label>
        {groups.error && <Notice kind="error">{sentence(groups.error)}</Notice>}
        {groups.isPending && <LineSkeletons />}
        {groups.data && all.length === 0 && (
          <p className="py-6 text-center text-soft">{t('groups.none')}</p>
        )}
        <ul className="divide-y divide-line">
          {all.map((group) => (
            <li key={group.conversation_id}>
              <GroupLine group={group} />
            </li>
          ))}
        </ul>
        {groups.hasNextPage && (
          <Button look="soft" onClick={() => void groups.fetchNextPage()}>
            {t('action.more')}
          </Button>
        )}
      </Card>
      {isCreating && (
        <Modal title={t('newChat.create')} onClose={() => setCreating(false)}>
          <NewGroup />
        </Modal>
      )}
    </Page>
  );
}

function GroupLine({ group }: { group: GroupCard }) {
  const { api } = useSignedIn();
  const go = useGoToConversation();
  const picture = useFileUrl(group.role ? (group.picture_id ?? undefined) : undefined);
  const joining = useMutation({ mutationFn: async () => go(await api.joinGroup(group.name)) });
  return (
    <>
      <div className="flex items-center gap-3 py-2.5">
        <Avatar id={group.conversation_id} name={group.name} size="medium" pictureUrl={picture} />
        <div className="min-w-0 flex-1">
          <p className="truncate font-medium leading-tight">{group.name}</p>
          <p className="truncate text-soft text-sm">
            {t('groups.members', { count: group.member_count })}
            {group.description !== '' && ` · ${group.description}`}
          </p>
        </div>
        <Button look="soft" disabled={joining.isPending} onClick={() => joining.mutate()}>
          {t(group.role ? 'groups.open' : 'groups.join')}
        </Button>
      </div>
      {joining.error && <Notice kind="error">{sentence(joining.error)}</Notice>}
    </>
  );
}

function NewGroup() {
  const { api } = useSignedIn();
  const go = useGoToConversation();
  const [visibility, setVisibility] = useState<Visibility>('public');
  const creating = useMutation({
    mutationFn: async (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? '').trim();
      const group = { name: text('name'), description: text('description'), visibility };
      await go(await api.createGroup(group));
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    creating.mutate(new FormData(event.currentTarget));
  };
  const faults = creating.error instanceof Problem ? creating.error.fields : new Map();
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4">
      <Field
        label={t('field.groupName')}
        name="name"
        autoCapitalize="none"
        autoComplete="off"
        required
        autoFocus
        hint={t('groups.nameHint')}
        error={faults.get('name')}
      />
      <Field
        label={t('field.description')}
        name="description"
        maxLength={500}
        error={faults.get('description')}
      />
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
      <p className="text-soft text-sm">{t(`groups.${visibility}Hint`)}</p>
      {creating.error && faults.size === 0 && (
        <Notice kind="error">{sentence(creating.error)}</Notice>
      )}
      <Button look="primary" type="submit" className="justify-center" disabled={creating.isPending}>
        {t('newChat.action.create')}
      </Button>
    </form>
  );
}

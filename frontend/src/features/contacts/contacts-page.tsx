import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { inBackground } from '@/engine/background';
import { read } from '@/shared/api/conversations';
import type { components } from '@/shared/api/generated/account';
import { done, sentence } from '@/shared/api/problem';
import { useGoToConversation } from '@/shared/conversation/open';
import { t } from '@/shared/i18n/i18n';
import { PersonLine } from '@/shared/people/person-line';
import { useOnline } from '@/shared/people/presence';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Confirm } from '@/shared/ui/confirm';
import { ChatIcon, ForbiddenIcon, MoreIcon, SearchIcon, TrashIcon } from '@/shared/ui/icons';
import { MenuButton } from '@/shared/ui/menu';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons, Page } from '@/shared/ui/page';
import { relativeTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';

type Contact = components['schemas']['Contact'];
type User = components['schemas']['User'];

/** As many as are shown; a list that is longer is searched. */
const SHOWN = 100;
const SEARCH_AFTER_MS = 300;
const LETTERS_AT_LEAST = 2;

export default function ContactsPage() {
  const contacts = useContacts();
  const all = contacts.data ?? [];
  const by = (state: Contact['state']) => all.filter((contact) => contact.state === state);
  const received = by('invitation_received');
  const sent = by('invitation_sent');
  return (
    <Page title={t('nav.contacts')}>
      <FindPeople known={all} />
      {contacts.error && <Notice kind="error">{sentence(contacts.error)}</Notice>}
      {received.length > 0 && (
        <Card title={t('contacts.received', { count: received.length })}>
          <List contacts={received} />
        </Card>
      )}
      <Card title={t('contacts.yours')}>
        {contacts.isPending ? (
          <LineSkeletons />
        ) : (
          <List contacts={by('contact')} empty={t('contacts.none')} />
        )}
      </Card>
      {sent.length > 0 && (
        <Card title={t('contacts.sent')}>
          <List contacts={sent} />
        </Card>
      )}
    </Page>
  );
}

function useContacts() {
  const { api, engine } = useSignedIn();
  const queries = useQueryClient();
  const { hints } = engine;
  const version = useSyncExternalStore(hints.subscribe, () => hints.contactsVersion);
  useEffect(() => {
    if (version > 0) inBackground(queries.invalidateQueries({ queryKey: ['contacts'] }));
  }, [queries, version]);
  return useQuery({
    queryKey: ['contacts'],
    queryFn: async () => {
      const query = { limit: SHOWN };
      return read(await api.accounts.GET('/api/account/contacts', { params: { query } })).items;
    },
    refetchInterval: 30_000,
  });
}

function List({ contacts, empty }: { contacts: readonly Contact[]; empty?: string }) {
  const isOnline = useOnline(
    contacts.filter((one) => one.state === 'contact').map((one) => one.user.user_id),
  );
  if (contacts.length === 0) return <p className="py-6 text-center text-soft">{empty}</p>;
  return (
    <ul className="divide-y divide-line">
      {contacts.map((contact) => (
        <li key={contact.user.user_id}>
          <ContactLine contact={contact} isOnline={isOnline(contact.user.user_id)} />
        </li>
      ))}
    </ul>
  );
}

/** What changes the list: each is one call, after which the list is read anew. */
function useContactCalls() {
  const { api } = useSignedIn();
  const queries = useQueryClient();
  const calls = {
    invite: async (user_id: string) =>
      read(await api.accounts.POST('/api/account/contacts', { body: { user_id } })),
    accept: async (user_id: string) =>
      read(
        await api.accounts.POST('/api/account/contacts/{user_id}/accept', {
          params: { path: { user_id } },
        }),
      ),
    decline: async (user_id: string) =>
      done(
        await api.accounts.POST('/api/account/contacts/{user_id}/decline', {
          params: { path: { user_id } },
        }),
      ),
    remove: async (user_id: string) =>
      done(
        await api.accounts.DELETE('/api/account/contacts/{user_id}', {
          params: { path: { user_id } },
        }),
      ),
    block: async (user_id: string) =>
      done(
        await api.accounts.PUT('/api/account/blocks/{user_id}', { params: { path: { user_id } } }),
      ),
  };
  return useMutation({
    mutationFn: async ({ call, userId }: { call: keyof typeof calls; userId: string }) => {
      await calls[call](userId);
    },
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ['contacts'] }),
        queries.invalidateQueries({ queryKey: ['blocks'] }),
      ]),
  });
}

function ContactLine({ contact, isOnline }: { contact: Contact; isOnline: boolean }) {
  const { user, state, since } = contact;
  const changing = useContactCalls();
  const [isBlocking, setBlocking] = useState(false);
  const now = useNow();
  const call = (name: 'accept' | 'decline' | 'remove') =>
    changing.mutate({ call: name, userId: user.user_id });
  return (
    <>
      <PersonLine
        person={user}
        isOnline={isOnline}
        note={
          state === 'contact'
            ? user.status_text || `@${user.handle}`
            : `@${user.handle} · ${relativeTime(Date.parse(since), now)}`
        }
      >
        {state === 'contact' && <WriteButton userId={user.user_id} name={user.display_name} />}
        {state === 'invitation_received' && (
          <>
            <Button look="soft" disabled={changing.isPending} onClick={() => call('decline')}>
              {t('contacts.decline')}
            </Button>
            <Button
              look="primary"
              className="px-3.5! py-2! text-sm"
              disabled={changing.isPending}
              onClick={() => call('accept')}
            >
              {t('contacts.accept')}
            </Button>
          </>
        )}
        {state === 'invitation_sent' && (
          <Button look="soft" disabled={changing.isPending} onClick={() => call('remove')}>
            {t('contacts.withdraw')}
          </Button>
        )}
        <MenuButton
          label={t('contacts.more', { name: user.display_name })}
          className="flex size-9 shrink-0 cursor-pointer items-center justify-center rounded-full text-soft hover:bg-hover"
          items={[
            ...(state === 'contact'
              ? [
                  {
                    key: 'remove',
                    label: t('contacts.remove'),
                    icon: <TrashIcon className="size-4.5" />,
                    onChoose: () => call('remove'),
                  },
                ]
              : []),
            {
              key: 'block',
              label: t('contacts.block'),
              icon: <ForbiddenIcon className="size-4.5" />,
              look: 'danger' as const,
              onChoose: () => setBlocking(true),
            },
          ]}
        >
          <MoreIcon />
        </MenuButton>
      </PersonLine>
      {changing.error && <Notice kind="error">{sentence(changing.error)}</Notice>}
      {isBlocking && (
        <Confirm
          title={t('contacts.blockTitle', { name: user.display_name })}
          text={t('contacts.blockText')}
          action={t('contacts.block')}
          act={() => changing.mutateAsync({ call: 'block', userId: user.user_id })}
          onClose={() => setBlocking(false)}
        />
      )}
    </>
  );
}

function WriteButton({ userId, name }: { userId: string; name: string }) {
  const { api } = useSignedIn();
  const go = useGoToConversation();
  const opening = useMutation({ mutationFn: async () => go(await api.openDirect(userId)) });
  return (
    <Button
      look="icon"
      aria-label={t('contacts.write', { name })}
      title={t('contacts.write', { name })}
      disabled={opening.isPending}
      onClick={() => opening.mutate()}
    >
      <ChatIcon />
    </Button>
  );
}

function FindPeople({ known }: { known: readonly Contact[] }) {
  const { api, user: me } = useSignedIn();
  const [text, setText] = useState('');
  const query = useSettled(text.trim());
  const isLongEnough = query.length >= LETTERS_AT_LEAST;
  const found = useQuery({
    queryKey: ['people', query],
    enabled: isLongEnough,
    queryFn: async () =>
      read(await api.accounts.POST('/api/account/users/search', { body: { query } })).items,
  });
  const others = found.data?.filter((user) => user.user_id !== me.user_id) ?? [];
  return (
    <Card>
      <label className="flex items-center gap-2 rounded-xl bg-raised px-3 py-2.5 text-soft focus-within:ring-2 focus-within:ring-accent/40">
        <SearchIcon className="size-4 shrink-0" />
        <input
          type="search"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder={t('contacts.find')}
          aria-label={t('contacts.find')}
          className="w-full bg-transparent text-ink outline-none placeholder:text-soft"
        />
      </label>
      {found.error && <Notice kind="error">{sentence(found.error)}</Notice>}
      {isLongEnough && found.data && (
        <ul className="mt-2 divide-y divide-line">
          {others.map((user) => (
            <li key={user.user_id}>
              <FoundLine
                user={user}
                known={known.find((one) => one.user.user_id === user.user_id)}
              />
            </li>
          ))}
          {others.length === 0 && (
            <li className="py-4 text-center text-soft">{t('list.nothingFound')}</li>
          )}
        </ul>
      )}
    </Card>
  );
}

function FoundLine({ user, known }: { user: User; known: Contact | undefined }) {
  const inviting = useContactCalls();
  return (
    <>
      <PersonLine person={user}>
        <WriteButton userId={user.user_id} name={user.display_name} />
        {known ? (
          <span className="text-soft text-sm">{t(`contacts.state.${known.state}`)}</span>
        ) : (
          <Button
            look="soft"
            disabled={inviting.isPending}
            onClick={() => inviting.mutate({ call: 'invite', userId: user.user_id })}
          >
            {t('contacts.invite')}
          </Button>
        )}
      </PersonLine>
      {inviting.error && <Notice kind="error">{sentence(inviting.error)}</Notice>}
    </>
  );
}

/** The text once nobody types any more. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

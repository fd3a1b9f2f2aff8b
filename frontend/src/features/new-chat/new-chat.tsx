import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import type { ConversationDescription } from '@/engine/conversation';
import { Problem, sentence } from '@/shared/api/problem';
import { type MessageKey, t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { GroupIcon, PencilIcon, PersonIcon, SearchIcon } from '@/shared/ui/icons';
import { Modal } from '@/shared/ui/modal';

type Kind = 'person' | 'create' | 'join';

const KINDS: { kind: Kind; label: MessageKey; icon: ReactNode }[] = [
  { kind: 'person', label: 'newChat.person', icon: <PersonIcon className="size-4" /> },
  { kind: 'create', label: 'newChat.create', icon: <GroupIcon className="size-4" /> },
  { kind: 'join', label: 'newChat.join', icon: <SearchIcon className="size-4" /> },
];

export function NewChatButton() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button
        look="icon"
        aria-label={t('newChat.title')}
        title={t('newChat.title')}
        onClick={() => setOpen(true)}
      >
        <PencilIcon />
      </Button>
      {open && (
        <Modal title={t('newChat.title')} onClose={() => setOpen(false)}>
          <NewChat onDone={() => setOpen(false)} />
        </Modal>
      )}
    </>
  );
}

function NewChat({ onDone }: { onDone: () => void }) {
  const { api, engine } = useSignedIn();
  const navigate = useNavigate();
  const [kind, setKind] = useState<Kind>('person');
  const opening = useMutation({
    mutationFn: async (form: FormData): Promise<ConversationDescription> => {
      const text = (name: string) => String(form.get(name) ?? '').trim();
      if (kind === 'join') return api.joinGroup(text('name'));
      if (kind === 'person') {
        return api.openDirect((await api.findUser(toHandle(text('handle')))).user_id);
      }
      const handles = text('members')
        .split(/[\s,;]+/u)
        .map(toHandle)
        .filter((h) => h !== '');
      const members = await Promise.all(handles.map((handle) => findMember(handle)));
      return api.createGroup({ name: text('name'), member_ids: members });
    },
    onSuccess: async (description) => {
      await engine.opened(description);
      const params = { conversationId: description.conversation_id };
      await navigate({ to: '/conversations/$conversationId', params });
      onDone();
    },
  });
  const findMember = async (handle: string): Promise<string> => {
    try {
      return (await api.findUser(handle)).user_id;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) {
        throw new Problem(404, error.code, t('newChat.nobody', { handle }));
      }
      throw error;
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    opening.mutate(new FormData(event.currentTarget));
  };
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4" key={kind}>
      <div
        className="grid grid-cols-3 gap-1 rounded-xl bg-raised p-1"
        role="tablist"
        aria-label={t('newChat.title')}
      >
        {KINDS.map((choice) => (
          <button
            key={choice.kind}
            type="button"
            role="tab"
            aria-selected={kind === choice.kind}
            className="flex cursor-pointer items-center justify-center gap-1.5 rounded-lg px-2 py-2 text-sm max-sm:[&>svg]:hidden aria-selected:bg-panel aria-selected:font-medium aria-selected:shadow-sm"
            onClick={() => {
              opening.reset();
              setKind(choice.kind);
            }}
          >
            {choice.icon}
            {t(choice.label)}
          </button>
        ))}
      </div>
      {kind === 'person' ? (
        <Field
          label={t('field.handle')}
          name="handle"
          placeholder="@ada"
          autoCapitalize="none"
          autoComplete="off"
          required
          autoFocus
        />
      ) : (
        <Field
          label={t('field.groupName')}
          name="name"
          placeholder="garden-club"
          autoCapitalize="none"
          autoComplete="off"
          required
          autoFocus
          {...(kind === 'create' && {
            hint: t('newChat.nameHint'),
          })}
        />
      )}
      {kind === 'create' && (
        <Field
          label={t('details.members')}
          name="members"
          placeholder="@ada, @ben"
          autoCapitalize="none"
          autoComplete="off"
          hint={t('newChat.membersHint')}
        />
      )}
      {opening.error && (
        <p role="alert" className="rounded-xl bg-danger/10 px-3.5 py-2.5 text-danger text-sm">
          {faultOf(opening.error)}
        </p>
      )}
      <Button look="primary" type="submit" className="justify-center" disabled={opening.isPending}>
        {t(`newChat.action.${kind}`)}
      </Button>
    </form>
  );
}

function toHandle(text: string): string {
  return text.replace(/^@/u, '').toLowerCase();
}

function faultOf(error: unknown): string {
  const [first] = error instanceof Problem ? error.fields.values() : [];
  return first ?? sentence(error);
}

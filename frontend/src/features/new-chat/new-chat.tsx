import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import type { ConversationDescription } from '@/engine/conversation';
import { Problem, sentence } from '@/shared/api/problem';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Field } from '@/shared/ui/field';
import { GroupIcon, PencilIcon, PersonIcon, SearchIcon } from '@/shared/ui/icons';
import { Modal } from '@/shared/ui/modal';

type Kind = 'person' | 'create' | 'join';

const KINDS: { kind: Kind; label: string; icon: ReactNode }[] = [
  { kind: 'person', label: 'Person', icon: <PersonIcon className="size-4" /> },
  { kind: 'create', label: 'New group', icon: <GroupIcon className="size-4" /> },
  { kind: 'join', label: 'Join group', icon: <SearchIcon className="size-4" /> },
];

export function NewChatButton() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button look="icon" aria-label="New conversation" onClick={() => setOpen(true)}>
        <PencilIcon />
      </Button>
      {open && (
        <Modal title="New conversation" onClose={() => setOpen(false)}>
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
      return api.createGroup(text('name'), members);
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
        throw new Problem(404, error.code, `There is nobody called @${handle}.`);
      }
      throw error;
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    opening.mutate(new FormData(event.currentTarget));
  };
  return (
    <form onSubmit={submit} className="grid gap-4" key={kind}>
      <div className="grid grid-cols-3 gap-1 rounded-xl bg-raised p-1" role="tablist">
        {KINDS.map((choice) => (
          <button
            key={choice.kind}
            type="button"
            role="tab"
            aria-selected={kind === choice.kind}
            className="flex cursor-pointer items-center justify-center gap-1.5 rounded-lg px-2 py-2 text-sm aria-selected:bg-panel aria-selected:font-medium aria-selected:shadow-sm"
            onClick={() => {
              opening.reset();
              setKind(choice.kind);
            }}
          >
            {choice.icon}
            {choice.label}
          </button>
        ))}
      </div>
      {kind === 'person' ? (
        <Field
          label="Handle"
          name="handle"
          placeholder="@ada"
          autoCapitalize="none"
          autoComplete="off"
          required
          autoFocus
        />
      ) : (
        <Field
          label="Group name"
          name="name"
          placeholder="garden-club"
          autoCapitalize="none"
          autoComplete="off"
          required
          autoFocus
          {...(kind === 'create' && {
            hint: '3 to 64 of a–z, 0–9, “-”, “_” and “.”. Anybody who knows the name can join.',
          })}
        />
      )}
      {kind === 'create' && (
        <Field
          label="Members"
          name="members"
          placeholder="@ada, @ben"
          autoCapitalize="none"
          autoComplete="off"
          hint="Handles; you can leave it empty."
        />
      )}
      {opening.error && (
        <p role="alert" className="rounded-xl bg-danger/10 px-3.5 py-2.5 text-danger text-sm">
          {faultOf(opening.error)}
        </p>
      )}
      <Button look="primary" type="submit" className="justify-center" disabled={opening.isPending}>
        {{ person: 'Open chat', create: 'Create group', join: 'Join group' }[kind]}
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

import { useMutation } from '@tanstack/react-query';
import { useLiveQuery } from 'dexie-react-hooks';
import { useState } from 'react';
import { sentence } from '@/shared/api/problem';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { DoorIcon, SunIcon } from '@/shared/ui/icons';
import { Modal } from '@/shared/ui/modal';
import { applyTheme, type Theme, useTheme } from '@/shared/ui/theme';

const THEMES: [Theme, string][] = [
  ['system', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/** One's own picture in the corner, and what is behind it. */
export function AccountMenu() {
  const { user } = useSignedIn();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="cursor-pointer rounded-full"
        aria-label="Account and settings"
        onClick={() => setOpen(true)}
      >
        <Avatar id={user.user_id} name={user.display_name} size="small" />
      </button>
      {open && (
        <Modal title="Account and settings" onClose={() => setOpen(false)}>
          <Settings />
        </Modal>
      )}
    </>
  );
}

function Settings() {
  const { user, engine } = useSignedIn();
  const session = useSession();
  const theme = useTheme();
  const waiting = useLiveQuery(() => engine.database.outbox.count(), [engine]) ?? 0;
  const leaving = useMutation({ mutationFn: () => session.signOut() });
  return (
    <div className="grid gap-5">
      <div className="flex items-center gap-3">
        <Avatar id={user.user_id} name={user.display_name} size="large" />
        <div className="min-w-0">
          <p className="truncate font-semibold">{user.display_name}</p>
          <p className="truncate text-soft">@{user.handle}</p>
        </div>
      </div>
      <fieldset>
        <legend className="mb-2 flex items-center gap-2 font-medium text-sm">
          <SunIcon className="size-4" /> Appearance
        </legend>
        <div className="grid grid-cols-3 gap-1 rounded-xl bg-raised p-1">
          {THEMES.map(([value, label]) => (
            <label
              key={value}
              className="cursor-pointer rounded-lg px-2 py-2 text-center text-sm has-checked:bg-panel has-checked:font-medium has-checked:shadow-sm has-focus-visible:outline-2 has-focus-visible:outline-accent"
            >
              <input
                type="radio"
                name="theme"
                className="sr-only"
                checked={theme === value}
                onChange={() => applyTheme(value)}
              />
              {label}
            </label>
          ))}
        </div>
      </fieldset>
      <div className="border-line border-t pt-3">
        {waiting > 0 && (
          <p className="mb-2 text-sm text-wait">
            {waiting === 1 ? 'A message was' : `${waiting} messages were`} not sent yet; signing out
            discards {waiting === 1 ? 'it' : 'them'}.
          </p>
        )}
        {leaving.error && (
          <p role="alert" className="mb-2 text-danger text-sm">
            {sentence(leaving.error)}
          </p>
        )}
        <Button
          look="danger"
          className="-ml-3"
          disabled={leaving.isPending}
          onClick={() => leaving.mutate()}
        >
          <DoorIcon /> Sign out
        </Button>
      </div>
    </div>
  );
}

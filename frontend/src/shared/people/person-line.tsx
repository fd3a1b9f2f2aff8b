import type { ReactNode } from 'react';
import { PersonAvatar } from './person-avatar';

interface Shown {
  user_id: string;
  handle: string;
  display_name: string;
  status_text?: string | undefined;
  picture?: string | undefined;
}

/** A person in a list: who, and what can be done. */
export function PersonLine({
  person,
  note,
  suffix,
  isOnline = false,
  children,
}: {
  person: Shown;
  /** After the name. */
  suffix?: string | undefined;
  /** Instead of the handle. */
  note?: ReactNode;
  isOnline?: boolean;
  children?: ReactNode;
}) {
  return (
    <div className="flex items-center gap-3 py-2">
      <PersonAvatar
        id={person.user_id}
        name={person.display_name}
        size="medium"
        picture={person.picture}
        isOnline={isOnline}
      />
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium leading-tight">
          {person.display_name}
          {suffix && <span className="font-normal text-soft"> {suffix}</span>}
        </p>
        <p className="truncate text-soft text-sm">{note ?? `@${person.handle}`}</p>
      </div>
      {children}
    </div>
  );
}

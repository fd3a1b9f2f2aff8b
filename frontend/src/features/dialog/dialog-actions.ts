import { createContext, use } from 'react';
import type { KnownFile } from '@/engine/database';
import type { MessageRow } from './timeline-rows';

/** What can be done with a message, for whatever shows one. */
export interface DialogActions {
  reply(row: MessageRow): void;
  edit(row: MessageRow): void;
  react(row: MessageRow, emoji: string): void;
  askToDelete(row: MessageRow): void;
  showInfo(row: MessageRow): void;
  /** Scrolls to a message, however far back it is. */
  goTo(number: number): void;
  /** Shows a picture over the whole screen. */
  openPicture(fileId: string): void;
  files: ReadonlyMap<string, KnownFile>;
  /** Whether this person may delete the message for everybody. */
  mayDeleteForAll(row: MessageRow): boolean;
  /** Out of a conversation one only reads. */
  isMember: boolean;
}

export const DialogActionsContext = createContext<DialogActions | undefined>(undefined);

export function useDialogActions(): DialogActions {
  const actions = use(DialogActionsContext);
  if (!actions) throw new Error('only shown inside a dialog');
  return actions;
}

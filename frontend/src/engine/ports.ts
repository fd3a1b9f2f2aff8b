/** What the engine needs from outside; the app gives the browser's, tests give simulated ones. */
import type { ConversationDescription, ConversationSettings, Page } from './conversation';
import type { MemberMarks, Person } from './database';
import type { ConversationState, Entry } from './wire';

export interface ConversationLine {
  conversation: ConversationDescription;
  state: ConversationState;
  last_entry?: Entry | undefined;
  settings?: ConversationSettings | undefined;
}

export type EntriesPosition = { after: number } | { before: number };

export interface EngineApi {
  listConversations(cursor: string | undefined): Promise<{
    items: ConversationLine[];
    next_cursor?: string | undefined;
  }>;
  getSettings(conversationId: string): Promise<ConversationSettings>;
  getConversation(conversationId: string): Promise<ConversationDescription>;
  listEntries(conversationId: string, position: EntriesPosition, limit: number): Promise<Page>;
  /** Everything that the person has hidden in it. */
  listHidden(conversationId: string): Promise<number[]>;
  /** How far each member has got; empty where that isn't told. */
  listMarks(conversationId: string): Promise<MemberMarks[]>;
  markUnread(conversationId: string): Promise<ConversationState>;
  hide(conversationId: string, number: number): Promise<ConversationState>;
  getUsers(userIds: string[]): Promise<Omit<Person, 'fetched_at_ms'>[]>;
}

/** The answer stands: asking again gives the same. */
export class NotAllowed extends Error {
  override name = 'NotAllowed';
}

/** The login session is over. */
export class SignedOut extends Error {
  override name = 'SignedOut';
}

export interface TokenSource {
  /** A token that is good for a while yet. Throws `SignedOut` when there can be none. */
  accessToken(options?: { fresh?: boolean }): Promise<string>;
  /** Calls back whenever a new token was obtained; returns how to stop. */
  onRenewed(listener: (accessToken: string) => void): () => void;
}

export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  opened(): void;
  received(text: string): void;
  closed(code: number): void;
}

export type OpenSocket = (events: SocketEvents) => Socket;

/** What the browser says about network and screen. */
export interface Surroundings {
  isOnline(): boolean;
  /** Calls back with `offline` at once when the network goes, and with `wake` when a try may succeed. */
  watch(listener: (signal: 'offline' | 'wake') => void): () => void;
}

/** Runs `task` while this tab is the one that talks to the server; the signal says when to stop. */
export type Leadership = (name: string, task: (signal: AbortSignal) => Promise<void>) => () => void;

/** All in milliseconds. */
export interface Timing {
  reconnectFirst: number;
  reconnectCeiling: number;
  connectTimeout: number;
  /** For an answer to a message; doubled, up to eight times as long, each time that none came. */
  answerTimeout: number;
  /** On top of what the server asks for after a refusal with retry. */
  resendFirst: number;
  resendCeiling: number;
  pingTimeout: number;
  /** After this the server has done what it read, or has complained. */
  settledAfter: number;
  repairFirst: number;
  repairCeiling: number;
}

export const DEFAULT_TIMING: Timing = {
  reconnectFirst: 500,
  reconnectCeiling: 30_000,
  connectTimeout: 10_000,
  answerTimeout: 10_000,
  resendFirst: 100,
  resendCeiling: 5_000,
  pingTimeout: 5_000,
  settledAfter: 15_000,
  repairFirst: 250,
  repairCeiling: 10_000,
};

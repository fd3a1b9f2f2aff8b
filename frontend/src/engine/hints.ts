/**
 * Who types, who is there, that contacts have changed: hints that live as long as the socket. Nothing of it is stored. The tab
 * that leads hears it and tells the others.
 */
import type { MemberTyping, Presence, TypingState } from './wire';

/** At most so many people are watched by a socket. */
const WATCHED_AT_MOST = 100;
/** Somebody who goes on typing says so again. */
const SAY_AGAIN_AFTER_MS = 3_000;

export type Hint =
  | { typing: MemberTyping }
  | { presence: Presence }
  | { contacts_changed: object }
  | { gone: true };

export interface HintEvents {
  typing(conversationId: string, state: TypingState): void;
  watch(userIds: string[]): void;
}

export class Hints {
  #typing = new Map<string, Map<string, ReturnType<typeof setTimeout>>>();
  #presence = new Map<string, Presence>();
  #listeners = new Set<() => void>();
  #version = 0;
  #contactsVersion = 0;
  #saidTyping = { conversationId: '', atMs: 0 };
  /** How many screens of this tab want to know of somebody. */
  #wanted = new Map<string, number>();

  constructor(private readonly events: HintEvents) {}

  /** Changes whenever anything here does. */
  get version(): number {
    return this.#version;
  }

  /** Changes whenever the person's contacts do. */
  get contactsVersion(): number {
    return this.#contactsVersion;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Who types in a conversation now. */
  typingIn(conversationId: string): string[] {
    return [...(this.#typing.get(conversationId)?.keys() ?? [])];
  }

  presenceOf(userId: string): Presence | undefined {
    return this.#presence.get(userId);
  }

  /** With each key: says so when it is time to. */
  type(conversationId: string): void {
    const { conversationId: last, atMs } = this.#saidTyping;
    if (last === conversationId && Date.now() - atMs < SAY_AGAIN_AFTER_MS) return;
    this.#saidTyping = { conversationId, atMs: Date.now() };
    this.events.typing(conversationId, 'started');
  }

  /** The draft was left; a message that is sent ends it by itself. */
  stopTyping(conversationId: string, isTold: 'tell' | 'known' = 'tell'): void {
    if (this.#saidTyping.conversationId !== conversationId) return;
    this.#saidTyping = { conversationId: '', atMs: 0 };
    if (isTold === 'tell') this.events.typing(conversationId, 'stopped');
  }

  /** Asks to be told of these people until the returned function is called. */
  want(userIds: readonly string[]): () => void {
    for (const id of userIds) this.#wanted.set(id, (this.#wanted.get(id) ?? 0) + 1);
    this.#tellWanted();
    return () => {
      for (const id of userIds) {
        const left = (this.#wanted.get(id) ?? 0) - 1;
        if (left > 0) this.#wanted.set(id, left);
        else this.#wanted.delete(id);
      }
      this.#tellWanted();
    };
  }

  get wanted(): string[] {
    return [...this.#wanted.keys()].slice(0, WATCHED_AT_MOST);
  }

  take(hint: Hint): void {
    if ('typing' in hint) this.#takeTyping(hint.typing);
    else if ('presence' in hint) this.#presence.set(hint.presence.user_id, hint.presence);
    else if ('contacts_changed' in hint) this.#contactsVersion += 1;
    else this.#forget();
    this.#changed();
  }

  /** A message of theirs has come. */
  wrote(conversationId: string, userId: string): void {
    if (this.#end(conversationId, userId)) this.#changed();
  }

  #takeTyping({ conversation_id, user_id, state, expires_in_ms }: MemberTyping): void {
    this.#end(conversation_id, user_id);
    if (state !== 'started') return;
    const people = this.#typing.get(conversation_id) ?? new Map();
    this.#typing.set(conversation_id, people);
    const timer = setTimeout(() => this.wrote(conversation_id, user_id), expires_in_ms);
    people.set(user_id, timer);
  }

  #end(conversationId: string, userId: string): boolean {
    const people = this.#typing.get(conversationId);
    clearTimeout(people?.get(userId));
    return people?.delete(userId) ?? false;
  }

  #forget(): void {
    for (const people of this.#typing.values()) {
      for (const timer of people.values()) clearTimeout(timer);
    }
    this.#typing.clear();
    this.#presence.clear();
  }

  #tellWanted(): void {
    this.events.watch(this.wanted);
  }

  #changed(): void {
    this.#version += 1;
    for (const listener of this.#listeners) listener();
  }
}

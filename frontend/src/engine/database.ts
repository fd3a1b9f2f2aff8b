import Dexie, { type EntityTable, type Table } from 'dexie';
import type { ConversationRecord } from './conversation';
import type { Entry, MessageChange } from './wire';

/** Something that the server has not answered for good. */
interface OutboxCommon {
  /** Order of writing, over all tabs. */
  position: number;
  client_message_id: string;
  conversation_id: string;
  written_at_ms: number;
  /** How often it was sent; kept because a second attempt must say that it is one. */
  attempt: number;
  /** `stored`: numbered by the server, only its entry has not come yet. */
  status: 'waiting' | 'stored' | 'refused';
  /** Of a stored one. */
  number?: number;
  refusal?: { code: string; detail: string };
}

export interface OutboxMessage extends OutboxCommon {
  kind: 'message';
  text: string;
  attachment_ids: string[];
  reply_to_number: number;
}

export interface OutboxChange extends OutboxCommon {
  kind: 'change';
  /** Number of the message. */
  target: number;
  change: MessageChange;
}

export type OutboxItem = OutboxMessage | OutboxChange;

/** An entry in the store. `target` finds the changes of a message. */
export type StoredEntry = Entry & { target?: number };

/** One that the person doesn't want to see. */
export interface HiddenEntry {
  conversation_id: string;
  number: number;
  /** In the order of hiding, from 1; too high until all that were hidden before are known. */
  position: number;
}

export interface Person {
  user_id: string;
  handle: string;
  display_name: string;
  status_text?: string | undefined;
  picture?: string | undefined;
  fetched_at_ms: number;
}

export interface Draft {
  conversation_id: string;
  text: string;
}

/** A read mark on its way to the server. */
export interface WantedMark {
  conversation_id: string;
  number: number;
}

/** What is known of an attachment; it never changes. */
export interface KnownFile {
  file_id: string;
  file_name: string;
  content_type: string;
  size_bytes: number;
}

/** How far a member has got. */
export interface MemberMarks {
  conversation_id: string;
  user_id: string;
  delivered_number: number;
  read_number: number;
}

interface MetaRow {
  key: 'cursor' | 'clock_offset_ms';
  value: string;
}

/** All that one person's browser keeps; every tab reads and writes the same. */
export class ClientDatabase extends Dexie {
  declare conversations: EntityTable<ConversationRecord, 'conversation_id'>;
  declare entries: Table<StoredEntry, [string, number]>;
  declare hidden: Table<HiddenEntry, [string, number]>;
  declare receipts: Table<MemberMarks, [string, string]>;
  declare outbox: Table<
    OutboxItem,
    number,
    Omit<OutboxMessage, 'position'> | Omit<OutboxChange, 'position'>
  >;
  declare marks: EntityTable<WantedMark, 'conversation_id'>;
  declare people: EntityTable<Person, 'user_id'>;
  declare files: EntityTable<KnownFile, 'file_id'>;
  declare drafts: EntityTable<Draft, 'conversation_id'>;
  declare meta: EntityTable<MetaRow, 'key'>;

  constructor(userId: string) {
    super(`parlance-${userId}`);
    this.version(1).stores({
      conversations: 'conversation_id, member, behind, activity_ms, name',
      entries: '[conversation_id+number]',
      outbox: '++position, &client_message_id, conversation_id, status',
      marks: 'conversation_id',
      people: 'user_id',
      drafts: 'conversation_id',
      meta: 'key',
    });
    this.version(2)
      .stores({
        entries: '[conversation_id+number], [conversation_id+target]',
        hidden: '[conversation_id+number], conversation_id',
        receipts: '[conversation_id+user_id], conversation_id',
      })
      .upgrade(async (upgrade) => {
        // What the server has comes again, with what was done to it; what it hasn't stays.
        for (const table of ['conversations', 'entries', 'meta', 'people']) {
          await upgrade.table(table).clear();
        }
        await upgrade.table('outbox').toCollection().modify({ kind: 'message' });
      });
    this.version(3).stores({ files: 'file_id' });
    this.version(4).upgrade(async (upgrade) => {
      // What is hidden has a place in its order now, and conversations tell deletions apart.
      for (const table of ['conversations', 'entries', 'hidden', 'meta']) {
        await upgrade.table(table).clear();
      }
    });
    this.version(5).upgrade(async (upgrade) => {
      await upgrade.table('conversations').toCollection().modify({ description_version: 0 });
    });
  }

  async readMeta(key: MetaRow['key']): Promise<string> {
    return (await this.meta.get(key))?.value ?? '';
  }

  async writeMeta(key: MetaRow['key'], value: string): Promise<void> {
    await this.meta.put({ key, value });
  }
}

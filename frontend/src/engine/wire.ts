/** Frames of `proto/parlance/socket/v1/socket.proto` in their JSON form. */

export interface Message {
  message_id: string;
  client_message_id: string;
  /** Empty once deleted. */
  text: string;
  attachment_ids: string[];
  /** 0: none. */
  reply_to_number: number;
  /** Number of the latest change in it; 0: never changed. */
  changed_number: number;
  /** 0: never. */
  edited_time_unix_ms: number;
  deleted: boolean;
  reactions: Reaction[];
}

export interface Reaction {
  emoji: string;
  user_ids: string[];
}

/** One numbered change of a conversation. */
export interface Entry {
  conversation_id: string;
  number: number;
  previous_number: number;
  countable_total: number;
  time_unix_ms: number;
  actor_id: string;
  message?: Message;
  created?: { member_ids: string[] };
  joined?: { user_id: string };
  left?: { user_id: string };
  edited?: { client_message_id: string; number: number; text: string };
  deleted?: { client_message_id: string; number: number; author_id: string };
  reacted?: { client_message_id: string; number: number; added?: string; removed?: string };
  renamed?: { name: string };
  role_changed?: { user_id: string; role: string };
  /** Empty: none. */
  picture_changed?: { picture: string };
  history_opened?: { user_id: string; from_number: number };
  group_deleted?: Record<string, never>;
}

/** Head, read mark and unread count always come together. */
export interface ConversationState {
  conversation_id: string;
  head_number: number;
  head_countable_total: number;
  read_number: number;
  unread_count: number;
  /** What counts as unread lies above it. */
  counts_from_number: number;
  marked_unread: boolean;
  /** How many entries the reader has hidden here. */
  hidden_count: number;
  /** Grows with everything of the reader's that changes here. */
  marks_version: number;
}

/** How far a member has got: everything up to each number. */
export interface Receipt {
  conversation_id: string;
  user_id: string;
  delivered_number: number;
  read_number: number;
  time_unix_ms: number;
}

export interface Hidden {
  conversation_id: string;
  number: number;
  hidden_count: number;
}

export type TypingState = 'started' | 'stopped';

/** A hint, never counted. */
export interface MemberTyping {
  conversation_id: string;
  user_id: string;
  state: TypingState;
  expires_in_ms: number;
}

/** How somebody that is watched stands now. Never counted. */
export interface Presence {
  user_id: string;
  state: 'online' | 'offline' | 'hidden';
  /** 0: not known. */
  last_seen_unix_ms: number;
}

export interface Welcome {
  connection_id: string;
  user_id: string;
  server_time_unix_ms: number;
  heartbeat_interval_ms: number;
  cursor: string;
}

export interface Resumed {
  complete: boolean;
  changed: ConversationState[];
  cursor: string;
}

export interface Accepted {
  conversation_id: string;
  client_message_id: string;
  message_id: string;
  number: number;
  time_unix_ms: number;
}

export interface Refused {
  conversation_id: string;
  client_message_id: string;
  code: string;
  detail: string;
  retry: boolean;
  retry_after_ms: number;
}

export interface Heartbeat {
  frames_sent: number;
  /** Of those that this device has sent since `welcome`, how many were read. */
  frames_received: number;
  cursor: string;
  server_time_unix_ms: number;
}

export interface FrameError {
  code: string;
  detail: string;
  frame: string;
}

export type ServerFrame =
  | { welcome: Welcome }
  | { resumed: Resumed }
  | { entry: Entry }
  | { accepted: Accepted }
  | { refused: Refused }
  | { state: ConversationState }
  | { receipt: Receipt }
  | { hidden: Hidden }
  | { settings_changed: { conversation_id: string; version: number } }
  | { typing: MemberTyping }
  | { presence: Presence }
  | { contacts_changed: object }
  | { heartbeat: Heartbeat }
  | { error: FrameError }
  | { resync: { reason: string } }
  | { closing: { reconnect_after_ms: number; reason: string } };

export interface Send {
  client_message_id: string;
  conversation_id: string;
  text: string;
  attachment_ids: string[];
  reply_to_number: number;
  attempt: number;
  outbox_restart: boolean;
}

/** What is done to a message, as the one member of `change`. */
export type MessageChange =
  | { edit: { text: string } }
  | { delete: Record<string, never> }
  | { react: { add: string } | { remove: string } };

export type Change = {
  client_message_id: string;
  conversation_id: string;
  /** Number of the message. */
  number: number;
  attempt: number;
  outbox_restart: boolean;
} & MessageChange;

export type ClientFrame =
  | { hello: { access_token: string; cursor: string } }
  | { send: Send }
  | { change: Change }
  | { mark_read: { conversation_id: string; number: number } }
  | { mark_delivered: { conversation_id: string; number: number } }
  | { typing: { conversation_id: string; state: TypingState } }
  | { watch_presence: { user_ids: string[] } }
  | { ping: Record<string, never> };

export const SUBPROTOCOL = 'parlance.v1.json';

export const CLOSE = {
  sessionEnded: 4001,
  tokenInvalid: 4003,
} as const;

/** A frame of a kind that this client does not know is skipped: the schema may grow. */
export function parseServerFrame(text: string): ServerFrame | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === 'object' && frame !== null && !Array.isArray(frame)
      ? (frame as ServerFrame)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the server counts it in `heartbeat.frames_sent`. */
export function isCounted(frame: ServerFrame): boolean {
  return (
    'entry' in frame ||
    'accepted' in frame ||
    'refused' in frame ||
    'state' in frame ||
    'receipt' in frame ||
    'hidden' in frame ||
    'settings_changed' in frame ||
    'resync' in frame ||
    'error' in frame
  );
}

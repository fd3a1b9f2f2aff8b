/** Frames of `proto/parlance/socket/v1/socket.proto` in their JSON form. */

export interface Message {
  message_id: string;
  client_message_id: string;
  text: string;
  attachment_ids: string[];
  reply_to_number: number;
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
}

/** Head, read mark and unread count always come together. */
export interface ConversationState {
  conversation_id: string;
  head_number: number;
  head_countable_total: number;
  read_number: number;
  unread_count: number;
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

export type ClientFrame =
  | { hello: { access_token: string; cursor: string } }
  | { send: Send }
  | { mark_read: { conversation_id: string; number: number } }
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
    'resync' in frame
  );
}

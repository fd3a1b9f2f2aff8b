import createClient, { type Middleware } from 'openapi-fetch';
import type { ConversationDescription, ConversationSettings, Page } from '@/engine/conversation';
import type { MemberMarks } from '@/engine/database';
import {
  type ConversationLine,
  type EngineApi,
  NotAllowed,
  type TokenSource,
} from '@/engine/ports';
import type { ConversationState } from '@/engine/wire';
import type { User } from './account';
import type { paths as AccountPaths } from './generated/account';
import type { paths as ConversationPaths } from './generated/conversation';
import type { paths as FilePaths } from './generated/file-upload';
import type { paths as MessagePaths } from './generated/message';
import { done, Problem, toProblem } from './problem';

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

export interface Member {
  user_id: string;
  role: 'owner' | 'admin' | 'member';
  joined_at: string;
}

interface MemberPage {
  conversation: ConversationDescription;
  /** One's own. */
  role: Member['role'];
  members: Member[];
  /** Absent: there are no more. */
  next_cursor?: string;
}

/** What is sent and asked for with a person's token. */
export class ServerApi implements EngineApi {
  readonly accounts;
  readonly conversations;
  readonly messages;
  readonly files;

  constructor(tokens: TokenSource) {
    const authorize: Middleware = {
      async onRequest({ request }) {
        request.headers.set('authorization', `Bearer ${await tokens.accessToken()}`);
        return request;
      },
    };
    const options = { baseUrl: globalThis.location.origin };
    this.accounts = createClient<AccountPaths>(options);
    this.conversations = createClient<ConversationPaths>(options);
    this.messages = createClient<MessagePaths>(options);
    this.files = createClient<FilePaths>(options);
    for (const client of [this.accounts, this.conversations, this.messages, this.files]) {
      client.use(authorize);
    }
  }

  async listConversations(cursor: string | undefined) {
    const query = cursor === undefined ? { limit: 100 } : { limit: 100, cursor };
    const page = read(await this.conversations.GET('/api/conversations', { params: { query } }));
    return {
      items: page.items as ConversationLine[],
      next_cursor: page.next_cursor ?? undefined,
    };
  }

  async getConversation(conversationId: string): Promise<ConversationDescription> {
    return (await this.getMembers(conversationId, { limit: 1 })).conversation;
  }

  async getSettings(conversation_id: string): Promise<ConversationSettings> {
    const path = '/api/conversations/{conversation_id}/settings';
    const params = { path: { conversation_id } };
    return readOrNotAllowed(await this.conversations.GET(path, { params })) as ConversationSettings;
  }

  /** A conversation, one's own role in it, and a page of its members; of a group there may be thousands. */
  async getMembers(
    conversation_id: string,
    query: { cursor?: string; limit?: number },
  ): Promise<MemberPage> {
    const answer = await this.conversations.GET('/api/conversations/{conversation_id}', {
      params: { path: { conversation_id }, query },
    });
    return readOrNotAllowed(answer) as MemberPage;
  }

  async listEntries(
    conversation_id: string,
    position: { after: number } | { before: number },
    limit: number,
  ): Promise<Page> {
    const path = '/api/messages/conversations/{conversation_id}/entries';
    const params = { path: { conversation_id }, query: { ...position, limit } };
    return readOrNotAllowed(await this.messages.GET(path, { params })) as Page;
  }

  async listHidden(conversation_id: string): Promise<number[]> {
    const path = '/api/messages/conversations/{conversation_id}/hidden';
    const params = { path: { conversation_id }, query: {} };
    return readOrNotAllowed(await this.messages.GET(path, { params })).numbers;
  }

  async listMarks(conversation_id: string): Promise<MemberMarks[]> {
    const path = '/api/messages/conversations/{conversation_id}/marks';
    const answer = await this.messages.GET(path, { params: { path: { conversation_id } } });
    // Of a large conversation that isn't told: message info asks for one message.
    return answer.response.status === 409 ? [] : read(answer).marks;
  }

  async markUnread(conversation_id: string): Promise<ConversationState> {
    const path = '/api/messages/conversations/{conversation_id}/unread';
    return read(await this.messages.POST(path, { params: { path: { conversation_id } } }));
  }

  async hide(conversation_id: string, number: number): Promise<ConversationState> {
    const path = '/api/messages/conversations/{conversation_id}/entries/{number}/hide';
    const params = { path: { conversation_id, number } };
    return read(await this.messages.POST(path, { params }));
  }

  /** Who got a message and who read it; 50 members a page. */
  async getReceipts(conversation_id: string, number: number, after: string | undefined) {
    const path = '/api/messages/conversations/{conversation_id}/entries/{number}/receipts';
    const query = after === undefined ? {} : { after };
    const params = { path: { conversation_id, number }, query };
    return read(await this.messages.GET(path, { params }));
  }

  async getUsers(userIds: string[]): Promise<User[]> {
    const query = { ids: userIds.join(',') };
    return read(await this.accounts.GET('/api/account/users', { params: { query } })).users;
  }

  async findUser(handle: string): Promise<User> {
    const path = '/api/account/users/by-handle/{handle}';
    return read(await this.accounts.GET(path, { params: { path: { handle } } }));
  }

  async openDirect(user_id: string): Promise<ConversationDescription> {
    const answer = await this.conversations.POST('/api/conversations/direct', {
      body: { user_id },
    });
    return read(answer).conversation as ConversationDescription;
  }

  async createGroup(group: {
    name: string;
    member_ids?: string[];
    description?: string;
    visibility?: 'public' | 'private';
  }): Promise<ConversationDescription> {
    const body = { member_ids: [], description: '', ...group };
    const answer = await this.conversations.POST('/api/conversations/groups', { body });
    return read(answer).conversation as ConversationDescription;
  }

  async changeGroup(
    conversation_id: string,
    body: {
      name?: string;
      description?: string;
      visibility?: 'public' | 'private';
      /** A file of the group; empty: none. */
      picture_id?: string;
    },
  ): Promise<ConversationDescription> {
    const path = '/api/conversations/{conversation_id}';
    const params = { path: { conversation_id } };
    const answer = await this.conversations.PATCH(path, { params, body });
    return read(answer).conversation as ConversationDescription;
  }

  async joinByInvitation(token: string): Promise<ConversationDescription> {
    const path = '/api/conversations/invitations/join';
    const answer = await this.conversations.POST(path, { body: { token } });
    return read(answer).conversation as ConversationDescription;
  }

  async joinGroup(name: string): Promise<ConversationDescription> {
    const answer = await this.conversations.POST('/api/conversations/groups/{name}/join', {
      params: { path: { name } },
    });
    return read(answer).conversation as ConversationDescription;
  }

  async leave(conversation_id: string): Promise<void> {
    const path = '/api/conversations/{conversation_id}/leave';
    done(await this.conversations.POST(path, { params: { path: { conversation_id } } }));
  }
}

export function read<T>(answer: Answer<T>): T {
  if (answer.data === undefined) throw toProblem(answer.response.status, answer.error);
  return answer.data;
}

/** Asking again would give the same: the engine stops asking. */
function readOrNotAllowed<T>(answer: Answer<T>): T {
  try {
    return read(answer);
  } catch (error) {
    if (error instanceof Problem && (error.status === 403 || error.status === 404)) {
      throw new NotAllowed(error.message);
    }
    throw error;
  }
}

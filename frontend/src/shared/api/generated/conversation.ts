// Made by `npm run generate` from docs/openapi/conversation.json.
export interface paths {
    "/api/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's conversations, newest activity first. */
        get: operations["list_conversations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/direct": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Opens the one conversation with another person, or returns it.
         * @description There is one for each two people, however often and by whomever it is opened. Idempotent.
         */
        post: operations["open_direct"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Creates a group that the caller owns.
         * @description The same call again, by the same person, returns the same group.
         */
        post: operations["create_group"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/groups/{name}/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Joins a group by its name. Idempotent.
         * @description Who joins sees what is written from then on. The first in an empty group owns it.
         */
        post: operations["join_group"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One conversation with its members, for one of them. */
        get: operations["get_conversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/leave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Leaves a group. Idempotent.
         * @description An owner hands the group to the admin, else the member, who has been in it longest. The last one
         *     leaves it empty; it keeps its name and can be joined again.
         */
        post: operations["leave_group"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/members/{user_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Removes a member from a group. Idempotent.
         * @description An owner may remove anybody, an admin plain members. Removing oneself is leaving.
         */
        delete: operations["remove_member"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Change: {
            message: components["schemas"]["Message"];
        } | {
            created: components["schemas"]["Created"];
        } | {
            joined: components["schemas"]["Joined"];
        } | {
            left: components["schemas"]["Left"];
        } | {
            edited: components["schemas"]["Edited"];
        } | {
            deleted: components["schemas"]["Deleted"];
        } | {
            reacted: components["schemas"]["Reacted"];
        } | {
            renamed: components["schemas"]["Renamed"];
        } | {
            role_changed: components["schemas"]["RoleChanged"];
        } | {
            picture_changed: components["schemas"]["PictureChanged"];
        } | {
            history_opened: components["schemas"]["HistoryOpened"];
        };
        /** @description A conversation as the caller sees it. */
        Conversation: {
            /** Format: uuid */
            conversation_id: string;
            /** Format: date-time */
            created_at: string;
            kind: components["schemas"]["ConversationKind"];
            /** @description Of a group. */
            name?: string | null;
            /**
             * Format: uuid
             * @description The other person of a direct conversation.
             */
            peer_id?: string | null;
        };
        /** @enum {string} */
        ConversationKind: "direct" | "group";
        /** @description Where a reader stands: head, read mark and unread count always come together. */
        ConversationState: {
            /** @default  */
            conversation_id: string;
            /**
             * Format: int64
             * @description The mark, or the entry by which the reader came if that is higher: what counts lies above it.
             * @default 0
             */
            counts_from_number: number;
            /**
             * Format: int64
             * @default 0
             */
            head_countable_total: number;
            /**
             * Format: int64
             * @default 0
             */
            head_number: number;
            /**
             * Format: int64
             * @description How many entries the reader has hidden here: whoever knows of fewer asks for them.
             * @default 0
             */
            hidden_count: number;
            /**
             * @description Whether the reader marked the conversation as unread.
             * @default false
             */
            marked_unread: boolean;
            /**
             * Format: int64
             * @description Grows with everything of the reader's that changes here. Of two states the one with the greater head
             *     and version is the newer one.
             * @default 0
             */
            marks_version: number;
            /**
             * Format: int64
             * @default 0
             */
            read_number: number;
            /**
             * Format: int64
             * @description Countable messages above the mark that the reader did not write, that were not deleted and that the
             *     reader did not hide.
             * @default 0
             */
            unread_count: number;
        };
        CreateGroupBody: {
            /** @description Who is in it from the start, besides the caller: at most 100. */
            member_ids?: string[];
            /** @description Unique: 3 to 64 of a-z, 0-9, '-', '_' and '.', a letter or digit first. */
            name: string;
        };
        Created: {
            /** @default [] */
            member_ids: string[];
        };
        /** @description The message `number` is gone for everybody. It counts no longer as unread for anybody. */
        Deleted: {
            /**
             * @description Who wrote it: for them it never counted.
             * @default
             */
            author_id: string;
            /**
             * @description UUIDv7 of this change.
             * @default
             */
            change_id: string;
            /** @default  */
            client_message_id: string;
            /**
             * Format: int64
             * @default 0
             */
            number: number;
        };
        /** @description The message `number` has another text. */
        Edited: {
            /**
             * @description UUIDv7 of this change.
             * @default
             */
            change_id: string;
            /** @default  */
            client_message_id: string;
            /**
             * Format: int64
             * @default 0
             */
            number: number;
            /**
             * @description Empty in the history of a message that was deleted later.
             * @default
             */
            text: string;
        };
        /**
         * @description One numbered change of a conversation. Numbers are gapless: whoever holds less than
         *     previous_number asks the history for what is between.
         */
        Entry: (components["schemas"]["Change"] | null) & {
            /**
             * @description Who did it.
             * @default
             */
            actor_id: string;
            /** @default  */
            conversation_id: string;
            /**
             * Format: int64
             * @description Countable messages from the start up to and including this entry: an unread count is a
             *     difference of two of these.
             * @default 0
             */
            countable_total: number;
            /**
             * Format: int64
             * @default 0
             */
            number: number;
            /**
             * Format: int64
             * @default 0
             */
            previous_number: number;
            /**
             * Format: int64
             * @description The server's time, for people to read; order comes from `number`.
             * @default 0
             */
            time_unix_ms: number;
        };
        /** @description One faulty field of a request. */
        FieldProblem: {
            /** @description Stable code in lower_snake_case. */
            code: string;
            /** @description A sentence for people. */
            detail: string;
            /** @description Path of the field, such as `member_ids[3]`. */
            field: string;
        };
        /** @description The member may see what was written before they came, from the number on. */
        HistoryOpened: {
            /**
             * Format: int64
             * @default 0
             */
            from_number: number;
            /** @default  */
            user_id: string;
        };
        Joined: {
            /** @default  */
            user_id: string;
        };
        /** @description The actor differs from the user where somebody was removed. */
        Left: {
            /** @default  */
            user_id: string;
        };
        /** @description A conversation and where the caller stands in it. */
        LineBody: {
            conversation: components["schemas"]["Conversation"];
            last_entry?: components["schemas"]["Entry"] | null;
            /** @description Head, read mark and unread count, always together. */
            state: components["schemas"]["ConversationState"];
        };
        /** @description A page of the caller's conversations. */
        ListBody: {
            items: components["schemas"]["LineBody"][];
            /** @description Absent on the last page. */
            next_cursor?: string | null;
        };
        /** @description A member of a conversation. */
        Member: {
            /** Format: date-time */
            joined_at: string;
            role: components["schemas"]["MemberRole"];
            /** Format: uuid */
            user_id: string;
        };
        /** @enum {string} */
        MemberRole: "owner" | "admin" | "member";
        /**
         * @description A message. On its way to the sockets it is as it was written; read from the history it is as it is now,
         *     with all changes up to `changed_number`. A client applies a change only to a message whose
         *     `changed_number` is below the number of the change.
         */
        Message: {
            /** @default [] */
            attachment_ids: string[];
            /**
             * Format: int64
             * @description Number of the latest change in it; 0: never changed.
             * @default 0
             */
            changed_number: number;
            /** @default  */
            client_message_id: string;
            /** @default false */
            deleted: boolean;
            /**
             * Format: int64
             * @description When the text was last changed; 0: never.
             * @default 0
             */
            edited_time_unix_ms: number;
            /** @default  */
            message_id: string;
            /**
             * @description In the order in which the first of each kind came.
             * @default []
             */
            reactions: components["schemas"]["Reaction"][];
            /**
             * Format: int64
             * @default 0
             */
            reply_to_number: number;
            /**
             * @description Empty once deleted.
             * @default
             */
            text: string;
        };
        OpenDirectBody: {
            /**
             * Format: uuid
             * @description The other person.
             */
            user_id: string;
        };
        /** @description The conversation that was opened, created or joined. */
        OpenedBody: {
            conversation: components["schemas"]["Conversation"];
        };
        PictureChanged: {
            /**
             * @description Empty: none.
             * @default
             */
            picture: string;
        };
        /**
         * @description The body of a refusal: `application/problem+json` (RFC 9457) with a stable `code`, the id of the
         *     trace, and the faulty fields.
         */
        ProblemBody: {
            /** @description Stable, lower_snake_case. */
            code: string;
            detail: string;
            errors?: components["schemas"]["FieldProblem"][];
            /**
             * Format: int32
             * @description HTTP status.
             */
            status: number;
            title: string;
            /** @description Names this request in the logs and traces of the deployment. */
            trace_id?: string | null;
            /** @description `urn:parlance:problem:<code>`. */
            type: string;
        };
        /** @description The actor reacts to the message `number`, or no longer does. */
        Reacted: (components["schemas"]["Reaction"] | null) & {
            /**
             * @description UUIDv7 of this change.
             * @default
             */
            change_id: string;
            /** @default  */
            client_message_id: string;
            /**
             * Format: int64
             * @default 0
             */
            number: number;
        };
        Reaction: {
            added: string;
        } | {
            removed: string;
        };
        Renamed: {
            /** @default  */
            name: string;
        };
        RoleChanged: {
            /**
             * @description `owner`, `admin` or `member`.
             * @default
             */
            role: string;
            /** @default  */
            user_id: string;
        };
        /** @description A conversation with its members. */
        ViewBody: {
            conversation: components["schemas"]["Conversation"];
            members: components["schemas"]["Member"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_conversations: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before; absent: the first page. */
                cursor?: string;
                /** @description 1 to 100; absent: 50. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ListBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    open_direct: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OpenDirectBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenedBody"];
                };
            };
            /** @description input_invalid, cannot_open_with_self */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description not_allowed: this person can't be reached by the caller */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description user_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description membership_pending: call again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    create_group: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateGroupBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenedBody"];
                };
            };
            /** @description input_invalid, with every faulty field */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description group_name_taken */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description membership_pending: call again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    join_group: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenedBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description group_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description group_full */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description membership_pending: call again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    get_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ViewBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, also for who isn't in it */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description membership_pending: call again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    leave_group: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Not a member any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, also for who never was in it */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description direct_conversation_fixed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description membership_pending: call again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    remove_member: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                user_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Not a member any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description role_insufficient */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description direct_conversation_fixed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description membership_pending: call again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
}

// Made by `npm run generate` from docs/openapi/message.json.
export interface paths {
    "/api/messages/conversations/{conversation_id}/delivered": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Says how far a device of yours has got.
         * @description Authors see it as "delivered". Idempotent.
         */
        post: operations["mark_delivered"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/entries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Reads a conversation.
         * @description Without `after` and `before`: the newest entries.
         */
        get: operations["list_entries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/entries/{number}/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Edits or deletes a message, or reacts to it.
         * @description Answers when the change is numbered and stored. After 503 or 504 the outcome is unknown: send it again
         *     with the same `client_message_id`.
         */
        post: operations["change_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/entries/{number}/hide": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Deletes an entry for you alone.
         * @description On all your devices. There is no way back. Idempotent.
         */
        post: operations["hide_entry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/entries/{number}/receipts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who got a message and who read it, and when. */
        get: operations["get_receipts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/entries/{number}/revisions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The history of a message. */
        get: operations["list_revisions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/hidden": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What you have hidden in a conversation. */
        get: operations["list_hidden"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/marks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How far each member has got.
         * @description In conversations of up to 100 members; in larger ones ask for the receipts of a message.
         */
        get: operations["list_marks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends a message.
         * @description Answers when it is numbered and stored. After 503 or 504 the outcome is unknown: send it again with
         *     the same `client_message_id`.
         */
        post: operations["send_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Moves your read mark up.
         * @description Answers where you stand then, on all your devices. Idempotent.
         */
        post: operations["mark_read"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/conversations/{conversation_id}/unread": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Marks a conversation as unread, for you.
         * @description On all your devices, until you read to its end. Moves no read mark back. Idempotent.
         */
        post: operations["mark_unread"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/messages/states": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Head, read mark and unread count of conversations. */
        get: operations["get_states"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The message was already stored by an earlier attempt. */
        Accepted: {
            /** @default  */
            client_message_id: string;
            /** @default  */
            conversation_id: string;
            /** @default  */
            message_id: string;
            /**
             * Format: int64
             * @default 0
             */
            number: number;
            /**
             * Format: int64
             * @default 0
             */
            time_unix_ms: number;
        };
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
        } | {
            group_deleted: components["schemas"]["GroupDeleted"];
        };
        ChangeBody: components["schemas"]["MessageChange"] & {
            /**
             * Format: uuid
             * @description UUID of version 7 of this change, made by the sender: the same again gives the first answer again.
             */
            client_message_id: string;
        };
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
        DeliveredBody: {
            /**
             * Format: int64
             * @description The last entry that a device of yours has stored; a lower one than before changes nothing.
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
        /** @description A page of entries. */
        EntryPage: {
            /**
             * Format: int64
             * @description All that you may see from here to `covered_to` is in `entries`.
             */
            covered_from: number;
            /** Format: int64 */
            covered_to: number;
            entries: components["schemas"]["Entry"][];
            state: components["schemas"]["ConversationState"];
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
        /** @description The group is gone: everybody has left it. */
        GroupDeleted: Record<string, never>;
        /** @description Numbers of entries that you have hidden, in the order of hiding. */
        HiddenEntries: {
            numbers: number[];
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
        /** @description How far each member has got. */
        MarkList: {
            /** @description Who has moved no mark yet is left out. */
            marks: components["schemas"]["Receipt"][];
        };
        /** @description When one member got and read a message. */
        MemberReceipt: {
            /**
             * Format: int64
             * @description The server's time; absent: not yet.
             */
            delivered_time_unix_ms?: number | null;
            /**
             * Format: int64
             * @description The server's time; absent: not yet.
             */
            read_time_unix_ms?: number | null;
            user_id: string;
        };
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
        /** @description One of these. */
        MessageChange: {
            /** @description Another text: 1 to 8,192 bytes of UTF-8. Only who wrote the message may. */
            edit: string;
        } | {
            /** @description Gone for everybody. Who wrote it may, and in a group its owner and admins. */
            delete: Record<string, never>;
        } | {
            /** @description An emoji that you put to the message. */
            add_reaction: string;
        } | {
            /** @description An emoji that you take away again. */
            remove_reaction: string;
        };
        /** @description Members who were there when the message was written, but its author; by user id. */
        MessageReceipts: {
            /** @description For `after` of the next page; absent on the last one. */
            next_after?: string | null;
            receipts: components["schemas"]["MemberReceipt"][];
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
        ReadBody: {
            /**
             * Format: int64
             * @description The last entry that was seen; a lower one than before changes nothing.
             */
            number: number;
        };
        /**
         * @description How far a member has got: everything up to each number. Goes to the authors of what is between the old
         *     marks and the new ones, in conversations of up to 100 members; in larger ones it can be asked for.
         */
        Receipt: {
            /** @default  */
            conversation_id: string;
            /**
             * Format: int64
             * @default 0
             */
            delivered_number: number;
            /**
             * Format: int64
             * @default 0
             */
            read_number: number;
            /**
             * Format: int64
             * @description The server's time of the move.
             * @default 0
             */
            time_unix_ms: number;
            /** @default  */
            user_id: string;
        };
        Renamed: {
            /** @default  */
            name: string;
        };
        /** @description A text that a message has had. */
        Revision: {
            text: string;
            /**
             * Format: int64
             * @description The server's time.
             */
            time_unix_ms: number;
        };
        /** @description Every text that a message has had, the first one first. */
        Revisions: {
            revisions: components["schemas"]["Revision"][];
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
        SendBody: {
            /** @description Ids of uploaded files, at most 10. */
            attachment_ids?: string[];
            /**
             * Format: uuid
             * @description UUID of version 7, made by the sender: the same again gives the first answer again.
             */
            client_message_id: string;
            /**
             * Format: int64
             * @description Number of the entry that this one answers; 0: none.
             */
            reply_to_number?: number;
            /** @description At most 8,192 bytes of UTF-8. */
            text?: string;
        };
        /** @description Where you stand in the conversations that you asked for; those you were never in are left out. */
        States: {
            states: components["schemas"]["ConversationState"][];
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
    mark_delivered: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeliveredBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationState"];
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
            /** @description not_a_member */
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
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description outcome_unknown */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    list_entries: {
        parameters: {
            query?: {
                /** @description Entries with greater numbers, ascending. */
                after?: number;
                /** @description Entries with smaller numbers, the nearest, ascending. */
                before?: number;
                /** @description 1 to 100; 50 if absent. */
                limit?: number;
            };
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
                    "application/json": components["schemas"]["EntryPage"];
                };
            };
            /** @description position_ambiguous */
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
            /** @description conversation_unknown */
            404: {
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
    change_message: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                number: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangeBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description change_invalid, client_message_id_invalid, client_message_id_expired, client_message_id_in_future, text_empty, text_too_long, reaction_invalid, too_many_changes */
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
            /** @description not_a_member, not_the_author, not_allowed */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, target_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description client_message_id_conflict, conversation_closed, target_deleted */
            409: {
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
            /** @description outcome_unknown */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    hide_entry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                number: number;
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
                    "application/json": components["schemas"]["ConversationState"];
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
            /** @description not_a_member */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, entry_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description too_many_hidden */
            409: {
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
            /** @description outcome_unknown */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    get_receipts: {
        parameters: {
            query?: {
                /** @description A user id: those above it. */
                after?: string;
                /** @description 1 to 100; 50 if absent. */
                limit?: number;
            };
            header?: never;
            path: {
                conversation_id: string;
                number: number;
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
                    "application/json": components["schemas"]["MessageReceipts"];
                };
            };
            /** @description user_id_invalid */
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
            /** @description not_a_member */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, entry_unknown */
            404: {
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
    list_revisions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                number: number;
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
                    "application/json": components["schemas"]["Revisions"];
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
            /** @description conversation_unknown, entry_unknown */
            404: {
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
    list_hidden: {
        parameters: {
            query?: {
                /** @description How many you know of; absent: none. */
                after?: number;
            };
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
                    "application/json": components["schemas"]["HiddenEntries"];
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
            /** @description conversation_unknown */
            404: {
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
    list_marks: {
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
                    "application/json": components["schemas"]["MarkList"];
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
            /** @description not_a_member */
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
            /** @description too_many_members */
            409: {
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
    send_message: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SendBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description message_invalid, client_message_id_invalid, client_message_id_expired, client_message_id_in_future, text_empty, text_too_long, attachment_invalid, reply_to_invalid */
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
            /** @description not_a_member, not_allowed */
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
            /** @description client_message_id_conflict, conversation_closed */
            409: {
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
            /** @description outcome_unknown */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    mark_read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReadBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationState"];
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
            /** @description not_a_member */
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
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description outcome_unknown */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    mark_unread: {
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
                    "application/json": components["schemas"]["ConversationState"];
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
            /** @description not_a_member */
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
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description outcome_unknown */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    get_states: {
        parameters: {
            query: {
                /** @description Conversation ids, separated by commas; at most 100. */
                ids: string;
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
                    "application/json": components["schemas"]["States"];
                };
            };
            /** @description conversation_id_invalid, too_many_ids */
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
}

// Made by `npm run generate` from docs/openapi/message.json.
export interface paths {
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
        };
        /** @description Where a reader stands: head, read mark and unread count always come together. */
        ConversationState: {
            /** @default  */
            conversation_id: string;
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
             * @default 0
             */
            read_number: number;
            /**
             * Format: int64
             * @description Countable messages above the mark that the reader did not write.
             * @default 0
             */
            unread_count: number;
        };
        Created: {
            /** @default [] */
            member_ids: string[];
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
        Joined: {
            /** @default  */
            user_id: string;
        };
        /** @description The actor differs from the user where somebody was removed. */
        Left: {
            /** @default  */
            user_id: string;
        };
        Message: {
            /** @default [] */
            attachment_ids: string[];
            /** @default  */
            client_message_id: string;
            /** @default  */
            message_id: string;
            /**
             * Format: int64
             * @default 0
             */
            reply_to_number: number;
            /** @default  */
            text: string;
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
        ReadBody: {
            /**
             * Format: int64
             * @description The last entry that was seen; a lower one than before changes nothing.
             */
            number: number;
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
            /** @description client_message_id_conflict */
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

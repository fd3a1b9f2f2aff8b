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
        /** Public groups by the beginning of their names, in the order of names. */
        get: operations["list_public_groups"];
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
    "/api/conversations/groups/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A group by its name: a public one, or one that the caller is in. */
        get: operations["get_group"];
        put?: never;
        post?: never;
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
         * Joins a public group by its name. Idempotent.
         * @description Who joins sees what is written from then on. The first in an empty group owns it.
         */
        post: operations["join_group"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/invitations/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Joins a group by a token. Idempotent: who is in already uses nothing up. */
        post: operations["join_by_invitation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/invitations/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a token invites to, before one joins. It isn't used up by that. */
        post: operations["preview_invitation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/pins": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Puts the caller's pinned conversations into an order. Idempotent. */
        put: operations["order_pins"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/reports/top-groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The ten groups with most members, active users or messages, of those that are public or the caller's.
         * @description What is written is counted some seconds later.
         */
        get: operations["report_top_groups"];
        put?: never;
        post?: never;
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
        /**
         * One conversation with its members, for one of them.
         * @description At most 100 members come at once: with `next_cursor` as `cursor` comes the next page. Who stays is met exactly
         *     once, however many join and leave meanwhile.
         */
        get: operations["get_conversation"];
        put?: never;
        post?: never;
        /**
         * Deletes a group. For owners. Idempotent.
         * @description Its name is free, its invitations end, its members keep what they saw.
         */
        delete: operations["delete_group"];
        options?: never;
        head?: never;
        /**
         * Changes a group: name, description and picture for owners and admins, visibility for owners.
         * @description Idempotent.
         */
        patch: operations["change_group"];
        trace?: never;
    };
    "/api/conversations/{conversation_id}/invitations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A group's open invitations. For owners and admins. */
        get: operations["list_invitations"];
        put?: never;
        /** Makes an invitation to a group. For owners and admins. */
        post: operations["create_invitation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/invitations/{invitation_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends an invitation. For owners and admins. Idempotent. */
        delete: operations["revoke_invitation"];
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
         * @description The last owner hands the group to the admin, else the member, who has been in it longest. The last one
         *     leaves a public group empty; it keeps its name and can be joined again. A private one is gone.
         */
        post: operations["leave_group"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Puts people into a group. For owners and admins. Idempotent.
         * @description They see what is written from then on.
         */
        post: operations["add_members"];
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
    "/api/conversations/{conversation_id}/members/{user_id}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Lets a member see what was written before they came. For owners. Idempotent.
         * @description It never closes what is open; who leaves and comes back begins anew.
         */
        put: operations["open_history"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/members/{user_id}/role": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Gives a member a role. For owners; anybody may step down. Idempotent.
         * @description A group can have several owners, and always has one.
         */
        put: operations["set_role"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's own settings of a conversation. */
        get: operations["get_settings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Mutes, archives or pins a conversation for the caller. Idempotent.
         * @description All of the caller's devices are told at once, by a `settings_changed` frame.
         */
        patch: operations["change_settings"];
        trace?: never;
    };
    "/chat/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** People with whom the caller has a one-to-one conversation, newest activity first. */
        get: operations["list_chat_users"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's groups, newest activity first. A page can be shorter than its limit. */
        get: operations["list_own_groups"];
        put?: never;
        /** Creates a group, as `POST /api/conversations/groups`. */
        post: operations["create_group_short"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A group, as `GET /api/conversations/groups/{name}`. */
        get: operations["get_group_short"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group/{name}/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Joins a public group, as `POST /api/conversations/groups/{name}/join`. */
        post: operations["join_group_short"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group/{name}/leave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Leaves a group, as `POST /api/conversations/{conversation_id}/leave`. */
        post: operations["leave_group_short"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group/{name}/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A group with a page of its members, as `GET /api/conversations/{conversation_id}`. */
        get: operations["list_members_short"];
        put?: never;
        /** Puts people into a group, as `POST /api/conversations/{conversation_id}/members`. */
        post: operations["add_members_short"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group/{name}/members/{user_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a member, as `DELETE /api/conversations/{conversation_id}/members/{user_id}`. */
        delete: operations["remove_member_short"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        AddMembersBody: {
            /** @description At most 100. All of them are added, or none. */
            user_ids: string[];
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
        /** @description What is absent stays as it is. */
        ChangeGroupBody: {
            description?: string | null;
            /** @description Unique; the old one is free at once. */
            name?: string | null;
            /** @description A file that was uploaded into this group; empty: no picture. */
            picture_id?: string | null;
            visibility?: components["schemas"]["GroupVisibility"] | null;
        };
        /** @description What is absent stays as it is. */
        ChangeSettingsBody: {
            archived?: boolean | null;
            mute?: components["schemas"]["Mute"] | null;
            /**
             * Format: date-time
             * @description With `until`, in the future.
             */
            muted_until?: string | null;
            /** @description What is newly pinned goes below the others; at most 50. */
            pinned?: boolean | null;
        };
        /** @description Somebody with whom the caller has a one-to-one conversation. */
        ChatUser: {
            /** Format: uuid */
            conversation_id: string;
            /** Format: int64 */
            unread_count: number;
            /** Format: uuid */
            user_id: string;
        };
        /** @description People with whom the caller has a one-to-one conversation, newest activity first. */
        ChatUsersBody: {
            items: components["schemas"]["ChatUser"][];
            /** @description Absent on the last page. A page can be shorter than its limit. */
            next_cursor?: string | null;
        };
        /** @description A conversation as the caller sees it. */
        Conversation: {
            /** Format: uuid */
            conversation_id: string;
            /** Format: date-time */
            created_at: string;
            group?: components["schemas"]["Group"] | null;
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
            description?: string;
            /** @description Who is in it from the start, besides the caller: at most 100. */
            member_ids?: string[];
            /** @description Unique: 3 to 64 of a-z, 0-9, '-', '_' and '.', a letter or digit first. */
            name: string;
            visibility?: components["schemas"]["GroupVisibility"] | null;
        };
        CreateInvitationBody: {
            /**
             * Format: int32
             * @description 60 to 7,776,000 (90 days); absent: 604,800 (7 days).
             */
            expires_in_seconds?: number | null;
            /**
             * Format: int32
             * @description 1 to 10,000; absent: as often as one likes.
             */
            max_uses?: number | null;
        };
        Created: {
            /** @default [] */
            member_ids: string[];
        };
        /** @description An invitation and its token. */
        CreatedInvitationBody: {
            invitation: components["schemas"]["Invitation"];
            /**
             * @description Whoever has it can join. It is told this once and stored nowhere. In a link it belongs behind a
             *     `#`, so that no server writes it into a log.
             */
            token: string;
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
        /** @description A group. */
        FoundGroupBody: {
            group: components["schemas"]["GroupCard"];
        };
        /** @description What a group says of itself. */
        Group: {
            /** @description May be empty. */
            description: string;
            /** Format: int32 */
            member_count: number;
            /**
             * Format: uuid
             * @description A file of the group; absent: none.
             */
            picture_id?: string | null;
            visibility: components["schemas"]["GroupVisibility"];
        };
        /** @description A group and what went on there in the period. */
        GroupActivity: {
            /** Format: int64 */
            active_users: number;
            group: components["schemas"]["GroupCard"];
            /** Format: int64 */
            messages: number;
        };
        /** @description A group as somebody sees it who need not be in it. */
        GroupCard: components["schemas"]["Group"] & {
            /** Format: uuid */
            conversation_id: string;
            name: string;
            role?: components["schemas"]["MemberRole"] | null;
        };
        /** @description The group is gone: everybody has left it. */
        GroupDeleted: Record<string, never>;
        /**
         * @description A public group is found and joined by its name, a private one by invitation only.
         * @enum {string}
         */
        GroupVisibility: "public" | "private";
        /** @description A page of groups, in the order of their names. */
        GroupsBody: {
            items: components["schemas"]["GroupCard"][];
            /** @description Absent on the last page. */
            next_cursor?: string | null;
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
        /** @description An invitation to a group, without its token. */
        Invitation: {
            /** Format: date-time */
            created_at: string;
            /** Format: uuid */
            created_by: string;
            /** Format: date-time */
            expires_at: string;
            /** Format: uuid */
            invitation_id: string;
            /**
             * Format: int32
             * @description Absent: as often as one likes.
             */
            max_uses?: number | null;
            /** Format: int32 */
            uses: number;
        };
        /** @description A group's open invitations, newest first. */
        InvitationsBody: {
            items: components["schemas"]["Invitation"][];
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
            /** @description The caller's own. */
            settings: components["schemas"]["Settings"];
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
        /** @enum {string} */
        Mute: "off" | "until" | "forever";
        OpenDirectBody: {
            /**
             * Format: uuid
             * @description The other person.
             */
            user_id: string;
        };
        OpenHistoryBody: {
            /**
             * Format: int64
             * @description Number of the first entry that they may see from now on; 1: all.
             */
            from_number: number;
        };
        /** @description The conversation that was opened, created or joined, as it is now. */
        OpenedBody: {
            conversation: components["schemas"]["Conversation"];
        };
        OrderPinsBody: {
            /** @description Exactly those that are pinned, from the top. */
            conversation_ids: string[];
        };
        PictureChanged: {
            /**
             * @description Empty: none.
             * @default
             */
            picture: string;
        };
        /** @description What a token invites to. */
        PreviewBody: {
            /** Format: date-time */
            expires_at: string;
            group: components["schemas"]["GroupCard"];
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
        /** @enum {string} */
        ReportMetric: "members" | "active_users" | "messages";
        RoleChanged: {
            /**
             * @description `owner`, `admin` or `member`.
             * @default
             */
            role: string;
            /** @default  */
            user_id: string;
        };
        SetRoleBody: {
            role: components["schemas"]["MemberRole"];
        };
        /** @description The caller's own settings of a conversation. */
        Settings: {
            archived: boolean;
            mute: components["schemas"]["Mute"];
            /**
             * Format: date-time
             * @description With `until`. In the past: it is over.
             */
            muted_until?: string | null;
            /**
             * Format: int32
             * @description From the top; absent: not pinned. There may be gaps.
             */
            pin_position?: number | null;
            /**
             * Format: int64
             * @description Grows with every change; 0: never changed.
             */
            version: number;
        };
        TokenBody: {
            token: string;
        };
        /** @description At most ten groups, most first. Those with nothing are left out. */
        TopGroupsBody: {
            by: components["schemas"]["ReportMetric"];
            /** Format: date */
            from: string;
            items: components["schemas"]["GroupActivity"][];
            /** Format: date */
            to: string;
        };
        /** @description A conversation with its members; of a large group a page of them. */
        ViewBody: {
            conversation: components["schemas"]["Conversation"];
            /** @description In the order in which they joined. How many there are in all is in the group's `member_count`. */
            members: components["schemas"]["Member"][];
            /** @description Absent: there are no more members. */
            next_cursor?: string | null;
            /** @description The caller's own; in a direct conversation `member`. */
            role: components["schemas"]["MemberRole"];
            /** @description The caller's own. */
            settings: components["schemas"]["Settings"];
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
                /** @description Absent: all. */
                filter?: "all" | "active" | "archived" | "pinned";
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
    list_public_groups: {
        parameters: {
            query?: {
                /** @description The beginning of the names; absent: all. */
                prefix?: string;
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
                    "application/json": components["schemas"]["GroupsBody"];
                };
            };
            /** @description input_invalid: prefix_invalid, cursor_invalid, limit_invalid */
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
            429: {
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
    get_group: {
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
                    "application/json": components["schemas"]["FoundGroupBody"];
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
            /** @description group_unknown, also for a private one that the caller is not in */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
            /** @description group_unknown, also for a private one */
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
    join_by_invitation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenBody"];
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
            /** @description invitation_unknown, also for one that has ended */
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
            429: {
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
    preview_invitation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewBody"];
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
            /** @description invitation_unknown, also for one that has ended */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    order_pins: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OrderPinsBody"];
            };
        };
        responses: {
            /** @description In this order now */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            /** @description pins_changed: others are pinned than these */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
    report_top_groups: {
        parameters: {
            query: {
                by: "members" | "active_users" | "messages";
                /** @description First day of the period, YYYY-MM-DD in UTC; absent: 29 days before the last one. */
                from?: string;
                /** @description Last day of the period; absent: today. At most 366 days. */
                to?: string;
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
                    "application/json": components["schemas"]["TopGroupsBody"];
                };
            };
            /** @description query_invalid, input_invalid: day_invalid, period_invalid */
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
            429: {
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
            query?: {
                /** @description `next_cursor` of the page before; absent: the first members. */
                cursor?: string;
                /** @description How many members: 1 to 100; absent: 50. */
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
    delete_group: {
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
            /** @description Nobody is in it any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            429: {
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
    change_group: {
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
                "application/json": components["schemas"]["ChangeGroupBody"];
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
            /** @description group_name_taken, direct_conversation_fixed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
    list_invitations: {
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
                    "application/json": components["schemas"]["InvitationsBody"];
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
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    create_invitation: {
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
                "application/json": components["schemas"]["CreateInvitationBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedInvitationBody"];
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
            /** @description too_many_invitations (50 open ones), direct_conversation_fixed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    revoke_invitation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                invitation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nobody joins by it any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            429: {
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
    add_members: {
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
                "application/json": components["schemas"]["AddMembersBody"];
            };
        };
        responses: {
            /** @description They are in it */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description input_invalid: user_id_invalid, user_unknown, too_many_members */
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
            /** @description group_full, direct_conversation_fixed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
    open_history: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                user_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OpenHistoryBody"];
            };
        };
        responses: {
            /** @description They may see it */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description input_invalid: from_number_invalid */
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
            /** @description role_insufficient */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, member_unknown */
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
            429: {
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
    set_role: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                user_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SetRoleBody"];
            };
        };
        responses: {
            /** @description They have this role */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            /** @description role_insufficient */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, member_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description owner_required, direct_conversation_fixed */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
    get_settings: {
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
                    "application/json": components["schemas"]["Settings"];
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
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    change_settings: {
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
                "application/json": components["schemas"]["ChangeSettingsBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Settings"];
                };
            };
            /** @description input_invalid: muted_until_invalid */
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
            /** @description too_many_pins */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
    list_chat_users: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before; absent: the first page. */
                cursor?: string;
                /** @description How many conversations are looked at: 1 to 100; absent: 50. */
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
                    "application/json": components["schemas"]["ChatUsersBody"];
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
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    list_own_groups: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before; absent: the first page. */
                cursor?: string;
                /** @description How many conversations are looked at: 1 to 100; absent: 50. */
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
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    create_group_short: {
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
            429: {
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
    get_group_short: {
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
                    "application/json": components["schemas"]["FoundGroupBody"];
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
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    join_group_short: {
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
            429: {
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
    leave_group_short: {
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
            /** @description Not a member any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            /** @description group_unknown, conversation_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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
    list_members_short: {
        parameters: {
            query?: {
                /** @description `next_cursor` of the page before; absent: the first members. */
                cursor?: string;
                /** @description How many members: 1 to 100; absent: 50. */
                limit?: number;
            };
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
            /** @description group_unknown, conversation_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    add_members_short: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AddMembersBody"];
            };
        };
        responses: {
            /** @description They are in it */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            /** @description role_insufficient */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description group_unknown, conversation_unknown */
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
            429: {
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
    remove_member_short: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
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
            /** @description role_insufficient */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description group_unknown, conversation_unknown */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            429: {
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

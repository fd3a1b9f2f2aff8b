-- What a group says of itself. Until now every group could be joined by its name.
ALTER TABLE conversations
    ADD COLUMN visibility text NOT NULL DEFAULT 'public'
        CHECK (visibility IN ('public', 'private')),
    ADD COLUMN description text NOT NULL DEFAULT '',
    -- A file of the file-upload service.
    ADD COLUMN picture_id uuid,
    -- A deleted group has the name '~' || id: no group can be given it, so the old one is free again.
    ADD COLUMN deleted_at_unix_ms bigint;

ALTER TABLE members
    -- Taken out by somebody else, at this time. NULL while in it, or after leaving.
    ADD COLUMN removed_at_unix_ms bigint,
    -- The owner lets them see from this number on; NULL: from their join.
    ADD COLUMN history_from bigint,
    -- Personal settings. They outlive leaving and coming back.
    ADD COLUMN settings_version bigint NOT NULL DEFAULT 0,
    -- NULL: not muted; 9223372036854775807: for ever.
    ADD COLUMN muted_until_unix_ms bigint,
    ADD COLUMN archived boolean NOT NULL DEFAULT false,
    -- From the top; NULL: not pinned.
    ADD COLUMN pin_position integer;

-- Whoever has the token can join. It is revoked by deleting the row.
CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    -- SHA-256 of the token, which has 256 random bits: a leaked table lets nobody in.
    token_hash bytea NOT NULL UNIQUE,
    created_by uuid NOT NULL,
    created_at_unix_ms bigint NOT NULL,
    expires_at_unix_ms bigint NOT NULL,
    -- NULL: as often as one likes.
    max_uses integer CHECK (max_uses > 0),
    uses integer NOT NULL DEFAULT 0,
    CHECK (max_uses IS NULL OR uses <= max_uses)
);

CREATE INDEX invitations_by_conversation ON invitations (conversation_id);

-- Messages by group, UTC day and sender: what the reports add up.
CREATE TABLE activity (
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    -- Since 1970-01-01.
    day integer NOT NULL,
    user_id uuid NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (day, conversation_id, user_id)
);

-- How far a group has been counted: entries up to this number are in `activity`, none above it.
CREATE TABLE activity_progress (
    conversation_id uuid PRIMARY KEY REFERENCES conversations (id),
    counted_number bigint NOT NULL
);

-- Groups with something to count: they had a record at this offset of the log.
CREATE TABLE activity_pending (
    conversation_id uuid PRIMARY KEY REFERENCES conversations (id),
    log_offset bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX activity_pending_by_age ON activity_pending (noted_at);

-- A conversation is direct (low, high) or a group (name); never both.
CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    name text UNIQUE,
    low uuid,
    high uuid,
    -- Of its membership: each change takes the next one under this row's lock.
    version bigint NOT NULL,
    -- Kept with the row, because whoever joins a group holds its lock anyway and counting thousands
    -- of members would not be free.
    member_count integer NOT NULL CHECK (member_count >= 0),
    -- With created_with: the same call again by the same person returns the same group.
    created_by uuid NOT NULL,
    created_with uuid[] NOT NULL,
    created_at_unix_ms bigint NOT NULL,
    UNIQUE (low, high),
    CHECK (
        (name IS NOT NULL AND low IS NULL AND high IS NULL)
        OR (name IS NULL AND low IS NOT NULL AND high IS NOT NULL AND low < high)
    )
);

-- Who left stays with left_version set: to them a repeated call gets the same answer, to strangers
-- the conversation doesn't exist.
CREATE TABLE members (
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    user_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    joined_at_unix_ms bigint NOT NULL,
    joined_version bigint NOT NULL,
    left_version bigint,
    PRIMARY KEY (conversation_id, user_id)
);

CREATE INDEX members_by_user ON members (user_id) INCLUDE (conversation_id)
    WHERE left_version IS NULL;

-- Membership changes on their way to the log, deleted when Kafka has acknowledged them.
CREATE TABLE outbox (
    conversation_id uuid NOT NULL,
    version bigint NOT NULL,
    -- parlance.event.v1.LogRecord
    record bytea NOT NULL,
    -- W3C trace context of the call that made the change.
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, version)
);

CREATE INDEX outbox_by_age ON outbox (created_at);

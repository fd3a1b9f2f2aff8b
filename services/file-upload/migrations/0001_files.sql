CREATE TABLE files (
    -- With the conversation's id, the key in the bucket.
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    uploader_id uuid NOT NULL,
    file_name text NOT NULL,
    content_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    -- Unset: announced, the bytes not yet seen.
    ready_at_unix_ms bigint,
    created_at_unix_ms bigint NOT NULL
);

-- For the sweep of what was announced and never came.
CREATE INDEX files_pending ON files (created_at_unix_ms) WHERE ready_at_unix_ms IS NULL;

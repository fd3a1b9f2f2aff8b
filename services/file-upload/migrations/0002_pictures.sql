-- Pictures of profiles. A table of their own, not rows of `files`: no query for an attachment can meet one.
CREATE TABLE pictures (
    -- With the person's id, the key in the bucket.
    id uuid PRIMARY KEY,
    -- Who uploaded it, for their own profile.
    user_id uuid NOT NULL,
    content_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    -- Unset: announced, the bytes not yet seen.
    ready_at_unix_ms bigint,
    created_at_unix_ms bigint NOT NULL,
    -- When it was last known to be in use, or to be new.
    checked_at_unix_ms bigint NOT NULL
);

-- How many a person has.
CREATE INDEX pictures_by_user ON pictures (user_id);

-- For the sweep of what no profile names.
CREATE INDEX pictures_by_check ON pictures (checked_at_unix_ms);

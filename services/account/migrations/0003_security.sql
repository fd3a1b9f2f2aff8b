ALTER TABLE sessions ADD COLUMN user_agent text NOT NULL DEFAULT '';
-- NULL: not since it began.
ALTER TABLE sessions ADD COLUMN last_used_unix_ms bigint;
-- When the person last proved in it that they are who they are. NULL: when it began.
ALTER TABLE sessions ADD COLUMN proved_unix_ms bigint;

-- Links that were mailed: each is good once, for one purpose.
CREATE TABLE one_time_links (
    -- SHA-256 of the token; the token itself is in the mail only.
    token_hash       bytea  PRIMARY KEY,
    user_id          uuid   NOT NULL REFERENCES users ON DELETE CASCADE,
    purpose          text   NOT NULL,
    -- Whose mailbox whoever has the token can read.
    email            text   NOT NULL,
    expires_unix_ms  bigint NOT NULL
);
CREATE INDEX one_time_links_user ON one_time_links (user_id);
CREATE INDEX one_time_links_expiry ON one_time_links (expires_unix_ms);

-- Outbox of mails. A link is made when its mail is sent, so no token lies here.
CREATE TABLE mail_outbox (
    mail_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind              text   NOT NULL,
    recipient         text   NOT NULL,
    -- NULL: whoever has the address, if anybody.
    user_id           uuid,
    tries             int    NOT NULL DEFAULT 0,
    next_try_unix_ms  bigint NOT NULL,
    -- Not worth sending any more.
    expires_unix_ms   bigint NOT NULL,
    -- Whoever asks twice while the first is waiting gets one.
    UNIQUE (kind, recipient)
);
CREATE INDEX mail_outbox_next ON mail_outbox (next_try_unix_ms);

-- What happened to an account, for its owner to read.
CREATE TABLE security_events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     uuid   NOT NULL REFERENCES users ON DELETE CASCADE,
    at_unix_ms  bigint NOT NULL,
    kind        text   NOT NULL,
    session_id  uuid,
    address     text   NOT NULL DEFAULT '',
    user_agent  text   NOT NULL DEFAULT '',
    -- Such as the name of a provider.
    detail      text   NOT NULL DEFAULT ''
);
CREATE INDEX security_events_user ON security_events (user_id, event_id);
CREATE INDEX security_events_at ON security_events (at_unix_ms);

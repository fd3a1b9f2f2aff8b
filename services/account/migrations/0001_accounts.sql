CREATE TABLE users (
    user_id         uuid   PRIMARY KEY,
    -- Normalised: see domain/email.rs.
    email           text   NOT NULL CONSTRAINT users_email_key UNIQUE,
    handle          text   NOT NULL CONSTRAINT users_handle_key UNIQUE,
    display_name    text   NOT NULL,
    -- A PHC string: algorithm, parameters, salt and hash.
    password_hash   text   NOT NULL,
    created_unix_ms bigint NOT NULL
);

-- One row a login on one device. It is the family of its refresh tokens.
CREATE TABLE sessions (
    session_id       uuid   PRIMARY KEY,
    user_id          uuid   NOT NULL REFERENCES users ON DELETE CASCADE,
    device_name      text   NOT NULL,
    created_unix_ms  bigint NOT NULL,
    -- Absolute: no refresh goes beyond it.
    expires_unix_ms  bigint NOT NULL,
    -- NULL: it goes on. Never cleared.
    ended_unix_ms    bigint,
    ended_why        text
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_unix_ms);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token; the token itself is with its holder only.
    token_hash       bytea  PRIMARY KEY,
    session_id       uuid   NOT NULL REFERENCES sessions ON DELETE CASCADE,
    issued_unix_ms   bigint NOT NULL,
    -- If nobody uses it until then, the session is over.
    expires_unix_ms  bigint NOT NULL,
    used_unix_ms     bigint
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Outbox: sessions that ended, and whose sockets are still to be closed.
CREATE TABLE ended_sessions (
    position    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id  uuid NOT NULL,
    user_id     uuid NOT NULL
);

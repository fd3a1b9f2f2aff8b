-- Who a person is at other providers (OpenID Connect).
CREATE TABLE identities (
    -- As the settings call it.
    provider        text   NOT NULL,
    -- `sub`: the provider's own and lasting id of the person.
    subject         text   NOT NULL,
    user_id         uuid   NOT NULL REFERENCES users ON DELETE CASCADE,
    -- As the provider told it when the identity was linked, for its owner to read. Decides nothing.
    email           text   NOT NULL,
    linked_unix_ms  bigint NOT NULL,
    PRIMARY KEY (provider, subject),
    UNIQUE (user_id, provider)
);

-- People who are at a provider at this moment. A row is used once.
CREATE TABLE oidc_flows (
    -- SHA-256 of `state`.
    state_hash       bytea  PRIMARY KEY,
    -- SHA-256 of the browser's cookie: an answer counts only in the browser that asked.
    browser_hash     bytea  NOT NULL,
    provider         text   NOT NULL,
    nonce            text   NOT NULL,
    pkce_verifier    text   NOT NULL,
    purpose          text   NOT NULL,
    -- Of who links or proves; NULL for a sign-in.
    user_id          uuid   REFERENCES users ON DELETE CASCADE,
    session_id       uuid,
    device_name      text   NOT NULL,
    return_to        text   NOT NULL,
    expires_unix_ms  bigint NOT NULL
);
CREATE INDEX oidc_flows_expiry ON oidc_flows (expires_unix_ms);

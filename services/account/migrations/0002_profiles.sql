-- NULL: nobody has shown yet that the mailbox is theirs.
ALTER TABLE users ADD COLUMN email_verified_unix_ms bigint;
ALTER TABLE users ADD COLUMN status_text text NOT NULL DEFAULT '';
-- See domain/picture.rs; empty: none.
ALTER TABLE users ADD COLUMN picture text NOT NULL DEFAULT '';
-- A JSON object, as its owner's clients keep it.
ALTER TABLE users ADD COLUMN metadata text NOT NULL DEFAULT '{}';
-- Grows with each change of the profile: the entity tag.
ALTER TABLE users ADD COLUMN version bigint NOT NULL DEFAULT 1;
-- Grows when what proves the person changes. A session begins only under the number that its proof
-- was checked with, so a sign-in that overlaps with a change of password comes to nothing.
ALTER TABLE users ADD COLUMN credentials_version bigint NOT NULL DEFAULT 1;
-- A tombstone: the id goes on, the person's data are gone.
ALTER TABLE users ADD COLUMN deleted_unix_ms bigint;
-- NULL: gone with the account.
ALTER TABLE users ALTER COLUMN email DROP NOT NULL;
-- NULL: signs in by an identity of another provider only.
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;

-- Handles that were given up: nobody else may take one before its time, and pass for its old owner.
CREATE TABLE retired_handles (
    handle         text   PRIMARY KEY,
    user_id        uuid   NOT NULL,
    until_unix_ms  bigint NOT NULL
);
CREATE INDEX retired_handles_until ON retired_handles (until_unix_ms);

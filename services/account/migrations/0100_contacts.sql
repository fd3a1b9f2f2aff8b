-- What a person allows others. No row: the defaults of src/domain/privacy.rs.
CREATE TABLE privacy (
    user_id             uuid    PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    may_write           text    NOT NULL CHECK (may_write IN ('everybody', 'shared_groups', 'contacts')),
    presence_visibility text    NOT NULL
        CHECK (presence_visibility IN ('shared_conversations', 'contacts', 'nobody')),
    found_by_handle     boolean NOT NULL,
    found_by_email      boolean NOT NULL,
    found_by_name       boolean NOT NULL
);

-- Two rows a pair, one for each list that it is on. They change together, under the lock of the pair.
CREATE TABLE contacts (
    owner_id      uuid   NOT NULL REFERENCES users ON DELETE CASCADE,
    other_id      uuid   NOT NULL REFERENCES users ON DELETE CASCADE,
    state         text   NOT NULL CHECK (state IN ('contact', 'invitation_sent', 'invitation_received')),
    since_unix_ms bigint NOT NULL,
    PRIMARY KEY (owner_id, other_id),
    CHECK (owner_id <> other_id)
);
CREATE INDEX contacts_latest ON contacts (owner_id, since_unix_ms DESC, other_id DESC);
CREATE INDEX contacts_other ON contacts (other_id);

-- Invitations that were declined: who sent them waits before the next one.
CREATE TABLE declined_invitations (
    inviter_id    uuid    NOT NULL REFERENCES users ON DELETE CASCADE,
    invitee_id    uuid    NOT NULL REFERENCES users ON DELETE CASCADE,
    times         integer NOT NULL,
    until_unix_ms bigint  NOT NULL,
    PRIMARY KEY (inviter_id, invitee_id)
);
CREATE INDEX declined_invitations_invitee ON declined_invitations (invitee_id);

-- A row stays when its block ends, for the version. While told_version is below version, the
-- conversation service has yet to learn of it: the table is its own outbox, and only the latest counts.
CREATE TABLE blocks (
    blocker_id      uuid    NOT NULL REFERENCES users ON DELETE CASCADE,
    blocked_id      uuid    NOT NULL REFERENCES users ON DELETE CASCADE,
    active          boolean NOT NULL,
    version         bigint  NOT NULL,
    told_version    bigint  NOT NULL,
    changed_unix_ms bigint  NOT NULL,
    PRIMARY KEY (blocker_id, blocked_id),
    CHECK (blocker_id <> blocked_id)
);
CREATE INDEX blocks_latest ON blocks (blocker_id, changed_unix_ms DESC, blocked_id DESC) WHERE active;
CREATE INDEX blocks_blocked ON blocks (blocked_id);
CREATE INDEX blocks_untold ON blocks (changed_unix_ms) WHERE told_version < version;

-- One spelling for search: in lower case, whatever the database's own locale, and without accents (they
-- are characters of their own after NFKD, Unicode Standard Annex 15). NFKD can make 18 characters of one,
-- and an index has no place for those of a long name.
CREATE FUNCTION search_form(said text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN left(regexp_replace(normalize(lower(said COLLATE "und-x-icu"), NFKD), U&'[\0300-\036F]', '', 'g'), 64);

-- What people are found by: their handle, their name, and each word of either. The order of the bytes
-- makes a prefix a range.
CREATE TABLE search_words (
    word    text COLLATE "C" NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (word, user_id)
);
CREATE INDEX search_words_user ON search_words (user_id);

CREATE FUNCTION words_of(handle text, display_name text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT search_form(handle)
    UNION SELECT search_form(display_name)
    UNION SELECT search_form(word)
          FROM regexp_split_to_table(handle || ' ' || display_name, '[[:space:]._''’-]+') AS word
          WHERE word <> '';
END;

-- By a trigger, so that no code that changes a name can forget it.
CREATE FUNCTION follow_names() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM search_words WHERE user_id = NEW.user_id;
    INSERT INTO search_words SELECT word, NEW.user_id FROM words_of(NEW.handle, NEW.display_name) AS word;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_names AFTER INSERT OR UPDATE OF handle, display_name ON users
    FOR EACH ROW EXECUTE FUNCTION follow_names();
INSERT INTO search_words
    SELECT word, user_id FROM users, words_of(handle, display_name) AS word;

-- Who has gone leaves nothing between them and others. After users_names: triggers fire in the order of
-- their names.
CREATE FUNCTION forget_relations() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM privacy WHERE user_id = NEW.user_id;
    DELETE FROM contacts WHERE owner_id = NEW.user_id OR other_id = NEW.user_id;
    DELETE FROM declined_invitations WHERE inviter_id = NEW.user_id OR invitee_id = NEW.user_id;
    DELETE FROM blocks WHERE blocker_id = NEW.user_id OR blocked_id = NEW.user_id;
    DELETE FROM search_words WHERE user_id = NEW.user_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_relations AFTER UPDATE OF deleted_unix_ms ON users
    FOR EACH ROW WHEN (NEW.deleted_unix_ms IS NOT NULL) EXECUTE FUNCTION forget_relations();

-- The one counter behind ids that are fetched ahead: numbers below it were leased.
CREATE TABLE leased_numbers (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next     bigint  NOT NULL
);
INSERT INTO leased_numbers (next) VALUES (0);

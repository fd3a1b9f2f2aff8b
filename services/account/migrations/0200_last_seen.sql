-- When people were last connected, as the gateways tell it: the copy that stays when Redis loses its own.
-- A table of its own, so that these writes don't touch the rows that everything else reads.
CREATE TABLE last_seen (
    user_id uuid   PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    unix_ms bigint NOT NULL
);

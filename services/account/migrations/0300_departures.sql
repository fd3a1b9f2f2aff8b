-- Outbox: people whose accounts were deleted, and whom the conversation service has yet to take out of
-- their conversations. Also those who were deleted before there was this table.
CREATE TABLE departures (
    user_id         uuid   PRIMARY KEY,
    deleted_unix_ms bigint NOT NULL
);
INSERT INTO departures (user_id, deleted_unix_ms)
    SELECT user_id, deleted_unix_ms FROM users WHERE deleted_unix_ms IS NOT NULL;

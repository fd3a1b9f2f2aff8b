-- no-transaction
-- Pages of the members of a large group, in the order in which they joined.
CREATE INDEX CONCURRENTLY IF NOT EXISTS members_in_order
    ON members (conversation_id, joined_version, user_id) WHERE left_version IS NULL;

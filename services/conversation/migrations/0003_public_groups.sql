-- no-transaction
-- Names are ASCII: in the order of their bytes, a prefix is a range.
CREATE INDEX CONCURRENTLY IF NOT EXISTS public_groups ON conversations (name COLLATE "C")
    WHERE visibility = 'public' AND name IS NOT NULL AND deleted_at_unix_ms IS NULL;

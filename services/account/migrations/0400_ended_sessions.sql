-- For the services that ask which sessions have ended of late.
CREATE INDEX sessions_ended ON sessions (ended_unix_ms, session_id) WHERE ended_unix_ms IS NOT NULL;

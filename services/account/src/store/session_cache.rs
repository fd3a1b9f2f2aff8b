use ids::SessionId;
use redis::aio::ConnectionManager;

use crate::metrics;

/// How long Redis may say that a session goes on without Postgres being asked. An end is written
/// here at once; this is for the end that Redis missed because it was away.
const ACTIVE_S: u64 = 60;
/// Longer than any access token lives.
const ENDED_S: u64 = 3_600;

/// `session:<id>` in Redis: `active` or `ended`. Whatever fails here is done without.
pub struct SessionCache(ConnectionManager);

impl SessionCache {
    pub const fn new(redis: ConnectionManager) -> Self {
        Self(redis)
    }

    /// Whether the session goes on, if that is known here.
    pub async fn is_active(&self, session: SessionId) -> Option<bool> {
        let known: Option<String> = self.run(redis::cmd("GET").arg(key(session))).await?;
        known.map(|state| state == "active")
    }

    /// Only where nothing is known: an end that came in between stays.
    pub async fn note_active(&self, session: SessionId) {
        let _: Option<Option<String>> = self
            .run(
                redis::cmd("SET")
                    .arg(key(session))
                    .arg("active")
                    .arg("NX")
                    .arg("EX")
                    .arg(ACTIVE_S),
            )
            .await;
    }

    pub async fn note_ended(&self, session: SessionId) {
        let _: Option<String> = self
            .run(
                redis::cmd("SET")
                    .arg(key(session))
                    .arg("ended")
                    .arg("EX")
                    .arg(ENDED_S),
            )
            .await;
    }

    async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        match command.query_async(&mut self.0.clone()).await {
            Ok(value) => Some(value),
            Err(error) => {
                metrics::redis_error();
                tracing::debug!(error = %error, "Redis failed; going on without");
                None
            }
        }
    }
}

fn key(session: SessionId) -> String {
    format!("session:{session}")
}

use std::time::Duration;

use ids::SessionId;
use rate_limit::Redis;

/// How long Redis may say that a session goes on without Postgres being asked. An end is written
/// there at once; this is for the end that Redis missed because it was away.
const ACTIVE_S: u64 = 60;
/// Longer than any access token lives.
const ENDED_S: u64 = 3_600;

/// `session:<id>` in Redis: `active` or `ended`. Whatever fails there is done without.
pub struct SessionCache {
    redis: Redis,
    /// What ended here, should Redis have missed it.
    ended: moka::sync::Cache<SessionId, ()>,
}

impl SessionCache {
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            ended: moka::sync::Cache::builder()
                .max_capacity(100_000)
                .time_to_live(Duration::from_secs(2 * ACTIVE_S))
                .build(),
        }
    }

    /// Whether the session goes on, if that is known here.
    pub async fn is_active(&self, session: SessionId) -> Option<bool> {
        if self.ended.contains_key(&session) {
            return Some(false);
        }
        let known: Option<String> = self
            .redis
            .ask(async |redis| redis::cmd("GET").arg(key(session)).query_async(redis).await)
            .await?;
        known.map(|state| state == "active")
    }

    /// Only where nothing is known: an end that came in between stays.
    pub async fn note_active(&self, session: SessionId) {
        let _: Option<Option<String>> = self
            .redis
            .ask(async |redis| {
                redis::cmd("SET")
                    .arg(key(session))
                    .arg("active")
                    .arg("NX")
                    .arg("EX")
                    .arg(ACTIVE_S)
                    .query_async(redis)
                    .await
            })
            .await;
    }

    pub async fn note_ended(&self, session: SessionId) {
        self.ended.insert(session, ());
        let _: Option<String> = self
            .redis
            .insist(async |redis| {
                redis::cmd("SET")
                    .arg(key(session))
                    .arg("ended")
                    .arg("EX")
                    .arg(ENDED_S)
                    .query_async(redis)
                    .await
            })
            .await;
    }
}

fn key(session: SessionId) -> String {
    format!("session:{session}")
}

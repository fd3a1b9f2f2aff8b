use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::Clock;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{FromRedisValue, RedisResult};
use redis_client::{InvalidRedis, RedisSettings};

/// After a failure Redis is left alone for so long: one request waits for it, not every one.
const LEFT_ALONE_MS: u64 = 1_000;

/// A connection that is made when it is first used, and again when it was lost. It fails fast,
/// because everything goes on without it. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    clock: Clock,
    /// Unix milliseconds.
    left_alone_until: Arc<AtomicU64>,
}

impl Redis {
    /// # Errors
    /// When a setting is invalid.
    pub fn new(settings: &RedisSettings, clock: Clock) -> Result<Self, InvalidRedis> {
        let client = settings.client()?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(10))
            .set_connection_timeout(Some(Duration::from_millis(500)))
            .set_response_timeout(Some(Duration::from_millis(300)));
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config)
                .map_err(|_| InvalidRedis::Url)?,
            clock,
            left_alone_until: Arc::default(),
        })
    }

    /// Asks, unless Redis has failed a moment ago; `None` is for "done without".
    pub async fn ask<T: FromRedisValue>(
        &self,
        ask: impl AsyncFnOnce(&mut ConnectionManager) -> RedisResult<T>,
    ) -> Option<T> {
        if self.clock.unix_ms() < self.left_alone_until.load(Ordering::Relaxed) {
            failed();
            return None;
        }
        self.insist(ask).await
    }

    /// Asks though it may have failed a moment ago.
    pub async fn insist<T: FromRedisValue>(
        &self,
        ask: impl AsyncFnOnce(&mut ConnectionManager) -> RedisResult<T>,
    ) -> Option<T> {
        match ask(&mut self.connection.clone()).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                failed();
                tracing::debug!(error = %error, "Redis failed; going on without");
                self.left_alone_until
                    .store(self.clock.unix_ms() + LEFT_ALONE_MS, Ordering::Relaxed);
                None
            }
        }
    }
}

/// A call that was done without Redis.
fn failed() {
    metrics::counter!("redis_errors_total").increment(1);
}

//! How often somebody may do something. Each limit is counted twice: in this process, always, and in
//! Redis, for all replicas together, while Redis is there. So losing Redis loosens a limit to one per
//! replica, and never lifts it.

mod redis_handle;

use std::fmt::Display;
use std::time::Duration;

use clock::Clock;
use moka::ops::compute::Op;
use problem::{Kind, Problem, Quota};
use serde::Deserialize;

pub use redis_handle::Redis;

/// Most keys that are remembered here; the least used go first.
const REMEMBERED: u64 = 100_000;

/// `tries` within `window_seconds`, all at once or spread.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub tries: u32,
    pub window_seconds: u32,
}

/// Names of limits across a deployment: `name` is part of the keys in Redis.
pub struct Limit {
    name: &'static str,
    tries: u32,
    window: Duration,
    clock: Clock,
    redis: Redis,
    /// By key: the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371), in
    /// microseconds since 1970.
    arrivals: moka::sync::Cache<String, u64>,
}

impl Limit {
    /// A limit of its own under `name`, such as `conversation:changes`.
    #[must_use]
    pub fn new(name: &'static str, rate: Rate, redis: Redis, clock: Clock) -> Self {
        let window = Duration::from_secs(u64::from(rate.window_seconds.max(1)));
        Self {
            name,
            tries: rate.tries.max(1),
            window,
            clock,
            redis,
            arrivals: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(window.max(Duration::from_secs(60)))
                .build(),
        }
    }

    /// Counts `cost` tries of `key`: before they are made, so that parallel ones can't slip through. What
    /// costs more than the whole limit costs as much as that.
    ///
    /// # Errors
    /// `rate_limited` with the time to wait.
    pub async fn take(&self, key: impl Display, cost: u32) -> Result<(), Problem> {
        let key = key.to_string();
        let cost = cost.min(self.tries);
        let taken = match self.take_here(&key, cost) {
            Ok(()) => {
                let taken = self.take_in_redis(&key, cost).await;
                if taken.is_err() {
                    self.give_back_here(&key, cost);
                }
                taken
            }
            refused @ Err(_) => refused,
        };
        taken.map_err(|wait| {
            metrics::counter!("rate_limited_total", "limit" => self.name).increment(1);
            Problem::new(
                Kind::RateLimited,
                "rate_limited",
                "Too much at once. Wait a moment, then try again.",
            )
            .with_retry_after(wait)
            .with_quota(Quota {
                name: self.name,
                tries: self.tries,
                window: self.window,
            })
        })
    }

    /// What was taken doesn't count.
    pub async fn give_back(&self, key: impl Display, cost: u32) {
        let key = key.to_string();
        let cost = cost.min(self.tries);
        self.give_back_here(&key, cost);
        let _: Option<()> = self
            .redis
            .ask(async |connection| {
                redis::Script::new(
                    // Never below zero, and never a counter that does not expire.
                    "if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
                         redis.call('DECRBY', KEYS[1], ARGV[1])
                     end",
                )
                .key(self.redis_key(&key))
                .arg(cost)
                .invoke_async(connection)
                .await
            })
            .await;
    }

    fn redis_key(&self, key: &str) -> String {
        format!("limit:{}:{key}", self.name)
    }

    /// Microseconds that `cost` tries take up.
    fn span_us(&self, cost: u32) -> u64 {
        let window_us = self.window.as_micros() as u64;
        (window_us * u64::from(cost) / u64::from(self.tries)).max(u64::from(cost > 0))
    }

    fn take_here(&self, key: &str, cost: u32) -> Result<(), Duration> {
        let now = self.clock.unix_ms() * 1_000;
        let span = self.span_us(cost);
        let burst = self.span_us(self.tries);
        let mut wait = None;
        self.arrivals.entry_by_ref(key).and_compute_with(|entry| {
            let arrival = entry.map_or(now, |e| *e.value()).max(now);
            if arrival + span > now + burst {
                wait = Some(arrival + span - now - burst);
                Op::Nop
            } else {
                Op::Put(arrival + span)
            }
        });
        wait.map_or(Ok(()), |us| Err(Duration::from_micros(us)))
    }

    fn give_back_here(&self, key: &str, cost: u32) {
        let span = self.span_us(cost);
        self.arrivals.entry_by_ref(key).and_compute_with(|entry| {
            entry.map_or(Op::Nop, |e| Op::Put(e.value().saturating_sub(span)))
        });
    }

    /// Counts in windows that begin with the first try. Without Redis: no objection.
    async fn take_in_redis(&self, key: &str, cost: u32) -> Result<(), Duration> {
        let counted: Option<(u64, i64)> = self
            .redis
            .ask(async |connection| {
                redis::Script::new(
                    "local n = redis.call('INCRBY', KEYS[1], ARGV[3])
                     if n == tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
                     if n > tonumber(ARGV[2]) then redis.call('DECRBY', KEYS[1], ARGV[3]) end
                     return {n, redis.call('PTTL', KEYS[1])}",
                )
                .key(self.redis_key(key))
                .arg(self.window.as_millis() as u64)
                .arg(self.tries)
                .arg(cost)
                .invoke_async(connection)
                .await
            })
            .await;
        match counted {
            Some((count, ttl_ms)) if count > u64::from(self.tries) => {
                Err(Duration::from_millis(ttl_ms.max(1) as u64))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use redis_client::RedisSettings;

    use super::*;

    /// Without Redis: nothing listens there.
    fn limit(clock: &Clock) -> Limit {
        let settings = RedisSettings {
            url: "redis://127.0.0.1:1".into(),
            ca: String::new(),
        };
        let redis = Redis::new(&settings, clock.clone()).unwrap();
        let rate = Rate {
            tries: 5,
            window_seconds: 60,
        };
        Limit::new("test", rate, redis, clock.clone())
    }

    fn wait_of(taken: Result<(), Problem>) -> Option<Duration> {
        taken.unwrap_err().retry_after
    }

    #[tokio::test]
    async fn without_redis_tries_are_still_limited() {
        let clock = Clock::manual(1_800_000_000_000);
        let limit = limit(&clock);
        for _ in 0..5 {
            limit.take("ada", 1).await.unwrap();
        }
        let wait = wait_of(limit.take("ada", 1).await);
        assert_eq!(wait, Some(Duration::from_secs(12)));
        limit.take("bob", 1).await.unwrap();
        clock.advance(Duration::from_secs(12));
        limit.take("ada", 1).await.unwrap();
        limit.take("ada", 1).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_is_given_back_does_not_count() {
        let clock = Clock::manual(1_800_000_000_000);
        let limit = limit(&clock);
        for _ in 0..50 {
            limit.take("ada", 2).await.unwrap();
            limit.give_back("ada", 2).await;
        }
    }

    #[tokio::test]
    async fn what_is_dear_costs_more() {
        let clock = Clock::manual(1_800_000_000_000);
        let limit = limit(&clock);
        limit.take("ada", 3).await.unwrap();
        let wait = wait_of(limit.take("ada", 4).await);
        assert_eq!(wait, Some(Duration::from_secs(24)));
        limit.take("ada", 2).await.unwrap();
        // More than all is all: it is never refused for ever.
        limit.take("bob", 100).await.unwrap();
        limit.take("bob", 1).await.unwrap_err();
    }
}

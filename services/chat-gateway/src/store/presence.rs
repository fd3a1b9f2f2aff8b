//! How people stand, as their leases in Redis say it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use events::redis_keys;
use ids::UserId;
use redis::aio::ConnectionManager;
use redis::{ErrorKind, Pipeline, RedisError, Script, ServerErrorKind};

use super::registrations::{Registrations, script, user_keys};

/// Users in one pipeline.
const BATCH: usize = 512;

/// How somebody stands in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// For how long the leases of their sockets are good; zero: they have none.
    pub connected_for: Duration,
    pub last_seen_unix_ms: Option<u64>,
}

/// Reads leases; enters this gateway as one that is told of changes. Cheap to clone.
#[derive(Clone)]
pub struct Presences {
    redis: ConnectionManager,
    look: Script,
    field: Arc<str>,
    lease: Duration,
}

impl Presences {
    #[must_use]
    pub fn new(registrations: &Registrations, lease: Duration) -> Self {
        Self {
            redis: registrations.redis(),
            look: script(include_str!("look.lua")),
            field: registrations.field(),
            lease,
        }
    }

    /// How often those whom this gateway watches have to be looked at, so that it is told of changes.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        self.lease / 3
    }

    /// How people stand now, in the order asked for.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn look(&self, users: &[UserId]) -> Result<Vec<Sighting>, RedisError> {
        self.look_for(users, 0).await
    }

    /// As [`Presences::look`]; this gateway is told of changes for the length of a lease.
    ///
    /// # Errors
    /// As [`Presences::look`].
    pub async fn watch(&self, users: &[UserId]) -> Result<Vec<Sighting>, RedisError> {
        self.look_for(users, self.lease.as_millis() as u64).await
    }

    async fn look_for(&self, users: &[UserId], lease_ms: u64) -> Result<Vec<Sighting>, RedisError> {
        let mut redis = self.redis.clone();
        let mut sightings = Vec::with_capacity(users.len());
        for users in users.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(users.len());
            for user in users {
                let mut look = self.look.prepare_invoke();
                user_keys(&mut look, *user);
                pipeline.invoke_script(look.arg(&*self.field).arg(lease_ms));
            }
            let mut answers: Result<Vec<(u64, u64)>, _> = pipeline.query_async(&mut redis).await;
            if let Err(error) = &answers
                && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
            {
                // A new Redis, or one that lost its scripts.
                self.look.prepare_invoke().load_async(&mut redis).await?;
                answers = pipeline.query_async(&mut redis).await;
            }
            sightings.extend(answers?.into_iter().map(|(left_ms, seen)| Sighting {
                connected_for: Duration::from_millis(left_ms),
                last_seen_unix_ms: Some(seen).filter(|seen| *seen > 0),
            }));
        }
        Ok(sightings)
    }

    /// This gateway needs no more to be told of changes of these people.
    ///
    /// # Errors
    /// When Redis doesn't answer; then the lease runs out by itself.
    pub async fn unwatch(&self, users: &[UserId]) -> Result<(), RedisError> {
        for users in users.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(users.len());
            for user in users {
                let key = redis_keys::watchers(*user);
                pipeline.hdel(key, &*self.field).ignore();
            }
            pipeline.query_async::<()>(&mut self.redis.clone()).await?;
        }
        Ok(())
    }

    /// The deliveries partitions of the gateways that hold sockets of these people.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn holders(&self, users: &[UserId]) -> Result<HashMap<u32, Vec<UserId>>, RedisError> {
        let mut redis = self.redis.clone();
        let mut holders = HashMap::<u32, Vec<UserId>>::new();
        for users in users.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(users.len() + 1);
            pipeline.cmd("TIME");
            for user in users {
                pipeline.hgetall(redis_keys::sockets(*user));
            }
            let answers: Vec<redis::Value> = pipeline.query_async(&mut redis).await?;
            let mut answers = answers.into_iter();
            let time = answers.next().unwrap_or(redis::Value::Nil);
            let (seconds, micros): (u64, u64) = redis::from_redis_value(time)?;
            let now = seconds * 1_000 + micros / 1_000;
            for (user, leases) in users.iter().zip(answers) {
                let leases: Vec<(String, u64)> = redis::from_redis_value(leases)?;
                let mut partitions: Vec<u32> = leases
                    .iter()
                    .filter(|(_, until)| *until > now)
                    .filter_map(|(field, _)| field.split_once(':')?.0.parse().ok())
                    .collect();
                // A gateway that was restarted has a field for each of its boots.
                partitions.sort_unstable();
                partitions.dedup();
                for partition in partitions {
                    holders.entry(partition).or_default().push(*user);
                }
            }
        }
        Ok(holders)
    }
}

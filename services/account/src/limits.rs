//! How often one may try. Each limit is counted twice: here, always, and in Redis, for all
//! replicas together, while Redis is there. So losing Redis loosens a limit to one per replica,
//! and never lifts it.
//!
//! A try is counted before it is made, so that parallel ones can't slip through, and given back
//! when it was a good one: who knows the password is not slowed down.

use std::net::IpAddr;
use std::time::Duration;

use clock::Clock;
use ids::UserId;
use moka::ops::compute::Op;
use problem::{Kind, Problem};
use sha2::{Digest as _, Sha256};

use crate::config;
use crate::domain::Email;
use crate::store::Redis;

/// Most keys that are remembered here; the least used go first.
const REMEMBERED: u64 = 100_000;

pub struct Limits {
    account_and_address: Limit,
    account: Limit,
    address: Limit,
    invitations: Limit,
    invitations_of_pair: Limit,
    block_changes: Limit,
    searches: Limit,
    searches_of_day: Limit,
    searches_from_address: Limit,
    mail_recipient: Limit,
    mail_address: Limit,
    handle_changes: Limit,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

impl Limits {
    pub fn new(
        settings: &config::Limits,
        contacts: &config::Contacts,
        redis: Redis,
        clock: Clock,
    ) -> Self {
        let limit = |name, tries, window_seconds: u32| {
            Limit::new(
                name,
                tries,
                Duration::from_secs(window_seconds.into()),
                redis.clone(),
                clock.clone(),
            )
        };
        Self {
            account_and_address: limit(
                "account-address",
                settings.tries_per_account_and_address,
                settings.tries_per_account_and_address_window_seconds,
            ),
            account: limit(
                "account",
                settings.tries_per_account,
                settings.tries_per_account_window_seconds,
            ),
            address: limit(
                "address",
                settings.tries_per_address,
                settings.tries_per_address_window_seconds,
            ),
            invitations: limit("invitations", contacts.invitations_per_hour, HOUR),
            invitations_of_pair: limit(
                "invitations-pair",
                contacts.invitations_to_one_person_per_day,
                DAY,
            ),
            block_changes: limit("blocks", contacts.block_changes_per_minute, MINUTE),
            searches: limit("searches", contacts.searches_per_minute, MINUTE),
            searches_of_day: limit("searches-day", contacts.searches_per_day, DAY),
            searches_from_address: limit(
                "searches-address",
                contacts.searches_per_address_and_minute,
                MINUTE,
            ),
            mail_recipient: limit(
                "mail-recipient",
                settings.mails_per_recipient,
                settings.mails_per_recipient_window_seconds,
            ),
            mail_address: limit(
                "mail-address",
                settings.mails_per_address,
                settings.mails_per_address_window_seconds,
            ),
            handle_changes: limit(
                "handle-changes",
                settings.handle_changes,
                settings.handle_changes_window_seconds,
            ),
        }
    }

    /// Counts an invitation.
    pub async fn invitation(&self, inviter: UserId, invitee: UserId) -> Result<Try<'_>, Problem> {
        let (inviter, invitee) = (inviter.to_string(), invitee.to_string());
        self.count(vec![
            (&self.invitations, key(&[&inviter])),
            (&self.invitations_of_pair, key(&[&inviter, &invitee])),
        ])
        .await
    }

    /// Counts a block, or the end of one.
    pub async fn block_change(&self, blocker: UserId) -> Result<Try<'_>, Problem> {
        let blocker = key(&[&blocker.to_string()]);
        self.count(vec![(&self.block_changes, blocker)]).await
    }

    /// Counts a search for people, or a look for one of them.
    pub async fn search(&self, seeker: UserId, address: IpAddr) -> Result<Try<'_>, Problem> {
        let seeker = key(&[&seeker.to_string()]);
        self.count(vec![
            (&self.searches, seeker.clone()),
            (&self.searches_of_day, seeker),
            (&self.searches_from_address, key(&[&address_key(address)])),
        ])
        .await
    }

    /// Counts a try to sign in.
    pub async fn sign_in(&self, email: &Email, address: IpAddr) -> Result<Try<'_>, Problem> {
        let address = address_key(address);
        self.count(vec![
            (&self.address, key(&[&address])),
            (&self.account_and_address, key(&[email.as_str(), &address])),
            (&self.account, key(&[email.as_str()])),
        ])
        .await
    }

    /// Counts a registration.
    pub async fn registration(&self, address: IpAddr) -> Result<Try<'_>, Problem> {
        self.count(vec![(&self.address, key(&[&address_key(address)]))])
            .await
    }

    /// Counts a mail that somebody asks for. Known and unknown recipients count alike.
    pub async fn mail(&self, recipient: &Email, address: IpAddr) -> Result<Try<'_>, Problem> {
        self.count(vec![
            (&self.mail_address, key(&[&address_key(address)])),
            (&self.mail_recipient, key(&[recipient.as_str()])),
        ])
        .await
    }

    /// Counts a change of a handle.
    pub async fn handle_change(&self, user: UserId) -> Result<Try<'_>, Problem> {
        self.count(vec![(&self.handle_changes, key(&[&user.to_string()]))])
            .await
    }

    async fn count<'a>(&'a self, wanted: Vec<(&'a Limit, String)>) -> Result<Try<'a>, Problem> {
        let mut counted: Vec<(&Limit, String)> = Vec::with_capacity(wanted.len());
        for (limit, key) in wanted {
            if let Err(wait) = limit.take(&key).await {
                Try { counted }.give_back().await;
                return Err(Problem::new(
                    Kind::RateLimited,
                    "rate_limited",
                    "Too many tries. Wait a moment, then try again.",
                )
                .with_retry_after(wait));
            }
            counted.push((limit, key));
        }
        Ok(Try { counted })
    }
}

/// A try that was counted.
pub struct Try<'a> {
    counted: Vec<(&'a Limit, String)>,
}

impl Try<'_> {
    /// It was a good one: it does not count.
    pub async fn give_back(self) {
        for (limit, key) in self.counted {
            limit.give_back(&key).await;
        }
    }
}

/// One IPv6 customer has a /64, all of whose addresses are theirs.
fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}", s[0], s[1], s[2], s[3])
        }
    }
}

/// Hashed: Redis need not know who has an account here.
fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

struct Limit {
    name: &'static str,
    tries: u32,
    window: Duration,
    clock: Clock,
    redis: Redis,
    /// By key: the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371), in
    /// Unix milliseconds.
    arrivals: moka::sync::Cache<String, u64>,
}

impl Limit {
    fn new(name: &'static str, tries: u32, window: Duration, redis: Redis, clock: Clock) -> Self {
        Self {
            name,
            tries: tries.max(1),
            window,
            clock,
            redis,
            arrivals: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(window.max(Duration::from_secs(60)))
                .build(),
        }
    }

    /// Counts one, or says how long to wait.
    async fn take(&self, key: &str) -> Result<(), Duration> {
        self.take_here(key)?;
        if let Err(wait) = self.take_in_redis(key).await {
            self.give_back_here(key);
            return Err(wait);
        }
        Ok(())
    }

    async fn give_back(&self, key: &str) {
        self.give_back_here(key);
        let _: Option<()> = self
            .redis
            .ask(async |redis| {
                redis::Script::new(
                    // Never below zero, and never a counter that does not expire.
                    "if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then
                         redis.call('DECR', KEYS[1])
                     end",
                )
                .key(self.redis_key(key))
                .invoke_async(redis)
                .await
            })
            .await;
    }

    /// Milliseconds that one try costs.
    fn cost_ms(&self) -> u64 {
        (self.window.as_millis() as u64 / u64::from(self.tries)).max(1)
    }

    fn take_here(&self, key: &str) -> Result<(), Duration> {
        let now = self.clock.unix_ms();
        let cost = self.cost_ms();
        let burst = cost * u64::from(self.tries);
        let mut wait = None;
        self.arrivals.entry_by_ref(key).and_compute_with(|entry| {
            let arrival = entry.map_or(now, |e| *e.value()).max(now);
            if arrival + cost > now + burst {
                wait = Some(arrival + cost - now - burst);
                Op::Nop
            } else {
                Op::Put(arrival + cost)
            }
        });
        wait.map_or(Ok(()), |ms| Err(Duration::from_millis(ms)))
    }

    fn give_back_here(&self, key: &str) {
        let cost = self.cost_ms();
        self.arrivals.entry_by_ref(key).and_compute_with(|entry| {
            entry.map_or(Op::Nop, |e| Op::Put(e.value().saturating_sub(cost)))
        });
    }

    fn redis_key(&self, key: &str) -> String {
        format!("limit:{}:{key}", self.name)
    }

    /// Counts in windows that begin with the first try. Without Redis: no objection.
    async fn take_in_redis(&self, key: &str) -> Result<(), Duration> {
        let counted: Option<(u64, i64)> = self
            .redis
            .ask(async |redis| {
                redis::Script::new(
                    "local n = redis.call('INCR', KEYS[1])
                     if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
                     if n > tonumber(ARGV[2]) then redis.call('DECR', KEYS[1]) end
                     return {n, redis.call('PTTL', KEYS[1])}",
                )
                .key(self.redis_key(key))
                .arg(self.window.as_millis() as u64)
                .arg(self.tries)
                .invoke_async(redis)
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
    use super::*;

    /// Without Redis: nothing listens there.
    fn limit(clock: &Clock) -> Limit {
        let settings = config::Redis {
            url: "redis://127.0.0.1:1".into(),
        };
        let redis = Redis::new(&settings, clock.clone()).unwrap();
        Limit::new("test", 5, Duration::from_secs(60), redis, clock.clone())
    }

    #[tokio::test]
    async fn without_redis_tries_are_still_limited() {
        let clock = Clock::manual(1_800_000_000_000);
        let limit = limit(&clock);
        for _ in 0..5 {
            limit.take("ada").await.unwrap();
        }
        assert_eq!(limit.take("ada").await, Err(Duration::from_secs(12)));
        limit.take("bob").await.unwrap();
        clock.advance(Duration::from_secs(12));
        limit.take("ada").await.unwrap();
        assert!(limit.take("ada").await.is_err());
    }

    #[tokio::test]
    async fn a_good_try_does_not_count() {
        let clock = Clock::manual(1_800_000_000_000);
        let limit = limit(&clock);
        for _ in 0..50 {
            limit.take("ada").await.unwrap();
            limit.give_back("ada").await;
        }
    }

    #[test]
    fn one_customer_is_one_address() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    }
}

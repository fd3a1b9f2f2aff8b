//! What is built once, and shared by all sockets.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use auth::{ServiceIdentity, TokenVerifier};
use clock::Clock;
use dashmap::{DashMap, Entry};
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ids::{BootId, SessionId, UserId};
use problem::{Kind, Problem};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use auth::Person;

use crate::config::{self, Config};
use crate::domain::currency::Currency;
use crate::domain::last_seen::LastSeen;
use crate::domain::marks::Marks;
use crate::domain::presence::Watches;
use crate::domain::registry::{Left, Registry};
use crate::domain::typing::Typists;
use crate::events::hints::Hints;
use crate::events::log::{Log, LogParts};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::store::presence::Presences;
use crate::store::registrations::{Consequences, Registrar, Registrations};
use crate::typing::{self, Hint};

/// An open socket's handle.
pub type Connection = crate::domain::connection::Connection<Person>;

/// One run of one gateway.
pub struct App {
    pub clock: Clock,
    pub boot: BootId,
    /// Its partition of the deliveries.
    pub partition: u32,
    pub settings: config::Gateway,
    pub registry: Arc<Registry<Person>>,
    pub registrations: Registrations,
    pub currency: Currency,
    pub log: Log,
    pub marks: Arc<Marks>,
    pub typists: Typists,
    /// To those who tell others of it; dropped when it is full.
    pub typing: mpsc::Sender<Hint>,
    pub hints: Hints,
    pub watches: Watches<Person>,
    pub presences: Presences,
    pub last_seen: Arc<LastSeen>,
    pub peers: Peers,
    pub verifier: TokenVerifier,
    pub identity: ServiceIdentity,
    pub metrics: Metrics,
    /// Owned tasks of sockets.
    pub tasks: TaskTracker,
    limiter: DefaultKeyedRateLimiter<UserId>,
    questions: DefaultKeyedRateLimiter<UserId>,
    next_number: AtomicU64,
    open: AtomicUsize,
    /// Open sockets by where they come from.
    addresses: DashMap<IpAddr, usize>,
    /// Cancelled when no socket is taken in any more.
    pub draining: CancellationToken,
}

/// What [`App::new`] makes besides: each is run by a task of its own.
pub struct Workers {
    pub registrar: Registrar,
    pub typing: mpsc::Receiver<Hint>,
}

/// What a person may ask about others, and tell them, in a second, and at once. Each costs calls of peers.
const QUESTIONS_PER_SECOND: NonZeroU32 = NonZeroU32::new(4).expect("not zero");
const QUESTIONS_BURST: NonZeroU32 = NonZeroU32::new(20).expect("not zero");

impl App {
    /// # Errors
    /// When a setting can't be used. Nothing is connected here.
    pub fn new(config: &Config) -> anyhow::Result<(Arc<Self>, Workers)> {
        config.check()?;
        let clock = Clock::system();
        let boot = BootId::generate(&clock);
        let settings = config.gateway.clone();
        let partition = settings.ordinal;
        let metrics = Metrics::default();
        metrics
            .drain_limit
            .set(Duration::from_millis(settings.drain_ms).as_secs_f64());
        let registry = Arc::new(Registry::default());
        let hints = Hints::new(
            kafka::hints_producer(&config.kafka, &format!("chat-gateway-{partition}-hints"))?,
            metrics.clone(),
        );
        let last_seen = Arc::new(LastSeen::default());
        let lease = Duration::from_millis(settings.lease_ms);
        let (registrations, registrar) = Registrations::new(
            config.redis.client()?,
            partition,
            boot,
            lease,
            registry.clone(),
            Consequences {
                hints: hints.clone(),
                last_seen: last_seen.clone(),
            },
            metrics.clone(),
        )?;
        let (typing, typing_hints) = mpsc::channel(typing::QUEUE);
        let marks = Arc::new(Marks::default());
        let log = Log::new(
            kafka::producer(
                &config.kafka,
                &format!("chat-gateway-{partition}"),
                kafka::LOG_TIMEOUT,
            )?,
            LogParts {
                max_in_flight: settings.max_in_flight,
                partition,
                boot,
                sample_ratio: config.telemetry.sample_ratio,
                marks: marks.clone(),
                clock: clock.clone(),
                metrics: metrics.clone(),
            },
        );
        let identity = ServiceIdentity::new(config.identity.clone())?;
        let quota =
            Quota::per_second(settings.frames_per_second).allow_burst(settings.frames_burst);
        let verifier = TokenVerifier::new(config.tokens.clone());
        let app = Self {
            peers: Peers::new(&config.peers, &identity, verifier.ended_sessions())?,
            verifier,
            identity,
            clock,
            boot,
            partition,
            registry,
            presences: Presences::new(&registrations, lease),
            registrations,
            currency: Currency::default(),
            log,
            marks,
            typists: Typists::default(),
            typing,
            hints,
            watches: Watches::default(),
            last_seen,
            metrics,
            tasks: TaskTracker::new(),
            limiter: RateLimiter::keyed(quota),
            questions: RateLimiter::keyed(
                Quota::per_second(QUESTIONS_PER_SECOND).allow_burst(QUESTIONS_BURST),
            ),
            next_number: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            addresses: DashMap::new(),
            draining: CancellationToken::new(),
            settings,
        };
        let workers = Workers {
            registrar,
            typing: typing_hints,
        };
        Ok((Arc::new(app), workers))
    }

    /// A number for a new connection, unique within this boot.
    pub fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a frame of this person; returns how long to wait if it is one too many.
    ///
    /// # Errors
    /// The time until the next frame is taken.
    pub fn admit_frame(&self, user: UserId) -> Result<(), Duration> {
        self.limiter
            .check_key(&user)
            .map_err(|too_early| too_early.wait_time_from(self.limiter.clock().now()))
    }

    /// Counts a question about others, or a hint to them.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn admit_question(&self, user: UserId) -> Result<(), Problem> {
        self.questions.check_key(&user).map_err(|too_early| {
            let wait = too_early.wait_time_from(self.questions.clock().now());
            Problem::new(Kind::RateLimited, "rate_limited", "Too many: slow down.")
                .with_retry_after(wait)
        })
    }

    /// Forgets rates of people who are quiet, and who typed.
    pub fn forget_rates(&self) {
        for limiter in [&self.limiter, &self.questions] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.typists.forget(self.clock.unix_ms());
    }

    /// Ends a login session here; returns how many sockets that closes.
    pub fn end_session(&self, session: SessionId) -> u32 {
        // First, so that a socket that is being opened meets one or the other.
        let now = self.clock.unix_ms() as i64;
        self.verifier.ended_sessions().insert(session, now);
        self.registry.end_session(session)
    }

    /// A place for one more socket from an address, given back when dropped.
    ///
    /// # Errors
    /// `draining`, `too_many_sockets`, `rate_limited`.
    pub fn open_socket(self: &Arc<Self>, address: IpAddr) -> Result<OpenSocket, Problem> {
        let refuse = |kind, code: &'static str, detail: &'static str| {
            Metrics::refused_socket(code);
            Err(Problem::new(kind, code, detail).with_retry_after(Duration::from_secs(1)))
        };
        if self.draining.is_cancelled() {
            let detail = "This gateway is about to stop: another one takes over.";
            return refuse(Kind::Unavailable, "draining", detail);
        }
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let network = network_of(address);
        let from_there = {
            let mut from_there = self.addresses.entry(network).or_default();
            *from_there += 1;
            *from_there
        };
        let app = self.clone();
        let place = OpenSocket { app, network };
        self.metrics.open_sockets.increment(1.0);
        if before >= self.settings.max_sockets {
            let detail = "This gateway is full: another one takes over.";
            return refuse(Kind::Unavailable, "too_many_sockets", detail);
        }
        let most = self.settings.max_sockets_per_address;
        if most > 0 && from_there > most {
            let detail = "Too many sockets are open from this address.";
            return refuse(Kind::RateLimited, "rate_limited", detail);
        }
        Ok(place)
    }

    pub fn open_sockets(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a closed connection out; its user's lease goes with the last one.
    pub fn forget(&self, connection: &Connection) {
        self.watches.forget(connection);
        if self.registry.remove(connection) == Left::None {
            self.registrations.unregister(connection.user);
        }
    }
}

/// One of the sockets that may be open.
pub struct OpenSocket {
    pub app: Arc<App>,
    network: IpAddr,
}

/// What counts as one address: of IPv6, where anybody has 2^64 of them, the /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.app.open.fetch_sub(1, Ordering::Relaxed);
        self.app.metrics.open_sockets.decrement(1.0);
        if let Entry::Occupied(mut from_there) = self.app.addresses.entry(self.network) {
            *from_there.get_mut() -= 1;
            if *from_there.get() == 0 {
                from_there.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_ipv4_or_a_64th_of_ipv6() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let network: IpAddr = network.parse().unwrap();
            assert_eq!(network_of(address.parse().unwrap()), network);
        }
    }
}

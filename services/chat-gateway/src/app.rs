//! What is built once, and shared by all sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use auth::{ServiceIdentity, TokenVerifier};
use clock::Clock;
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ids::{BootId, SessionId, UserId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use auth::Person;

use crate::config::{self, Config};
use crate::domain::currency::Currency;
use crate::domain::marks::Marks;
use crate::domain::registry::{Left, Registry};
use crate::events::log::{Log, LogParts};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::store::registrations::{Registrar, Registrations};

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
    pub peers: Peers,
    pub verifier: TokenVerifier,
    pub identity: ServiceIdentity,
    pub metrics: Metrics,
    /// Owned tasks of sockets.
    pub tasks: TaskTracker,
    limiter: DefaultKeyedRateLimiter<UserId>,
    next_number: AtomicU64,
    open: AtomicUsize,
    /// Cancelled when no socket is taken in any more.
    pub draining: CancellationToken,
}

impl App {
    /// # Errors
    /// When a setting can't be used. Nothing is connected here.
    pub fn new(config: &Config) -> anyhow::Result<(Arc<Self>, Registrar)> {
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
        let (registrations, registrar) = Registrations::new(
            config.redis.url.expose(),
            partition,
            boot,
            Duration::from_millis(settings.lease_ms),
            registry.clone(),
            metrics.clone(),
        )?;
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
        let app = Self {
            peers: Peers::new(&config.peers, &identity)?,
            verifier: TokenVerifier::new(config.tokens.clone()),
            identity,
            clock,
            boot,
            partition,
            registry,
            registrations,
            currency: Currency::default(),
            log,
            marks,
            metrics,
            tasks: TaskTracker::new(),
            limiter: RateLimiter::keyed(quota),
            next_number: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            draining: CancellationToken::new(),
            settings,
        };
        Ok((Arc::new(app), registrar))
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

    /// Forgets rates of people who are quiet.
    pub fn forget_rates(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// Ends a login session here; returns how many sockets that closes.
    pub fn end_session(&self, session: SessionId) -> u32 {
        // First, so that a socket that is being opened meets one or the other.
        self.peers.sessions.end(session);
        self.registry.end_session(session)
    }

    /// A place for one more socket, given back when dropped. `None`: full, or about to stop.
    pub fn open_socket(self: &Arc<Self>) -> Option<OpenSocket> {
        if self.draining.is_cancelled() {
            return None;
        }
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let place = OpenSocket { app: self.clone() };
        self.metrics.open_sockets.increment(1.0);
        (before < self.settings.max_sockets).then_some(place)
    }

    pub fn open_sockets(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a closed connection out; its user's lease goes with the last one.
    pub fn forget(&self, connection: &Connection) {
        if self.registry.remove(connection) == Left::None {
            self.registrations.unregister(connection.user);
        }
    }
}

/// One of the sockets that may be open.
pub struct OpenSocket {
    pub app: Arc<App>,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.app.open.fetch_sub(1, Ordering::Relaxed);
        self.app.metrics.open_sockets.decrement(1.0);
    }
}

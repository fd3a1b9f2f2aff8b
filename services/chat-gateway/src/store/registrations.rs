//! Leases in Redis: one per user with a socket here.
//!
//! **Invariants.** A client is welcomed with a cursor only after its lease is in Redis, and reads
//! after that; the sequencer stores before it looks leases up. So whatever is committed while
//! somebody connects is met by one of the two. A lease that was gone, or came late, ends in a
//! `resync` for the sockets concerned, after it is there again.
//!
//! A lease that is a person's first, or was the last one, changes how that person stands: the gateways that
//! watch them are told, and the account service is told when they were seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth::Person;
use events::redis_keys;
use ids::{BootId, UserId};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, Pipeline, RedisError, Script, ScriptInvocation, ServerErrorKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::connection::{Connection, Registration};
use crate::domain::last_seen::LastSeen;
use crate::domain::registry::Registry;
use crate::events::hints::Hints;
use crate::metrics::Metrics;

/// A command that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Users in one pipeline.
const BATCH: usize = 512;
/// How long Redis keeps when somebody was last seen; the account service keeps it longer.
const SEEN_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Waits between tries while Redis is away.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(2);

type Conn = Arc<Connection<Person>>;

/// A command that is in the pipeline.
enum Asked {
    Register(Conn, oneshot::Sender<Option<u64>>),
    Unregister(UserId),
}

enum Command {
    /// Answered with the Redis time of the registration, or nothing if there was none.
    Register(Conn, oneshot::Sender<Option<u64>>),
    /// The user's last socket was closed.
    Unregister(UserId),
    /// Answered when all commands before it are done.
    Flush(oneshot::Sender<()>),
}

/// The handle for the rest of the gateway.
#[derive(Clone)]
pub struct Registrations {
    commands: mpsc::UnboundedSender<Command>,
    redis: ConnectionManager,
    field: Arc<str>,
    reached: Arc<AtomicBool>,
}

/// Does what [`Registrations`] asks, in order, in pipelines; [`Registrar::run`] it.
pub struct Registrar {
    commands: mpsc::UnboundedReceiver<Command>,
    redis: ConnectionManager,
    register: Script,
    unregister: Script,
    field: Arc<str>,
    lease: Duration,
    registry: Arc<Registry<Person>>,
    hints: Hints,
    last_seen: Arc<LastSeen>,
    metrics: Metrics,
    reached: Arc<AtomicBool>,
    /// Wait after the next failure; `None` while Redis answers.
    away: Option<Duration>,
    /// Users whose leases are still to be refreshed in this round.
    round: Vec<UserId>,
    next_round: Instant,
}

/// What the scripts say of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    unix_ms: u64,
    held: bool,
    /// Whether the user came or left with it, and the partitions of the gateways that watch them.
    changed: bool,
    watchers: Vec<u32>,
}

impl Lease {
    fn of(answer: &[u64]) -> Option<Self> {
        let [unix_ms, held, changed, watchers @ ..] = answer else {
            return None;
        };
        Some(Self {
            unix_ms: *unix_ms,
            held: *held == 1,
            changed: *changed == 1,
            watchers: watchers.iter().map(|partition| *partition as u32).collect(),
        })
    }
}

/// What a lease tells beyond this gateway.
#[derive(Clone)]
pub struct Consequences {
    pub hints: Hints,
    pub last_seen: Arc<LastSeen>,
}

/// One of the scripts, with what they share.
pub fn script(text: &str) -> Script {
    Script::new(&format!("{}{text}", include_str!("leases.lua")))
}

/// The keys of a script.
pub fn user_keys(invocation: &mut ScriptInvocation<'_>, user: UserId) {
    invocation
        .key(redis_keys::sockets(user))
        .key(redis_keys::watchers(user))
        .key(redis_keys::seen(user));
}

impl Registrations {
    /// Neither waits for Redis nor fails if it is away.
    ///
    /// # Errors
    /// When there can be no connection with it.
    pub fn new(
        client: redis::Client,
        partition: u32,
        boot: BootId,
        lease: Duration,
        registry: Arc<Registry<Person>>,
        consequences: Consequences,
        metrics: Metrics,
    ) -> Result<(Self, Registrar), RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        let redis = ConnectionManager::new_lazy_with_config(client, config)?;
        let (sender, commands) = mpsc::unbounded_channel();
        let field: Arc<str> = redis_keys::socket_field(partition, boot).into();
        let reached = Arc::new(AtomicBool::new(false));
        let handle = Self {
            commands: sender,
            redis: redis.clone(),
            field: field.clone(),
            reached: reached.clone(),
        };
        let registrar = Registrar {
            commands,
            redis,
            register: script(include_str!("register.lua")),
            unregister: script(include_str!("unregister.lua")),
            field,
            lease,
            registry,
            hints: consequences.hints,
            last_seen: consequences.last_seen,
            metrics,
            reached,
            away: None,
            round: Vec::new(),
            next_round: Instant::now(),
        };
        Ok((handle, registrar))
    }

    /// Registers a connection that is already in the registry. Returns the Redis time at which the
    /// lease was there: the first cursor. `None`: the connection counts as unregistered, and gets a
    /// `resync` as soon as it isn't.
    pub async fn register(&self, connection: &Conn) -> Option<u64> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Register(connection.clone(), reply);
        if self.commands.send(command).is_ok()
            && let Ok(Ok(Some(cursor))) = tokio::time::timeout(2 * TIMEOUT, answer).await
        {
            return Some(cursor);
        }
        // The registration may still arrive; then it finds this and resyncs.
        connection.welcome_unregistered();
        None
    }

    /// Gives the lease of a user without sockets back.
    pub fn unregister(&self, user: UserId) {
        // Fails only when the process ends: then the lease runs out by itself.
        let _ = self.commands.send(Command::Unregister(user));
    }

    /// Waits until everything asked for before is done.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Flush(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// Redis time in Unix milliseconds.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn time(&self) -> Result<u64, RedisError> {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME")
            .query_async(&mut self.redis.clone())
            .await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    /// Other gateways with a live lease for the user.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn other_gateways(&self, user: UserId) -> Result<u32, RedisError> {
        let now = self.time().await?;
        let leases: Vec<(String, u64)> = redis::cmd("HGETALL")
            .arg(redis_keys::sockets(user))
            .query_async(&mut self.redis.clone())
            .await?;
        let others = leases
            .iter()
            .filter(|(field, until)| **field != *self.field && *until > now);
        Ok(others.count() as u32)
    }

    /// The connection, for what else is read there.
    #[must_use]
    pub fn redis(&self) -> ConnectionManager {
        self.redis.clone()
    }

    /// The field of this gateway in hashes of leases.
    #[must_use]
    pub fn field(&self) -> Arc<str> {
        self.field.clone()
    }

    /// Whether Redis has answered since the start.
    #[must_use]
    pub fn has_reached_redis(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

impl Registrar {
    /// Runs until `stop`. Registers nobody before `open`: the start of the deliveries must be known
    /// before the sequencer may send any here.
    pub async fn run(
        mut self,
        open: CancellationToken,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let is_open = open.is_cancelled();
            tokio::select! {
                biased;
                // Whoever connects goes before whoever only stays.
                _ = self.commands.recv_many(&mut batch, BATCH) => {
                    let commands = std::mem::take(&mut batch);
                    if commands.is_empty() {
                        return Ok(());
                    }
                    self.obey(commands, is_open).await;
                }
                () = stop.cancelled() => return Ok(()),
                () = open.cancelled(), if !is_open => self.next_round = Instant::now(),
                () = std::future::ready(()), if is_open && !self.round.is_empty() => {
                    self.refresh().await;
                }
                () = tokio::time::sleep_until(self.next_round), if is_open && self.round.is_empty() => {
                    self.begin_round().await;
                }
            }
        }
    }

    async fn obey(&mut self, commands: Vec<Command>, is_open: bool) {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        let mut asked = Vec::with_capacity(commands.len());
        let mut flushed = Vec::new();
        for command in commands {
            match command {
                Command::Register(connection, reply) if is_open && self.away.is_none() => {
                    pipeline.invoke_script(&self.invoke(&self.register, connection.user));
                    asked.push(Asked::Register(connection, reply));
                }
                Command::Register(connection, reply) => {
                    connection.welcome_unregistered();
                    let _ = reply.send(None);
                }
                Command::Unregister(user) => {
                    // Whoever came back since is registered by a later command.
                    if is_open && self.away.is_none() && !self.registry.has(user) {
                        pipeline.invoke_script(&self.invoke(&self.unregister, user));
                        asked.push(Asked::Unregister(user));
                    }
                }
                Command::Flush(reply) => flushed.push(reply),
            }
        }
        if !pipeline.is_empty() {
            match self.query(&pipeline).await {
                Ok(leases) => self.settle_all(asked, leases),
                Err(error) => {
                    for asked in asked {
                        if let Asked::Register(connection, reply) = asked {
                            connection.welcome_unregistered();
                            let _ = reply.send(None);
                        }
                    }
                    self.lost_redis(&error);
                }
            }
        }
        for reply in flushed {
            let _ = reply.send(());
        }
    }

    fn settle_all(&self, asked: Vec<Asked>, leases: Vec<Lease>) {
        let mut changes = HashMap::new();
        for (asked, lease) in asked.into_iter().zip(leases) {
            match asked {
                Asked::Register(connection, reply) => {
                    self.settle(&connection, &lease);
                    let _ = reply.send(Some(lease.unix_ms));
                    self.note_change(connection.user, &lease, &mut changes);
                }
                Asked::Unregister(user) => self.note_change(user, &lease, &mut changes),
            }
        }
        self.hints.presence_changed(changes);
    }

    fn note_change(&self, user: UserId, lease: &Lease, changes: &mut HashMap<u32, Vec<UserId>>) {
        if lease.changed {
            for watcher in &lease.watchers {
                changes.entry(*watcher).or_default().push(user);
            }
            if !self.last_seen.note(user, lease.unix_ms) {
                self.metrics.last_seen_dropped.increment(1);
            }
        }
    }

    fn settle(&self, connection: &Conn, lease: &Lease) {
        if connection.set_registered() == Registration::Missing {
            connection.resync("registered_late");
        }
        if !lease.held {
            // The first socket of a user finds no lease; for others it means that it was lost.
            for other in self.registry.of(connection.user) {
                if other.number != connection.number && other.registration() == Registration::Done {
                    self.metrics.registrations_lost.increment(1);
                    other.resync("registration_lost");
                }
            }
        }
    }

    async fn begin_round(&mut self) {
        self.next_round = Instant::now() + self.lease / 3;
        self.round = self.registry.users();
        if self.round.is_empty() {
            // Nobody is here: only see whether Redis is.
            let ping = redis::cmd("PING").query_async::<()>(&mut self.redis).await;
            match ping {
                Ok(()) => self.has_redis(),
                Err(error) => self.lost_redis(&error),
            }
        }
    }

    /// Refreshes some of the round.
    async fn refresh(&mut self) {
        let from = self.round.len().saturating_sub(BATCH);
        let mut users = self.round.split_off(from);
        users.retain(|user| self.registry.has(*user));
        if users.is_empty() {
            return;
        }
        let mut pipeline = Pipeline::with_capacity(users.len());
        for user in &users {
            pipeline.invoke_script(&self.invoke(&self.register, *user));
        }
        match self.query(&pipeline).await {
            Ok(leases) => {
                let mut changes = HashMap::new();
                for (user, lease) in users.into_iter().zip(leases) {
                    self.after_refresh(user, lease.held);
                    self.note_change(user, &lease, &mut changes);
                }
                self.hints.presence_changed(changes);
            }
            Err(error) => self.lost_redis(&error),
        }
    }

    fn after_refresh(&self, user: UserId, held: bool) {
        for connection in self.registry.of(user) {
            match connection.registration() {
                // Its own registration is on its way.
                Registration::Pending => {}
                Registration::Done if held => {}
                Registration::Done => {
                    self.metrics.registrations_lost.increment(1);
                    connection.resync("registration_lost");
                }
                Registration::Missing => {
                    connection.set_registered();
                    connection.resync("registered_late");
                }
            }
        }
    }

    fn invoke<'a>(&self, script: &'a Script, user: UserId) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        user_keys(&mut invocation, user);
        invocation
            .arg(&*self.field)
            .arg(self.lease.as_millis() as u64)
            .arg(SEEN_KEPT.as_millis() as u64);
        invocation
    }

    async fn query(&mut self, pipeline: &Pipeline) -> Result<Vec<Lease>, RedisError> {
        let mut result = pipeline.query_async(&mut self.redis).await;
        if let Err(error) = &result
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            // A new Redis, or one that lost its scripts.
            for script in [&self.register, &self.unregister] {
                script.prepare_invoke().load_async(&mut self.redis).await?;
            }
            result = pipeline.query_async(&mut self.redis).await;
        }
        let answers: Vec<Vec<u64>> = result?;
        self.has_redis();
        let leases = answers.iter().map(|answer| Lease::of(answer));
        leases.collect::<Option<_>>().ok_or_else(|| {
            RedisError::from((
                ErrorKind::UnexpectedReturnType,
                "not the answer of a script",
            ))
        })
    }

    fn has_redis(&mut self) {
        self.reached.store(true, Ordering::Relaxed);
        if self.away.take().is_some() {
            self.metrics.registrations_missing.set(0.0);
            // Once more when this round is done, for those who came while it was running.
            self.next_round = Instant::now();
            tracing::info!("Redis is back: registering all sockets");
        }
    }

    /// All leases are refreshed as soon as Redis answers again; meanwhile nobody waits for it.
    fn lost_redis(&mut self, error: &RedisError) {
        let wait = match self.away {
            None => {
                self.metrics.registrations_missing.set(1.0);
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "Redis is away: sockets are welcomed unregistered"
                );
                FIRST_RETRY
            }
            Some(wait) => wait,
        };
        self.away = Some((wait * 2).min(LAST_RETRY));
        self.round.clear();
        self.next_round = Instant::now() + wait;
    }
}

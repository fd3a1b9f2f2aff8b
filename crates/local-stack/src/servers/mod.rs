//! Kafka, Redis, Postgres, the AWS emulators and a mail server as child processes.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use local_stack::servers::{Server, TestServers};
//! let servers = TestServers::start(&[Server::Postgres, Server::Redis]).await?;
//! let url = servers.postgres().create_database("account").await?;
//! servers.redis().kill9().await;
//! servers.redis().start().await?;
//! # Ok(()) }
//! ```

mod kafka;
mod local_aws;
mod mail;
mod openid_provider;
mod postgres;
mod redis;
mod test_servers;
mod tls;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

pub use kafka::{Kafka, Listener};
pub use local_aws::LocalAws;
pub use mail::Mail;
pub use openid_provider::OpenIdProvider;
pub use postgres::Postgres;
pub use redis::Redis;
pub use test_servers::TestServers;
pub use tls::Tls;

use crate::install::{self, Program};
use crate::ports;
use crate::process::Process;

/// A backing server of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    Kafka,
    Redis,
    Postgres,
    /// DynamoDB and S3.
    LocalAws,
    Mail,
}

impl Server {
    pub const ALL: [Self; 5] = [
        Self::Kafka,
        Self::Redis,
        Self::Postgres,
        Self::LocalAws,
        Self::Mail,
    ];

    fn programs(self) -> &'static [Program] {
        match self {
            Self::Kafka => &[Program::Java, Program::Maven],
            Self::Redis => &[Program::Redis],
            Self::Postgres => &[Program::Postgres],
            Self::LocalAws | Self::Mail => &[],
        }
    }
}

/// What acknowledged writes survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power, as far as each server does so by default.
    PowerLoss,
    /// A kill of the server only: for tests, where flushing would be most of the time.
    Kill,
}

/// How long servers are meant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsFor {
    /// A test: to start quickly is all.
    Minutes,
    /// People, or a measurement: it pays to compile well, for a minute or so after the start.
    Hours,
}

/// Ports of loopback for the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPorts {
    pub kafka: u16,
    pub kafka_controller: u16,
    pub redis: u16,
    pub postgres: u16,
    pub dynamodb: u16,
    pub s3: u16,
    pub smtp: u16,
    /// Of the page that shows the mails.
    pub mails: u16,
}

impl ServerPorts {
    /// Ports on which nothing listens now.
    ///
    /// # Errors
    /// When none are left.
    pub fn free() -> anyhow::Result<Self> {
        Ok(Self {
            kafka: ports::free()?,
            kafka_controller: ports::free()?,
            redis: ports::free()?,
            postgres: ports::free()?,
            dynamodb: ports::free()?,
            s3: ports::free()?,
            smtp: ports::free()?,
            mails: ports::free()?,
        })
    }

    /// Eight ports in a row.
    #[must_use]
    pub fn from(base: u16) -> Self {
        Self {
            kafka: base,
            kafka_controller: base + 1,
            redis: base + 2,
            postgres: base + 3,
            dynamodb: base + 4,
            s3: base + 5,
            smtp: base + 6,
            mails: base + 7,
        }
    }
}

/// The servers that were asked for, running.
#[derive(Debug)]
pub struct Servers {
    pub kafka: Option<Kafka>,
    pub redis: Option<Redis>,
    pub postgres: Option<Postgres>,
    pub local_aws: Option<LocalAws>,
    pub mail: Option<Mail>,
}

impl Servers {
    /// Installs what is missing, then starts the servers side by side, each in a folder below
    /// `data`, on the data that is there. Kafka listens at `kafka_listeners`, too. With `tls`, Redis and
    /// Postgres take nothing else, and Kafka asks for a password where services come.
    ///
    /// # Errors
    /// When one can't be installed or doesn't become ready; those already started are killed.
    pub async fn start(
        wanted: &[Server],
        data: &Path,
        ports: ServerPorts,
        kafka_listeners: &[Listener],
        durability: Durability,
        runs_for: RunsFor,
        tls: Option<&Tls>,
    ) -> anyhow::Result<Self> {
        let programs: Vec<Program> = wanted
            .iter()
            .flat_map(|server| server.programs())
            .copied()
            .collect();
        install::ensure_installed(&programs)?;
        std::fs::create_dir_all(data)?;
        // Kafka first, because it takes longest: it starts while the others are prepared.
        let begun = Instant::now();
        let has = |server| wanted.contains(&server);
        let started = |process: &Process| process.spawn();
        let kafka = has(Server::Kafka)
            .then(|| {
                let (port, controller) = (ports.kafka, ports.kafka_controller);
                Kafka::prepare(data, port, controller, kafka_listeners, runs_for, tls)
            })
            .transpose()?;
        kafka.as_deref().map(started).transpose()?;
        let redis = has(Server::Redis)
            .then(|| Redis::prepare(data, ports.redis, tls))
            .transpose()?;
        redis.as_deref().map(started).transpose()?;
        let local_aws = has(Server::LocalAws)
            .then(|| LocalAws::prepare(data, ports.dynamodb, ports.s3, durability))
            .transpose()?;
        local_aws.as_deref().map(started).transpose()?;
        let mail = has(Server::Mail)
            .then(|| Mail::prepare(data, ports.smtp, ports.mails))
            .transpose()?;
        mail.as_deref().map(started).transpose()?;
        let postgres = has(Server::Postgres)
            .then(|| Postgres::prepare(data, ports.postgres, durability, tls))
            .transpose()?;
        postgres.as_deref().map(started).transpose()?;
        let servers = Self {
            kafka,
            redis,
            postgres,
            local_aws,
            mail,
        };
        let ready = servers
            .processes()
            .into_iter()
            .map(|process| ready_timed(process, begun));
        futures_util::future::try_join_all(ready).await?;
        if let (Some(kafka), Some(_)) = (&servers.kafka, tls) {
            kafka.admit(Tls::USERNAME, Tls::PASSWORD)?;
        }
        Ok(servers)
    }

    /// All of them.
    #[must_use]
    pub fn processes(&self) -> Vec<&Process> {
        let mut processes: Vec<&Process> = Vec::new();
        processes.extend(self.kafka.as_deref());
        processes.extend(self.redis.as_deref());
        processes.extend(self.postgres.as_deref());
        processes.extend(self.local_aws.as_deref());
        processes.extend(self.mail.as_deref());
        processes
    }

    /// Stops them cleanly, side by side.
    pub async fn stop(&self) {
        futures_util::future::join_all(self.processes().into_iter().map(Process::stop)).await;
    }
}

/// Waits for a process that was spawned and says how long that took.
pub(crate) async fn ready_timed(process: &Process, begun: Instant) -> anyhow::Result<()> {
    process.wait_ready().await?;
    tracing::info!(
        "{} ready after {:.1} s",
        process.name(),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Local servers start in a second or two; a machine busy with a build takes much longer.
const READY_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn probe<F, A>(ask: F) -> crate::process::Probe
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    std::sync::Arc::new(move || -> BoxFuture<'static, anyhow::Result<()>> { Box::pin(ask()) })
}

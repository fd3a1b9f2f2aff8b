//! The whole of Parlance on this machine: servers, services, origin.

mod data;
mod environment;
mod links;
mod origin;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::future::{join_all, select_all, try_join_all};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::install;
use crate::ports;
use crate::process::{Process, Spec};
use crate::servers::{
    Durability, Kafka, LocalAws, Mail, OpenIdProvider, Postgres, Redis, RunsFor, Server,
    ServerPorts, Servers, Tls, probe, ready_timed,
};
use crate::throttle::Throttle;
use data::DataFolder;
use links::KafkaWays;
pub use links::{Link, Links};
use origin::OriginSpec;

/// The programs of the suite that are built here.
pub const PROGRAMS: [&str; 8] = [
    "local-aws",
    "mail-catcher",
    "account",
    "conversation",
    "message",
    "chat-gateway",
    "file-upload",
    "web",
];

/// Services with a database of their own, and its name.
const DATABASES: [(&str, &str); 3] = [
    ("account", "account"),
    ("conversation", "conversation"),
    ("file-upload", "file_upload"),
];

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of all data; what is there is kept.
    pub data: PathBuf,
    /// Forget what is there.
    pub fresh: bool,
    pub gateways: u16,
    pub message_pods: u16,
    pub ports: Ports,
    pub durability: Durability,
    pub runs_for: RunsFor,
    /// Folder of the built web client.
    pub client: PathBuf,
    /// Whether to build the programs first ([`install::build`]).
    pub build: bool,
    /// How services reach their servers and each other.
    pub links: Links,
    pub transport: Transport,
    pub dynamodb: DynamoDb,
    pub social_login: SocialLogin,
    /// More environment for every service, such as `RUST_BACKTRACE`, or for one of them, by the
    /// prefix of its settings.
    pub environment: Vec<(String, String)>,
}

impl Options {
    /// For a test: free ports, no waiting for the disk.
    #[must_use]
    pub fn for_tests(data: &Path) -> Self {
        Self {
            data: data.to_path_buf(),
            fresh: false,
            gateways: 2,
            message_pods: 1,
            ports: Ports::Free,
            durability: Durability::Kill,
            runs_for: RunsFor::Minutes,
            client: install::workspace_root().join("frontend/dist"),
            build: true,
            links: Links::Direct,
            transport: Transport::Plaintext,
            dynamodb: DynamoDb::Emulator,
            social_login: SocialLogin::Off,
            // All people of a test come from one address.
            environment: [
                "ACCOUNT__LIMITS__TRIES_PER_ADDRESS",
                "ACCOUNT__LIMITS__MAILS_PER_ADDRESS",
            ]
            .map(|name| (name.to_owned(), "1000000".to_owned()))
            .into(),
        }
    }
}

/// How services speak with Kafka, Redis and Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Plaintext,
    /// With passwords. Not with [`Links::Relayed`].
    Tls,
}

/// How the message service reaches DynamoDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamoDb {
    /// As it is.
    Emulator,
    /// Through [`Suite::throttle`].
    Throttled,
}

/// Whether people may sign in by another provider, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocialLogin {
    Off,
    /// By [`Suite::openid_provider`].
    LocalProvider,
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Wherever it is free.
    Free,
    /// The ports of the documentation (7110 and up), with the origin on this one.
    Documented { origin: u16 },
}

/// A service, running.
#[derive(Debug)]
pub struct Service {
    process: Process,
    /// REST, or the socket.
    pub http: SocketAddr,
    /// gRPC for people and programs.
    pub grpc: SocketAddr,
    /// gRPC for peers.
    pub internal: SocketAddr,
    /// Metrics and probes.
    pub ops: SocketAddr,
}

impl Service {
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    #[must_use]
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    #[must_use]
    pub fn internal_url(&self) -> String {
        format!("http://{}", self.internal)
    }

    /// Whether it says that it is ready.
    ///
    /// # Errors
    /// What it waits for, or why it can't be asked.
    pub async fn ready(&self) -> anyhow::Result<()> {
        tokio::time::timeout(Duration::from_secs(2), is_ready(self.ops))
            .await
            .context("no answer")?
    }

    /// Runs another command of its program, with the same settings, to its end. Returns what it printed.
    ///
    /// # Errors
    /// When it takes more than two minutes or fails; the error has what it printed.
    pub async fn run_command(&self, command: &str) -> anyhow::Result<String> {
        let spec = self.process.spec();
        let what = format!("`{} {command}`", spec.program.display());
        let output = tokio::process::Command::new(&spec.program)
            .arg(command)
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(120), output)
            .await
            .with_context(|| format!("{what} did not end"))?
            .with_context(|| format!("run {what}"))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!(
                "{what} failed ({}):\n{printed}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(printed.into_owned())
    }

    #[must_use]
    pub fn ops_url(&self) -> String {
        format!("http://{}", self.ops)
    }

    /// The WebSocket of a gateway, without the origin in between.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("ws://{}/socket", self.http)
    }
}

impl Deref for Service {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

/// The suite, running. Everything is killed when it is dropped; [`Suite::stop`] ends it cleanly.
#[derive(Debug)]
pub struct Suite {
    // Fields are dropped in this order: what needs something goes before it.
    /// What people reach everything by, in the place of an ingress.
    pub web: Process,
    pub gateways: Vec<Service>,
    pub messages: Vec<Service>,
    pub conversation: Service,
    pub file_upload: Service,
    pub account: Service,
    pub kafka: Kafka,
    pub redis: Redis,
    pub postgres: Postgres,
    pub local_aws: LocalAws,
    pub mail: Mail,
    /// With [`SocialLogin::LocalProvider`].
    pub openid_provider: Option<OpenIdProvider>,
    /// With [`Links::Relayed`]: what lies between a service and what it calls.
    pub links: Vec<Link>,
    /// With [`DynamoDb::Throttled`]: what refuses requests.
    pub throttle: Option<Throttle>,
    origin: u16,
    _data: DataFolder,
}

impl Suite {
    /// Builds the programs if asked, starts the servers, migrates, starts the services and the
    /// origin, and waits until all are ready.
    ///
    /// # Errors
    /// When anything can't be built or doesn't become ready; what was started is killed.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        if options.gateways == 0 || options.message_pods == 0 {
            bail!("the suite needs at least one gateway and one message pod");
        }
        if options.gateways > environment::MESSAGE_PARTITION_BASE
            || options.message_pods
                > environment::DELIVERIES_PARTITIONS - environment::MESSAGE_PARTITION_BASE
        {
            bail!(
                "at most {} gateways and {} message pods",
                environment::MESSAGE_PARTITION_BASE,
                environment::DELIVERIES_PARTITIONS - environment::MESSAGE_PARTITION_BASE
            );
        }
        if options.build {
            install::build(&PROGRAMS)?;
        }
        let data = DataFolder::open(&options.data, options.fresh)?;
        let addresses = Addresses::choose(&options)?;

        let kafka_ways = match options.links {
            Links::Direct => None,
            Links::Relayed => Some(KafkaWays::choose(&addresses)?),
        };
        let tls = match (options.transport, options.links) {
            (Transport::Plaintext, _) => None,
            (Transport::Tls, Links::Direct) => Some(Tls::prepare(data.path())?),
            (Transport::Tls, Links::Relayed) => bail!("no relay of Kafka speaks TLS"),
        };
        let kafka_listeners = kafka_ways.as_ref().map(KafkaWays::listeners);
        let servers = Servers::start(
            &Server::ALL,
            data.path(),
            addresses.servers,
            &kafka_listeners.unwrap_or_default(),
            options.durability,
            options.runs_for,
            tls.as_ref(),
        )
        .await?;
        let (Some(kafka), Some(redis), Some(postgres), Some(local_aws), Some(mail)) = (
            servers.kafka,
            servers.redis,
            servers.postgres,
            servers.local_aws,
            servers.mail,
        ) else {
            bail!("all servers were asked for, but not all came");
        };
        for (_, database) in DATABASES {
            postgres.create_database(database).await?;
        }

        let openid_provider = match options.social_login {
            SocialLogin::Off => None,
            SocialLogin::LocalProvider => {
                let (port, public_url) = (addresses.openid_provider, addresses.public_url());
                Some(OpenIdProvider::start(data.path(), port, &public_url).await?)
            }
        };
        let throttle = match options.dynamodb {
            DynamoDb::Emulator => None,
            DynamoDb::Throttled => Some(Throttle::start(local_aws.dynamodb_url()).await?),
        };
        let links = match &kafka_ways {
            None => Vec::new(),
            Some(kafka) => {
                let dynamodb = throttle.as_ref().map(Throttle::port);
                links::relays(&addresses, kafka, dynamodb).await?
            }
        };
        let plan = environment::Plan {
            throttle: throttle.as_ref(),
            links: &links,
            data: data.path(),
            tls: tls.as_ref(),
            kafka: &kafka,
            redis: &redis,
            postgres: &postgres,
            local_aws: &local_aws,
            mail: &mail,
            openid_provider: openid_provider.as_ref(),
            addresses: &addresses,
            identities: &data.identities(&environment::SERVICES)?,
            more: &options.environment,
        };
        let service = |name: &'static str, ordinal: u16| plan.service(name, ordinal);
        let account = service("account", 0)?;
        let conversation = service("conversation", 0)?;
        let file_upload = service("file-upload", 0)?;
        let messages = (0..options.message_pods)
            .map(|ordinal| service("message", ordinal))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let gateways = (0..options.gateways)
            .map(|ordinal| service("chat-gateway", ordinal))
            .collect::<anyhow::Result<Vec<_>>>()?;

        let begun = Instant::now();
        let once = [
            &account,
            &conversation,
            &file_upload,
            &messages[0],
            &gateways[0],
        ];
        try_join_all(once.map(|service| service.run_command("migrate"))).await?;
        tracing::info!(
            "databases, tables and topics ready after {:.1} s",
            begun.elapsed().as_secs_f64()
        );

        let web = OriginSpec {
            port: addresses.origin,
            client: &options.client,
            s3_origin: local_aws.s3_url(),
            account: &account,
            conversation: &conversation,
            file_upload: &file_upload,
            messages: &messages,
            gateways: &gateways,
            log: &data.path().join("logs"),
        };
        let suite = Self {
            web: web.process()?,
            gateways,
            messages,
            conversation,
            file_upload,
            account,
            kafka,
            redis,
            postgres,
            local_aws,
            mail,
            openid_provider,
            links,
            throttle,
            origin: addresses.origin,
            _data: data,
        };
        // At once: each waits by itself for those that it needs.
        let begun = Instant::now();
        for service in suite.services() {
            service.spawn()?;
        }
        suite.web.spawn()?;
        let services = suite.services().map(|service| &service.process);
        let all = services.chain([&suite.web]);
        try_join_all(all.map(|process| ready_timed(process, begun))).await?;
        Ok(suite)
    }

    /// `http://localhost:port`, where people go.
    #[must_use]
    pub fn origin(&self) -> String {
        origin_url(self.origin)
    }

    /// `ws://localhost:port/socket`, a gateway by turns.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("{}/socket", self.origin().replacen("http", "ws", 1))
    }

    /// The five services, with each of several gateways and message pods.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        [&self.account, &self.conversation, &self.file_upload]
            .into_iter()
            .chain(&self.messages)
            .chain(&self.gateways)
    }

    /// Everything that runs, services first.
    #[must_use]
    pub fn processes(&self) -> Vec<&Process> {
        let services = self.services().map(|service| &service.process);
        services.chain([&self.web]).chain(self.servers()).collect()
    }

    fn servers(&self) -> impl Iterator<Item = &Process> {
        let always: [&Process; 5] = [
            &self.kafka,
            &self.redis,
            &self.postgres,
            &self.local_aws,
            &self.mail,
        ];
        always.into_iter().chain(self.openid_provider.as_deref())
    }

    /// Resolves when any process ends by itself; the text says which and how.
    pub async fn died(&self) -> String {
        let deaths = self
            .processes()
            .into_iter()
            .map(|process| Box::pin(process.died()));
        select_all(deaths).await.0
    }

    /// What the services have logged as an error since their logs began.
    #[must_use]
    pub fn error_lines(&self) -> Vec<String> {
        self.services()
            .filter_map(|service| std::fs::read_to_string(service.log()).ok())
            .flat_map(|log| {
                log.lines()
                    .filter(|line| {
                        line.contains("\"level\":\"ERROR\"") || line.contains("panicked at")
                    })
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Stops everything cleanly: gateways first, then the way to them, then what they need.
    pub async fn stop(&self) {
        join_all(self.gateways.iter().map(|gateway| gateway.stop())).await;
        self.web.stop().await;
        join_all(self.services().map(|service| service.stop())).await;
        join_all(self.servers().map(Process::stop)).await;
    }
}

/// Where each one listens.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub servers: ServerPorts,
    pub account: ServicePorts,
    pub conversation: ServicePorts,
    pub file_upload: ServicePorts,
    pub messages: Vec<ServicePorts>,
    pub gateways: Vec<ServicePorts>,
    pub openid_provider: u16,
    pub origin: u16,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServicePorts {
    pub http: u16,
    pub grpc: u16,
    pub internal: u16,
    pub ops: u16,
}

impl ServicePorts {
    fn choose(documented: Option<u16>) -> anyhow::Result<Self> {
        let port = |step: u16| documented.map_or_else(ports::free, |base| Ok(base + step));
        Ok(Self {
            http: port(0)?,
            grpc: port(1)?,
            internal: port(2)?,
            ops: port(3)?,
        })
    }
}

impl Addresses {
    fn choose(options: &Options) -> anyhow::Result<Self> {
        let documented = |base: u16| match options.ports {
            Ports::Free => None,
            Ports::Documented { .. } => Some(base),
        };
        let several = |base: u16, step: u16, count: u16| {
            (0..count)
                .map(|ordinal| ServicePorts::choose(documented(base + step * ordinal)))
                .collect::<anyhow::Result<Vec<_>>>()
        };
        // A second gateway is at 7150, where people look for it; further ones keep out of the way.
        let mut gateways = several(7140, 10, options.gateways.min(2))?;
        gateways.extend(several(7240, 10, options.gateways.saturating_sub(2))?);
        Ok(Self {
            servers: match options.ports {
                Ports::Free => ServerPorts::free()?,
                Ports::Documented { .. } => ServerPorts::from(7180),
            },
            account: ServicePorts::choose(documented(7110))?,
            conversation: ServicePorts::choose(documented(7120))?,
            file_upload: ServicePorts::choose(documented(7160))?,
            messages: several(7130, 4, options.message_pods.min(2))?
                .into_iter()
                .chain(several(7340, 10, options.message_pods.saturating_sub(2))?)
                .collect(),
            gateways,
            openid_provider: match options.ports {
                Ports::Free => ports::free()?,
                Ports::Documented { .. } => 7188,
            },
            origin: match options.ports {
                Ports::Free => ports::free()?,
                Ports::Documented { origin } => origin,
            },
        })
    }

    fn public_url(&self) -> String {
        origin_url(self.origin)
    }
}

/// Browsers give this name the rights of a secure origin.
fn origin_url(port: u16) -> String {
    format!("http://localhost:{port}")
}

pub(crate) struct ServiceSpec<'a> {
    pub name: String,
    pub program: &'static str,
    pub ports: ServicePorts,
    pub environment: Vec<(String, String)>,
    pub log: &'a Path,
}

impl Service {
    fn new(spec: ServiceSpec<'_>) -> anyhow::Result<Self> {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ports = spec.ports;
        let ops = at(ports.ops);
        let process = Process::new(Spec {
            program: install::programs_dir()?.join(spec.program),
            arguments: vec!["serve".into()],
            environment: spec.environment,
            log: spec.log.join(format!("{}.log", spec.name)),
            run_as: None,
            ports: vec![ports.http, ports.grpc, ports.internal, ports.ops],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(25),
            ready: probe(move || is_ready(ops)),
            ready_within: Duration::from_secs(60),
            name: spec.name,
        });
        Ok(Self {
            process,
            http: at(ports.http),
            grpc: at(ports.grpc),
            internal: at(ports.internal),
            ops,
        })
    }
}

/// `GET /readyz`; the answer of a service that isn't ready says what it waits for.
async fn is_ready(ops: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(ops).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {ops}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    bail!("/readyz: {}", body.trim());
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for process in self.processes() {
            let pid = process.pid().map_or("-".into(), |pid| pid.to_string());
            writeln!(
                f,
                "{:<28} {pid:>8}  {}",
                process.name(),
                process.log().display()
            )?;
        }
        Ok(())
    }
}

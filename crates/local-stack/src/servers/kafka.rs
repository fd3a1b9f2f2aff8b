//! Apache Kafka: one node that is broker and controller (KRaft).

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{READY_WITHIN, RunsFor, Tls, probe};
use crate::install::{self, Program};
use crate::process::{self, Process, Spec};

const VERSION: &str = "4.3.1";

/// Maven knows the 92 jars that these stand for.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>parlance</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
"#;

const LOGGING: &str = "rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %c{1} %m%n
";

/// One broker, so nothing is replicated; groups form and fail over in seconds, not in the tens
/// of seconds that suit a cluster. Production's values are in the chart.
const SETTINGS: &str = "process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=500
group.consumer.min.session.timeout.ms=3000
group.consumer.session.timeout.ms=5000
metadata.max.idle.interval.ms=5000
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
";

/// Small: the local load doesn't repay a better collector.
const JVM: [&str; 3] = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC"];
/// Only the first compiler. The second takes some seconds of CPU and halves what a request costs.
const QUICK_COMPILER: &str = "-XX:TieredStopAtLevel=1";

/// One more way to the node, for a client that is to come by another port: a client goes where the node
/// says that it is, so each such way needs a listener of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where the node listens.
    pub port: u16,
    /// Where it says that it does.
    pub advertised_port: u16,
}

/// A Kafka node.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    port: u16,
    tls_port: Option<u16>,
}

impl Kafka {
    pub(super) fn prepare(
        data: &Path,
        port: u16,
        controller_port: u16,
        listeners: &[Listener],
        runs_for: RunsFor,
        tls: Option<&Tls>,
    ) -> anyhow::Result<Self> {
        let java = Program::Java.find().context("java is not on PATH")?;
        let installed = install(&java)?;
        let folder = data.join("kafka");
        format_storage(&installed.template, &folder)?;
        let settings = folder.join("server.properties");
        std::fs::write(
            &settings,
            settings_text(&folder.join("data"), port, controller_port, listeners, tls),
        )
        .with_context(|| format!("write {}", settings.display()))?;

        let mut arguments = java_arguments(&installed.folder);
        arguments.insert(0, shared_archive("SharedArchiveFile", &installed.archive));
        if runs_for == RunsFor::Minutes {
            arguments.insert(0, QUICK_COMPILER.into());
        }
        arguments.extend(["kafka.Kafka".into(), settings.into_os_string()]);
        let process = Process::new(Spec {
            name: "Kafka".into(),
            program: java,
            arguments,
            environment: Vec::new(),
            log: data.join("logs/kafka.log"),
            run_as: None,
            ports: [port, controller_port]
                .into_iter()
                .chain(listeners.iter().map(|listener| listener.port))
                .chain(tls.map(|tls| tls.kafka_port))
                .collect(),
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(20),
            ready: probe(move || has_broker(port)),
            ready_within: READY_WITHIN,
        });
        Ok(Self {
            process,
            port,
            tls_port: tls.map(|tls| tls.kafka_port),
        })
    }

    /// `127.0.0.1:port`, as clients' `bootstrap.servers` wants it: the port of TLS if there is one.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port.unwrap_or(self.port))
    }

    /// Lets somebody in by TLS, with a password.
    pub(super) fn admit(&self, username: &str, password: &str) -> anyhow::Result<()> {
        let java = Program::Java.find().context("java is not on PATH")?;
        let mut arguments = java_arguments(&install(&java)?.folder);
        let node = format!("127.0.0.1:{}", self.port);
        let credential = format!("SCRAM-SHA-512=[password={password}]");
        arguments.extend(
            [
                "kafka.admin.ConfigCommand",
                "--bootstrap-server",
                &node,
                "--alter",
                "--entity-type",
                "users",
                "--entity-name",
                username,
                "--add-config",
                &credential,
            ]
            .map(OsString::from),
        );
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        process::run(&java, &arguments, None)
            .map(drop)
            .context("tell Kafka a password")
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Deref for Kafka {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

struct Installed {
    /// Jars and the logging configuration.
    folder: PathBuf,
    /// A formatted storage folder.
    template: PathBuf,
    /// Class-data archive: halves the start.
    archive: PathBuf,
}

/// Downloads the jars once, formats a storage folder once, and archives the loaded classes
/// once for each version of Java.
fn install(java: &Path) -> anyhow::Result<Installed> {
    let cache = install::cache_dir()?;
    let folder = cache.join(format!("kafka-{VERSION}"));
    install::once_in_cache(&folder, |unfinished| {
        tracing::info!("downloading Apache Kafka {VERSION} (55 MB)");
        download(unfinished)?;
        // Only the archived format matters; ports and folder are those of each start.
        let settings = unfinished.join("format.properties");
        let template = unfinished.join("template");
        std::fs::write(&settings, settings_text(&template, 9092, 9093, &[], None))?;
        let mut arguments = java_arguments(unfinished);
        arguments.extend(
            [
                "kafka.tools.StorageTool",
                "format",
                "-t",
                &new_cluster_id(),
                "-c",
            ]
            .map(OsString::from),
        );
        arguments.push(settings.into_os_string());
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        process::run(java, &arguments, None)
            .map(drop)
            .context("format Kafka's storage")
    })?;

    let version = java_version(java)?;
    let template = folder.join("template");
    let archives = cache.join(format!("kafka-{VERSION}-classes-{version}"));
    install::once_in_cache(&archives, |unfinished| {
        tracing::info!("archiving Kafka's classes, so that it starts faster");
        archive_classes(java, &folder, unfinished)
    })?;
    Ok(Installed {
        archive: archives.join("classes.jsa"),
        folder,
        template,
    })
}

/// The archive fits one build of Java only. The file `release` of its folder names the version;
/// to ask the program takes half a second.
fn java_version(java: &Path) -> anyhow::Result<String> {
    let release = java
        .canonicalize()
        .ok()
        .and_then(|java| std::fs::read_to_string(java.parent()?.parent()?.join("release")).ok());
    let text = match release {
        Some(release) => release,
        None => process::run(java, &[OsStr::new("--version")], None)?,
    };
    let line = text
        .lines()
        .find(|line| line.starts_with("JAVA_RUNTIME_VERSION="))
        .or_else(|| text.lines().next())
        .unwrap_or_default();
    Ok(line
        .trim_start_matches("JAVA_RUNTIME_VERSION=")
        .chars()
        .filter(|character| *character != '"')
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .collect())
}

fn download(folder: &Path) -> anyhow::Result<()> {
    std::fs::write(folder.join("pom.xml"), POM)?;
    std::fs::write(folder.join("log4j2.properties"), LOGGING)?;
    let maven = Program::Maven.find().context("mvn is not on PATH")?;
    let mut output = OsString::from("-DoutputDirectory=");
    output.push(folder.join("lib"));
    let pom = folder.join("pom.xml");
    let arguments = [
        OsStr::new("--batch-mode"),
        OsStr::new("--quiet"),
        OsStr::new("--file"),
        pom.as_os_str(),
        OsStr::new("dependency:copy-dependencies"),
        OsStr::new("-DincludeScope=runtime"),
        &output,
    ];
    process::run(&maven, &arguments, None)
        .map(drop)
        .context("download Kafka with Maven")
}

/// Runs a node until it serves, and lets it write down the classes that it loaded.
fn archive_classes(java: &Path, installed: &Path, unfinished: &Path) -> anyhow::Result<()> {
    let (port, controller_port) = (crate::ports::free()?, crate::ports::free()?);
    let folder = unfinished.join("node");
    format_storage(&installed.join("template"), &folder)?;
    let settings = folder.join("server.properties");
    std::fs::write(
        &settings,
        settings_text(&folder.join("data"), port, controller_port, &[], None),
    )?;
    let mut arguments = java_arguments(installed);
    arguments.insert(
        0,
        shared_archive("ArchiveClassesAtExit", &unfinished.join("classes.jsa")),
    );
    arguments.extend(["kafka.Kafka".into(), settings.into_os_string()]);
    let node = Process::new(Spec {
        name: "Kafka".into(),
        program: java.to_path_buf(),
        arguments,
        environment: Vec::new(),
        log: unfinished.join("node.log"),
        run_as: None,
        ports: vec![port, controller_port],
        stop_signal: Signal::TERM,
        stop_grace: Duration::from_secs(60),
        ready: probe(move || has_broker(port)),
        ready_within: READY_WITHIN,
    });
    // A runtime of its own on a thread of its own: the caller may be inside another.
    let outcome = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async {
                    node.start().await?;
                    node.stop().await;
                    Ok(())
                })
            })
            .join()
    });
    match outcome {
        Ok(outcome) => outcome.and_then(|()| {
            std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))
        }),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn java_arguments(installed: &Path) -> Vec<OsString> {
    let mut logging = OsString::from("-Dlog4j2.configurationFile=");
    logging.push(installed.join("log4j2.properties"));
    let mut jars = installed.join("lib").into_os_string();
    jars.push("/*");
    let mut arguments: Vec<OsString> = JVM.map(OsString::from).into();
    arguments.extend([logging, "-cp".into(), jars]);
    arguments
}

fn shared_archive(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(format!("-XX:{option}="));
    argument.push(path);
    argument
}

fn settings_text(
    storage: &Path,
    port: u16,
    controller_port: u16,
    listeners: &[Listener],
    tls: Option<&Tls>,
) -> String {
    let mut text = String::from(SETTINGS);
    let (mut security, mut listening, mut advertised) =
        (String::new(), String::new(), String::new());
    for (n, listener) in listeners.iter().enumerate() {
        let Listener {
            port,
            advertised_port,
        } = listener;
        let _ = write!(security, ",WAY{n}:PLAINTEXT");
        let _ = write!(listening, ",WAY{n}://127.0.0.1:{port}");
        let _ = write!(advertised, ",WAY{n}://127.0.0.1:{advertised_port}");
    }
    if let Some(tls) = tls {
        let port = tls.kafka_port;
        security.push_str(",TLS:SASL_SSL");
        let _ = write!(listening, ",TLS://127.0.0.1:{port}");
        let _ = write!(advertised, ",TLS://127.0.0.1:{port}");
        let _ = write!(
            text,
            "sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.tls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={}
",
            tls.key_and_certificate.display()
        );
    }
    let _ = write!(
        text,
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{security}
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{listening}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}
log.dirs={}
",
        storage.display()
    );
    text
}

/// Copies the formatted storage, unless there is one, and gives it a cluster id of its own.
fn format_storage(template: &Path, folder: &Path) -> anyhow::Result<()> {
    let storage = folder.join("data");
    let properties = storage.join("meta.properties");
    if properties.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(&storage)
        .with_context(|| format!("create the folder {}", storage.display()))?;
    std::fs::copy(
        template.join("bootstrap.checkpoint"),
        storage.join("bootstrap.checkpoint"),
    )
    .context("copy Kafka's formatted storage")?;
    let text = std::fs::read_to_string(template.join("meta.properties"))
        .context("read the properties of Kafka's formatted storage")?;
    let mut own = String::new();
    for line in text.lines() {
        let line = match line.split_once('=') {
            Some((key @ ("cluster.id" | "directory.id"), _)) => {
                format!("{key}={}", new_cluster_id())
            }
            _ => line.to_owned(),
        };
        own.push_str(&line);
        own.push('\n');
    }
    std::fs::write(&properties, own).with_context(|| format!("write {}", properties.display()))
}

/// Kafka writes its ids as 16 random bytes in URL-safe Base64; one that begins with a dash
/// would be taken for an option of the command line.
fn new_cluster_id() -> String {
    loop {
        let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        if !id.starts_with('-') {
            return id;
        }
    }
}

/// Asks for the cluster's metadata (API key 3, version 1). A node listens before the controller
/// has admitted it; it is ready when it knows of a broker, itself.
async fn has_broker(port: u16) -> anyhow::Result<()> {
    const CORRELATION_ID: i32 = 7;
    let mut request = Vec::new();
    request.extend(3_i16.to_be_bytes());
    request.extend(1_i16.to_be_bytes());
    request.extend(CORRELATION_ID.to_be_bytes());
    request.extend((-1_i16).to_be_bytes()); // no client id
    request.extend(0_i32.to_be_bytes()); // of no topic
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let length = i32::try_from(request.len()).context("a request of 14 bytes")?;
    stream.write_i32(length).await?;
    stream.write_all(&request).await?;

    let _length = stream.read_i32().await?;
    let correlation_id = stream.read_i32().await?;
    let brokers = stream.read_i32().await?;
    if correlation_id != CORRELATION_ID || brokers < 1 {
        bail!("the broker isn't part of its cluster yet");
    }
    Ok(())
}

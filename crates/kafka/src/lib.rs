//! Kafka clients as the message path needs them.
//!
//! librdkafka's defaults are not the Java client's: without idempotence a retry can reorder, the
//! partitioner differs, and offsets are stored before a record is handled. What matters is set here.

mod producer;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use serde::Deserialize;

pub use producer::{Outcome, Outcomes, Producer, Waiter};

/// The `[kafka]` section of a service's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Partitions of the log, set at installation: a key must never move.
    pub log_partitions: i32,
    /// Partitions of the deliveries topic: bounds the gateway and message pods together.
    pub deliveries_partitions: i32,
    /// Deliveries partitions below this are the gateways', from here on the message pods'.
    pub message_partition_base: i32,
    /// Copies of each partition; 3 in production.
    #[serde(default = "one")]
    pub replication_factor: i32,
    /// Copies that must have a record before it is acknowledged; 2 in production.
    #[serde(default = "one")]
    pub min_insync_replicas: i32,
    #[serde(default)]
    pub security: Security,
    /// PEM of the authorities behind the brokers' certificates; empty: those of the system. Or `ca_file`.
    #[serde(default)]
    pub ca: String,
    /// For [`Security::SaslTls`].
    #[serde(default)]
    pub username: String,
    /// A secret: or `password_file`.
    #[serde(default)]
    pub password: settings::Secret,
}

/// How brokers are spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    #[default]
    Plaintext,
    /// By TLS. The brokers' certificates are checked, their names too.
    Tls,
    /// By TLS, with a name and a password in SCRAM-SHA-512 (RFC 5802).
    SaslTls,
}

const fn one() -> i32 {
    1
}

/// Hears what librdkafka has to say. It repeats itself several times a second while a broker is away: a
/// warning now and then is enough, for it reconnects by itself.
#[derive(Debug, Default)]
pub struct Context {
    warned: Mutex<Option<Instant>>,
    /// The last line that says what is wrong: a refused certificate, a wrong password.
    complaint: Mutex<Option<String>>,
}

/// Between two warnings of one client.
const WARN_EVERY: Duration = Duration::from_secs(10);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, "librdkafka: {line}");
        let is_bad = matches!(
            level,
            RDKafkaLogLevel::Emerg
                | RDKafkaLogLevel::Alert
                | RDKafkaLogLevel::Critical
                | RDKafkaLogLevel::Error
        );
        if let (true, Ok(mut complaint)) = (is_bad, self.complaint.lock()) {
            *complaint = Some(line.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Ok(mut warned) = self.warned.lock() else {
            return;
        };
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            let complaint = self.complaint.lock().ok().and_then(|line| line.clone());
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                complaint,
                "Kafka is away: {reason}"
            );
        }
    }
}

impl ConsumerContext for Context {}

/// A consumer with this crate's [`Context`].
pub type Consumer = rdkafka::consumer::StreamConsumer<Context>;

/// How long a record for the log may wait for its acknowledgement before its produce fails.
///
/// Longer than a broker takes to come back: what fails here is sent again by its client, behind records
/// that were produced later and are still waiting.
pub const LOG_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a record for the gateways may wait. Short: it is looked up anew and told again, so that what
/// the index of changes says of it is never much older than the telling.
pub const DELIVERIES_TIMEOUT: Duration = Duration::from_secs(8);

/// Between two fetches of the log that bring records. It adds half of itself to the time of a message, and
/// at some hundred messages a second it more than halves what each costs.
const LOG_PAUSE: Duration = Duration::from_millis(20);
/// Between two fetches of deliveries that bring records. What the log's pause gathered comes together
/// already; this gathers what several message pods send.
const DELIVERIES_PAUSE: Duration = Duration::from_millis(3);

fn base(settings: &KafkaSettings, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", client_id)
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("log.connection.close", "false");
    if settings.security == Security::Plaintext {
        return config;
    }
    // The name of a broker is checked by default.
    config.set("security.protocol", "ssl");
    match settings.ca.as_str() {
        // The OpenSSL that is built in knows no place of this system.
        "" => config.set("ssl.ca.location", "probe"),
        ca => config.set("ssl.ca.pem", ca),
    };
    if settings.security == Security::SaslTls {
        config
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanisms", "SCRAM-SHA-512")
            .set("sasl.username", &settings.username)
            .set("sasl.password", settings.password.expose());
    }
    config
}

/// A producer that neither reorders nor doubles within its session, and fails a record after `timeout`
/// (such as [`LOG_TIMEOUT`]).
///
/// # Errors
/// When librdkafka refuses the configuration.
pub fn producer(
    settings: &KafkaSettings,
    client_id: &str,
    timeout: Duration,
) -> Result<Producer, KafkaError> {
    let mut config = producer_config(settings, client_id, timeout);
    config.set("enable.idempotence", "true");
    Producer::new(&config)
}

/// A producer for the deliveries: what is told is a hint that may come twice, so there is no idempotence,
/// and with it no error that ends the producer.
///
/// # Errors
/// When librdkafka refuses the configuration.
pub fn deliveries_producer(
    settings: &KafkaSettings,
    client_id: &str,
) -> Result<Producer, KafkaError> {
    let mut config = producer_config(settings, client_id, DELIVERIES_TIMEOUT);
    config
        // A commit's records are made at once: there is nothing to wait for.
        .set("linger.ms", "0")
        .set("max.in.flight.requests.per.connection", "1");
    Producer::new(&config)
}

/// How long a hint may wait: later it is worth nothing.
pub const HINTS_TIMEOUT: Duration = Duration::from_secs(2);

/// A producer for hints, of which none needs to arrive: it holds few, and not for long.
///
/// # Errors
/// When librdkafka refuses the configuration.
pub fn hints_producer(settings: &KafkaSettings, client_id: &str) -> Result<Producer, KafkaError> {
    let timeout = HINTS_TIMEOUT.as_millis().to_string();
    let mut config = producer_config(settings, client_id, HINTS_TIMEOUT);
    config
        .set("acks", "1")
        .set("request.timeout.ms", timeout)
        .set("queue.buffering.max.messages", "20000")
        .set("queue.buffering.max.kbytes", "8192");
    Producer::new(&config)
}

fn producer_config(settings: &KafkaSettings, client_id: &str, timeout: Duration) -> ClientConfig {
    let mut config = base(settings, client_id);
    config
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", timeout.as_millis().to_string())
        .set("request.timeout.ms", "5000")
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "500")
        .set("linger.ms", "1")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "65536")
        .set("message.max.bytes", "1000000");
    config
}

/// Has a consumer ask again this much after an answer that brought records, so that those of the meantime
/// come together: a fetch costs the broker as much with one record as with a hundred. What comes after a
/// longer silence is met by a fetch that waits at the broker, and isn't held up.
fn pause_between_fetches(config: &mut ClientConfig, pause: Duration) {
    config
        // Records that the application hasn't taken yet keep the next fetch back...
        .set("queued.min.messages", "1")
        // ...for as long as this.
        .set("fetch.queue.backoff.ms", pause.as_millis().to_string());
}

/// The consumer group of the log: offsets are stored by hand, after a batch is done; a member that is
/// killed is missed after `session_timeout`.
#[must_use]
pub fn log_consumer(
    settings: &KafkaSettings,
    client_id: &str,
    group: &str,
    instance: &str,
    session_timeout: Duration,
) -> ClientConfig {
    let mut config = base(settings, client_id);
    pause_between_fetches(&mut config, LOG_PAUSE);
    config
        .set("group.id", group)
        .set("group.instance.id", instance)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set(
            "session.timeout.ms",
            session_timeout.as_millis().to_string(),
        )
        .set(
            "heartbeat.interval.ms",
            (session_timeout.as_millis() / 4).to_string(),
        )
        .set("max.poll.interval.ms", "300000")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        // Each partition is held back by itself. One that is still held back when the others are asked for
        // is left out of that fetch, which then waits at the broker: at most so long. It is also what an
        // idle log costs, twenty fetches a second.
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "100")
        .set("queued.max.messages.kbytes", "16384")
        .set("enable.partition.eof", "false")
        // Told to the context: how far the log goes, as the last fetch said.
        .set("statistics.interval.ms", "5000");
    config
}

/// A member of a consumer group that follows the log beside the sequencer, in no hurry: from the beginning
/// the first time, later from the offsets that were stored by hand.
///
/// # Errors
/// When librdkafka refuses the configuration.
pub fn group_consumer(
    settings: &KafkaSettings,
    client_id: &str,
    group: &str,
) -> Result<Consumer, KafkaError> {
    let mut config = base(settings, client_id);
    config
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "10000")
        // Others learn by it that the group changes.
        .set("heartbeat.interval.ms", "1000")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true")
        .set("fetch.wait.max.ms", "500")
        .set("fetch.error.backoff.ms", "500")
        .set("queued.max.messages.kbytes", "4096")
        .set("enable.partition.eof", "false");
    config.create_with_context(Context::default())
}

/// Leaves the group and commits what was stored. The broker is asked for that, and while the group changes
/// it may take long: who isn't done `within` is missed when their session ends.
pub async fn close(consumer: Consumer, within: Duration) {
    let (closed, done) = tokio::sync::oneshot::channel();
    // A thread of its own: a runtime that ends waits for its blocking tasks for ever.
    std::thread::spawn(move || {
        drop(consumer);
        // Nobody waits any more, then.
        let _ = closed.send(());
    });
    if tokio::time::timeout(within, done).await.is_err() {
        tracing::debug!("left without a word to the group");
    }
}

/// A reader of one partition that is assigned to it by hand: no group, no committed offsets.
#[must_use]
pub fn deliveries_consumer(settings: &KafkaSettings, client_id: &str) -> ClientConfig {
    let mut config = base(settings, client_id);
    pause_between_fetches(&mut config, DELIVERIES_PAUSE);
    config
        // librdkafka asks for a name even where no group is joined.
        .set("group.id", format!("{client_id}-unused"))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // An offset that is gone means that time has passed: go on from now and let clients resync.
        .set("auto.offset.reset", "latest")
        .set("fetch.wait.max.ms", "250")
        .set("fetch.error.backoff.ms", "100")
        .set("queued.max.messages.kbytes", "32768")
        .set("enable.partition.eof", "false");
    config
}

/// Why topics could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateTopicsError {
    #[error(transparent)]
    Settings(#[from] KafkaError),
    /// With what the client complained of last, which says more than that time is up.
    #[error("{error}; what was heard last: {complaint}")]
    Kafka {
        error: KafkaError,
        complaint: String,
    },
    #[error("topic {0}: {1}")]
    Topic(String, RDKafkaErrorCode),
}

/// What a client complains of that can't reach the brokers. One for administration keeps it to itself.
fn complaint(config: &ClientConfig) -> Option<String> {
    let client: BaseConsumer<Context> = config.create_with_context(Context::default()).ok()?;
    // That it fails is known; while it tries it says why.
    let _ = client.fetch_metadata(None, Duration::from_secs(3));
    while client.poll(Duration::from_millis(10)).is_some() {}
    client.context().complaint.lock().ok()?.take()
}

/// Makes both topics where they are missing. Idempotent; an existing topic is left as it is.
///
/// # Errors
/// When Kafka can't be reached within 30 seconds or refuses.
pub async fn create_topics(settings: &KafkaSettings) -> Result<(), CreateTopicsError> {
    let admin: AdminClient<Context> =
        base(settings, "parlance-admin").create_with_context(Context::default())?;
    let min_insync = settings.min_insync_replicas.to_string();
    let log = NewTopic::new(
        events::LOG_TOPIC,
        settings.log_partitions,
        TopicReplication::Fixed(settings.replication_factor),
    )
    // The time of a record is the broker's: a pure function of the log may use it.
    .set("message.timestamp.type", "LogAppendTime")
    .set("retention.ms", "1209600000")
    .set("unclean.leader.election.enable", "false")
    .set("min.insync.replicas", &min_insync);
    let deliveries = NewTopic::new(
        events::DELIVERIES_TOPIC,
        settings.deliveries_partitions,
        TopicReplication::Fixed(settings.replication_factor),
    )
    // A hint: what a gateway missed for an hour is read from the store.
    .set("retention.ms", "3600000")
    .set("min.insync.replicas", &min_insync);
    let options = AdminOptions::new()
        .operation_timeout(Some(Duration::from_secs(20)))
        .request_timeout(Some(Duration::from_secs(30)));
    let results = match admin.create_topics([&log, &deliveries], &options).await {
        Ok(results) => results,
        Err(error) => {
            let config = base(settings, "parlance-admin");
            let asked = tokio::task::spawn_blocking(move || complaint(&config)).await;
            let complaint = asked.ok().flatten();
            return Err(CreateTopicsError::Kafka {
                error,
                complaint: complaint.unwrap_or_else(|| "nothing".to_owned()),
            });
        }
    };
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(CreateTopicsError::Topic(topic, code)),
        }
    }
    Ok(())
}

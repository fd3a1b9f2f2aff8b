//! To the log.
//!
//! **Invariants.** Frames of one connection are handed to librdkafka in the order in which they
//! came, without awaiting one another; the idempotent producer keeps that order per partition, and
//! so per conversation. What fails is told to its sender, and blocks what would overtake it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use auth::Person;
use clock::Clock;
use events::{LOG_TOPIC, LogRecord, MoveMarks, Origin, TRACEPARENT_HEADER, log_record};
use ids::{BootId, ClientMessageId, ConversationId};
use proto::Message as _;
use proto::socket::server_frame;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureRecord, Producer as _};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::app::App;
use crate::domain::connection::Connection;
use crate::domain::marks::{Marks, Reached, Reader};
use crate::domain::send::{RETRY_AFTER, try_again};
use crate::metrics::Metrics;

/// How often a producer that has failed for good is looked for.
const FATAL_CHECK: Duration = Duration::from_secs(1);

/// Who is told when Kafka doesn't take a record.
pub enum Sender {
    Message {
        connection: Arc<Connection<Person>>,
        conversation: ConversationId,
        client_message_id: ClientMessageId,
    },
    Marks {
        reader: Reader,
        reached: Reached,
    },
    /// A frame of this name, which the client sends again if it likes.
    Frame {
        connection: Arc<Connection<Person>>,
        frame: &'static str,
    },
}

/// Too much is on its way already, or the producer takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the producer takes no more now")]
pub struct Full;

/// The producer, and the bound on what is on its way.
pub struct Log {
    producer: kafka::Producer,
    max_in_flight: usize,
    outcomes: Arc<Outcomes>,
    partition: u32,
    boot: BootId,
    sample_ratio: f64,
}

/// What the outcomes of records change.
struct Outcomes {
    in_flight: AtomicUsize,
    failing: AtomicBool,
    marks: Arc<Marks>,
    clock: Clock,
    metrics: Metrics,
}

/// What a [`Log`] is made of, besides its producer.
pub struct LogParts {
    /// Records that may be on their way.
    pub max_in_flight: usize,
    /// This gateway's partition of the deliveries, where outcomes come back.
    pub partition: u32,
    pub boot: BootId,
    /// Share of the messages whose traces are recorded.
    pub sample_ratio: f64,
    pub marks: Arc<Marks>,
    pub clock: Clock,
    pub metrics: Metrics,
}

impl Log {
    #[must_use]
    pub fn new(producer: kafka::Producer, parts: LogParts) -> Self {
        Self {
            producer,
            max_in_flight: parts.max_in_flight,
            outcomes: Arc::new(Outcomes {
                in_flight: AtomicUsize::new(0),
                failing: AtomicBool::new(false),
                marks: parts.marks,
                clock: parts.clock,
                metrics: parts.metrics,
            }),
            partition: parts.partition,
            boot: parts.boot,
            sample_ratio: parts.sample_ratio,
        }
    }

    /// The origin of what the connection with this number sends.
    #[must_use]
    pub fn origin(&self, connection: u64) -> Origin {
        events::origin(self.partition, self.boot, connection)
    }

    /// Hands a record to the producer. Does not wait: who sent it is told only of a failure; the success
    /// shows as a delivery.
    ///
    /// # Errors
    /// [`Full`]: the record is not on its way.
    pub fn append(
        &self,
        conversation: ConversationId,
        record: &LogRecord,
        sender: Sender,
    ) -> Result<(), Full> {
        if self.outcomes.begin() >= self.max_in_flight {
            self.outcomes.end();
            return Err(Full);
        }
        let payload = record.encode_to_vec();
        let mut to_send = FutureRecord::to(LOG_TOPIC)
            .key(conversation.as_bytes().as_slice())
            .payload(&payload);
        let span = self.sampled_span();
        if let Some(traceparent) = span.as_ref().and_then(telemetry::traceparent_of) {
            to_send = to_send.headers(OwnedHeaders::new().insert(Header {
                key: TRACEPARENT_HEADER,
                value: Some(&traceparent),
            }));
        }
        let outcomes = self.outcomes.clone();
        let began = Instant::now();
        let queued = self.producer.send_then(to_send, move |outcome| {
            outcomes.end();
            match outcome {
                Ok(_) => outcomes.took(began),
                Err((error, _)) => outcomes.failed(&error, sender),
            }
        });
        queued.map_err(|_| {
            self.outcomes.end();
            Full
        })
    }

    /// Moves a reader's marks up.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_marks(&self, reader: Reader, reached: Reached) -> Result<(), Full> {
        let (user, conversation) = reader;
        let record = LogRecord {
            // Nobody waits: the new state comes to all sockets of the reader.
            origin: None,
            change: Some(log_record::Change::Marks(MoveMarks {
                reader: user.to_vec(),
                read_number: reached.read,
                delivered_number: reached.delivered,
            })),
        };
        self.append(conversation, &record, Sender::Marks { reader, reached })
    }

    /// The span of a message whose trace is recorded. The draw comes before any span is made,
    /// because a span for each message would cost as much as the message.
    fn sampled_span(&self) -> Option<Span> {
        if self.sample_ratio <= 0.0 || rand::random::<f64>() >= self.sample_ratio {
            return None;
        }
        let span = tracing::info_span!(
            "send",
            otel.kind = "producer",
            messaging.system = "kafka",
            messaging.client.id = format!("chat-gateway-{}", self.partition),
            messaging.destination.name = LOG_TOPIC,
        );
        // A parent that says "sampled" hands our draw to the tracer, which would draw again.
        let (trace, parent) = (rand::random::<u128>() | 1, rand::random::<u64>() | 1);
        telemetry::set_parent(&span, &format!("00-{trace:032x}-{parent:016x}-01"));
        Some(span)
    }

    /// Waits until Kafka has answered for everything, at most `timeout`. Blocks its thread.
    ///
    /// # Errors
    /// When the time is over first.
    pub fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.producer.flush(timeout)
    }
}

impl Outcomes {
    /// Counts a record in, and returns how many were on their way before.
    fn begin(&self) -> usize {
        self.metrics.in_flight.increment(1.0);
        self.in_flight.fetch_add(1, Ordering::Relaxed)
    }

    fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.metrics.in_flight.decrement(1.0);
    }

    fn took(&self, began: Instant) {
        self.metrics.produce.record(began.elapsed());
        if self.failing.load(Ordering::Relaxed) {
            self.failing.store(false, Ordering::Relaxed);
            tracing::info!("Kafka takes records again");
        }
    }

    fn failed(&self, error: &KafkaError, sender: Sender) {
        self.metrics.produce_failures.increment(1);
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "Kafka does not take records: their senders try again"
            );
        }
        match sender {
            Sender::Message {
                connection,
                conversation,
                client_message_id,
            } => connection.refuse_with_retry(
                conversation,
                try_again(conversation, client_message_id, "retry", RETRY_AFTER),
            ),
            Sender::Marks { reader, reached } => {
                self.marks.put_back(reader, reached, self.clock.unix_ms());
            }
            Sender::Frame { connection, frame } => {
                connection.send(server_frame::Frame::Error(not_taken(frame)));
            }
        }
    }
}

/// The answer to a frame that Kafka didn't take, and that has no outbox.
#[must_use]
pub fn not_taken(frame: &str) -> proto::socket::Error {
    proto::socket::Error {
        code: "retry".to_owned(),
        detail: "Nothing was changed: send it again.".to_owned(),
        frame: frame.to_owned(),
    }
}

/// Looks whether the producer still lives, until `stop`.
///
/// # Errors
/// When it has failed for good, as an idempotent one does rather than lose the order: only a new
/// process helps.
pub async fn watch(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        if let Some((code, reason)) = app.log.producer.client().fatal_error() {
            return Err(anyhow!("the producer failed for good: {code:?}: {reason}"));
        }
        tokio::select! {
            () = tokio::time::sleep(FATAL_CHECK) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

//! To the log.
//!
//! **Invariants.** Frames of one connection are handed to librdkafka in the order in which they
//! came, without awaiting one another; the idempotent producer keeps that order per partition, and
//! so per conversation. What fails is told to its sender, and blocks what would overtake it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use auth::Person;
use events::{LOG_TOPIC, LogRecord, MoveReadMark, Origin, TRACEPARENT_HEADER, log_record};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ids::{BootId, ClientMessageId, ConversationId};
use proto::Message as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureRecord, Producer as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::domain::connection::Connection;
use crate::domain::marks::{Marks, Reader};
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
    Mark {
        reader: Reader,
        number: u64,
    },
}

/// Too much is on its way already, or the producer takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the producer takes no more now")]
pub struct Full;

struct InFlight {
    outcome: DeliveryFuture,
    sender: Sender,
    began: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The producer, and the bound on what is on its way.
pub struct Log {
    producer: kafka::Producer,
    in_flight: Arc<Semaphore>,
    sent: mpsc::UnboundedSender<InFlight>,
    origin: (u32, BootId),
    sample_ratio: f64,
}

/// Watches over what was sent; [`Reports::run`] it.
pub struct Reports {
    sent: mpsc::UnboundedReceiver<InFlight>,
    producer: kafka::Producer,
    metrics: Metrics,
}

impl Log {
    #[must_use]
    pub fn new(
        producer: kafka::Producer,
        max_in_flight: usize,
        partition: u32,
        boot: BootId,
        sample_ratio: f64,
        metrics: Metrics,
    ) -> (Self, Reports) {
        let (sender, sent) = mpsc::unbounded_channel();
        let reports = Reports {
            sent,
            producer: producer.clone(),
            metrics,
        };
        let log = Self {
            producer,
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
            sent: sender,
            origin: (partition, boot),
            sample_ratio,
        };
        (log, reports)
    }

    /// The origin of what the connection with this number sends.
    #[must_use]
    pub fn origin(&self, connection: u64) -> Origin {
        events::origin(self.origin.0, self.origin.1, connection)
    }

    /// Hands a record to the producer. Does not wait: who sent it is told only of a failure, by
    /// [`Reports`]; the success shows as a delivery.
    ///
    /// # Errors
    /// [`Full`]: the record is not on its way.
    pub fn append(
        &self,
        conversation: ConversationId,
        record: &LogRecord,
        sender: Sender,
    ) -> Result<(), Full> {
        let permit = self
            .in_flight
            .clone()
            .try_acquire_owned()
            .map_err(|_| Full)?;
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
        match self.producer.send_result(to_send) {
            Ok(outcome) => {
                // Fails only when the process ends, and then the outcome is nobody's.
                let _ = self.sent.send(InFlight {
                    outcome,
                    sender,
                    began: Instant::now(),
                    _permit: permit,
                });
                Ok(())
            }
            Err(_) => Err(Full),
        }
    }

    /// Moves a read mark up.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_mark(&self, reader: Reader, number: u64) -> Result<(), Full> {
        let (user, conversation) = reader;
        let record = LogRecord {
            // Nobody waits: the new state comes to all sockets of the reader.
            origin: None,
            change: Some(log_record::Change::Read(MoveReadMark {
                reader: user.to_vec(),
                number,
            })),
        };
        self.append(conversation, &record, Sender::Mark { reader, number })
    }

    /// The span of a message whose trace is recorded. The draw comes before any span is made,
    /// because a span for each message would cost as much as the message.
    fn sampled_span(&self) -> Option<Span> {
        if self.sample_ratio <= 0.0 || rand::random::<f64>() >= self.sample_ratio {
            return None;
        }
        let span = tracing::info_span!("send", otel.kind = "producer");
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

impl Reports {
    /// Tells senders of failures, until `stop`.
    ///
    /// # Errors
    /// When the producer has failed for good: only a new process helps.
    pub async fn run(
        mut self,
        marks: Arc<Marks>,
        clock: clock::Clock,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut in_flight = FuturesUnordered::new();
        let mut fatal_check = tokio::time::interval(FATAL_CHECK);
        let mut failing = false;
        loop {
            tokio::select! {
                Some(InFlight { outcome, sender, began, _permit }) = self.sent.recv() => {
                    in_flight.push(async move {
                        let outcome = outcome.await;
                        drop(_permit);
                        (outcome, sender, began)
                    });
                }
                Some((outcome, sender, began)) = in_flight.next() => {
                    let error = match outcome {
                        Ok(Ok(_)) => {
                            self.metrics.produce.record(began.elapsed());
                            if std::mem::take(&mut failing) {
                                tracing::info!("Kafka takes records again");
                            }
                            continue;
                        }
                        Ok(Err((error, _))) => error,
                        Err(_) => KafkaError::Canceled,
                    };
                    self.metrics.produce_failures.increment(1);
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "Kafka does not take records: their senders try again"
                        );
                    }
                    settle_failure(sender, &marks, clock.unix_ms());
                }
                _ = fatal_check.tick() => {
                    if let Some((code, reason)) = self.producer.client().fatal_error() {
                        return Err(anyhow!("the producer failed for good: {code:?}: {reason}"));
                    }
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

fn settle_failure(sender: Sender, marks: &Marks, now_unix_ms: u64) {
    match sender {
        Sender::Message {
            connection,
            conversation,
            client_message_id,
        } => connection.refuse_with_retry(
            conversation,
            try_again(conversation, client_message_id, "retry", RETRY_AFTER),
        ),
        Sender::Mark { reader, number } => marks.put_back(reader, number, now_unix_ms),
    }
}

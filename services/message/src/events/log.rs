//! Appending to the log from REST and gRPC.

use std::time::Duration;

use events::{LOG_TOPIC, LogRecord, TRACEPARENT_HEADER, log_record};
use ids::ConversationId;
use problem::{Kind, Problem};
use proto::Message as _;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;

use super::{Resolution, Waiters};

/// How long a call waits to be numbered and stored.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the log did not take the record: {0}")]
    NotTaken(#[from] rdkafka::error::KafkaError),
    #[error("the log did not answer in time")]
    NoAnswer,
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        match &error {
            AppendError::NotTaken(_) => Self::unavailable("kafka", &error),
            AppendError::NoAnswer => Self::new(
                Kind::Timeout,
                "outcome_unknown",
                "The message may or may not be stored. Send it again with the same client_message_id.",
            )
            .with_retry_after(Duration::from_secs(1)),
        }
    }
}

/// The way into the log.
#[derive(Clone)]
pub struct Log {
    producer: kafka::Producer,
    waiters: Waiters,
}

impl Log {
    #[must_use]
    pub const fn new(producer: kafka::Producer, waiters: Waiters) -> Self {
        Self { producer, waiters }
    }

    /// Appends and waits until the log has decided.
    ///
    /// # Errors
    /// [`AppendError`] when the outcome isn't known: the same record may be appended again.
    pub async fn append(
        &self,
        conversation: ConversationId,
        change: log_record::Change,
    ) -> Result<Resolution, AppendError> {
        let waiter = self.waiters.register();
        let value = LogRecord {
            origin: Some(waiter.origin()),
            change: Some(change),
        }
        .encode_to_vec();
        let traceparent = telemetry::current_traceparent();
        let mut record = FutureRecord::to(LOG_TOPIC)
            .key(conversation.as_bytes().as_slice())
            .payload(&value);
        if let Some(traceparent) = &traceparent {
            record = record.headers(OwnedHeaders::new().insert(Header {
                key: TRACEPARENT_HEADER,
                value: Some(traceparent),
            }));
        }
        self.producer
            .send(record, Duration::from_secs(1))
            .await
            .map_err(|(error, _)| error)?;
        waiter
            .wait(ANSWER_TIMEOUT)
            .await
            .ok_or(AppendError::NoAnswer)
    }
}

use std::sync::Arc;
use std::time::Duration;

use ids::ConversationId;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureRecord, Producer as _};
use rdkafka::util::Timeout;
use tokio::sync::Semaphore;

use crate::domain::conversation::Standing;
use crate::metrics;
use crate::store::outbox::{Outbox, Pending};

/// Publishes a conversation's changes in the order of their versions.
///
/// Whoever publishes holds the conversation's right to do so, begins at the oldest row, and sends a
/// change only after Kafka has acknowledged the one before it. A crash at any point leaves rows that
/// are published again; the log ignores versions that it has passed.
#[derive(Clone)]
pub struct Publisher {
    outbox: Outbox,
    producer: kafka::Producer,
    /// A publication holds a connection while it waits for Kafka: without a bound, Kafka's absence
    /// would take all of them, and reads with them.
    permits: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the outbox could not be read or written: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Kafka did not take a change: {0}")]
    Kafka(#[from] KafkaError),
}

/// What came of trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing that was committed before the attempt is left.
    Published,
    /// Another holds the right; it may have begun before the latest change.
    HeldElsewhere,
}

const BATCH: u32 = 100;
/// How long to leave the right to whoever holds it before asking again.
const HELD_PAUSE: Duration = Duration::from_millis(20);
/// A full queue of the producer means that Kafka is away.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a publication holds its connection for one acknowledgement. Nothing follows a change that
/// was not acknowledged, so that a late one can't be out of order.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(10);

impl Publisher {
    #[must_use]
    pub fn new(outbox: Outbox, producer: kafka::Producer, concurrent: usize) -> Self {
        Self {
            outbox,
            producer,
            permits: Arc::new(Semaphore::new(concurrent.max(1))),
        }
    }

    /// Returns when Kafka has everything up to `standing`, published here or elsewhere.
    ///
    /// # Errors
    /// When Postgres or Kafka fails; the relay tries again.
    pub async fn publish_through(&self, standing: Standing) -> Result<(), PublishError> {
        while self.outbox.holds(standing).await? {
            match self.publish(standing.conversation).await? {
                Attempt::Published => return Ok(()),
                Attempt::HeldElsewhere => tokio::time::sleep(HELD_PAUSE).await,
            }
        }
        Ok(())
    }

    /// Publishes what a conversation has, unless another is at it.
    ///
    /// # Errors
    /// When Postgres or Kafka fails; what was acknowledged before that is done with.
    pub async fn publish(&self, conversation: ConversationId) -> Result<Attempt, PublishError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let Some(mut publication) = self.outbox.try_publication(conversation).await? else {
            return Ok(Attempt::HeldElsewhere);
        };
        let mut failure = None;
        while failure.is_none() {
            let batch = publication.oldest(BATCH).await?;
            if batch.is_empty() {
                break;
            }
            let mut acknowledged = None;
            for pending in &batch {
                match self.send(conversation, pending).await {
                    Ok(()) => acknowledged = Some(pending.version()),
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            if let Some(version) = acknowledged {
                publication.acknowledged(version).await?;
            }
        }
        publication.finish().await?;
        failure.map_or(Ok(Attempt::Published), Err)
    }

    /// # Errors
    /// When the producer met an error after which it refuses everything (an idempotent one does so
    /// rather than lose the order).
    pub fn require_alive(&self) -> anyhow::Result<()> {
        match self.producer.client().fatal_error() {
            Some((code, reason)) => {
                anyhow::bail!("the producer has failed for good: {code}: {reason}")
            }
            None => Ok(()),
        }
    }

    async fn send(
        &self,
        conversation: ConversationId,
        pending: &Pending,
    ) -> Result<(), PublishError> {
        let mut headers = OwnedHeaders::new();
        if let Some(traceparent) = &pending.traceparent {
            headers = headers.insert(Header {
                key: events::TRACEPARENT_HEADER,
                value: Some(traceparent),
            });
        }
        let record = FutureRecord::to(events::LOG_TOPIC)
            .key(conversation.as_bytes().as_slice())
            .payload(&pending.record)
            .headers(headers);
        self.producer
            .send(record, Timeout::After(QUEUE_TIMEOUT))
            .await
            .map_err(|(error, _)| error)?;
        metrics::published();
        Ok(())
    }
}

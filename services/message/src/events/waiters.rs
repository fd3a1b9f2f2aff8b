//! Calls that wait for the log. Each pod has a deliveries partition of its own, named in the record, so the
//! answer finds the call wherever the partition's owner is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use events::{DELIVERIES_TOPIC, DeliveryBatch, Origin, delivery};
use ids::BootId;
use kafka::KafkaSettings;
use proto::Message as _;
use proto::socket::{Accepted, ConversationState, Refused};
use rdkafka::consumer::Consumer as _;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What became of a record.
#[derive(Debug)]
pub enum Resolution {
    Accepted(Accepted),
    Refused(Refused),
    Standing(ConversationState),
}

/// The calls of this process that wait.
#[derive(Clone)]
pub struct Waiters {
    inner: Arc<Inner>,
}

struct Inner {
    partition: u32,
    boot: BootId,
    next: AtomicU64,
    waiting: DashMap<u64, oneshot::Sender<Resolution>>,
}

/// One call's place; gone when dropped.
pub struct Waiter {
    inner: Arc<Inner>,
    number: u64,
    answer: oneshot::Receiver<Resolution>,
}

impl Waiters {
    #[must_use]
    pub fn new(partition: u32, boot: BootId) -> Self {
        Self {
            inner: Arc::new(Inner {
                partition,
                boot,
                next: AtomicU64::new(1),
                waiting: DashMap::new(),
            }),
        }
    }

    /// A place to wait at, to be named in a record before it is produced.
    #[must_use]
    pub fn register(&self) -> Waiter {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.inner.waiting.insert(number, sender);
        Waiter {
            inner: Arc::clone(&self.inner),
            number,
            answer,
        }
    }

    fn resolve(&self, batch: DeliveryBatch) {
        for item in batch.deliveries {
            let Some(origin) = item.origin else { continue };
            if origin.boot_id != self.inner.boot.as_bytes() {
                continue;
            }
            let resolution = match item.event {
                Some(delivery::Event::Accepted(accepted)) => Resolution::Accepted(accepted),
                Some(delivery::Event::Refused(refused)) => Resolution::Refused(refused),
                Some(delivery::Event::State(state)) => Resolution::Standing(state),
                Some(delivery::Event::Entry(entry)) => {
                    let Some((id, client_message_id)) = entry
                        .change
                        .as_ref()
                        .and_then(|change| change.id().zip(change.client_message_id()))
                    else {
                        continue;
                    };
                    Resolution::Accepted(Accepted {
                        client_message_id: client_message_id.to_owned(),
                        message_id: id.to_owned(),
                        number: entry.number,
                        time_unix_ms: entry.time_unix_ms,
                        conversation_id: entry.conversation_id,
                    })
                }
                _ => continue,
            };
            if let Some((_, waiter)) = self.inner.waiting.remove(&origin.waiter) {
                // A call that has given up isn't there to hear it.
                let _ = waiter.send(resolution);
            }
        }
    }

    /// Reads this pod's deliveries until stopped. `ready` is called once answers can be met.
    ///
    /// # Errors
    /// When Kafka refuses the configuration.
    pub async fn run(
        self,
        settings: KafkaSettings,
        stopping: CancellationToken,
        ready: impl Fn(bool) + Send + Sync,
    ) -> anyhow::Result<()> {
        let partition = self.inner.partition as i32;
        let consumer: Arc<kafka::Consumer> = Arc::new(
            kafka::deliveries_consumer(&settings, &format!("message-{partition}"))
                .create_with_context(kafka::Context::default())?,
        );
        // From where the topic ends now: earlier answers are of earlier boots.
        let end = loop {
            let asked = Arc::clone(&consumer);
            let end = tokio::task::spawn_blocking(move || {
                asked.fetch_watermarks(DELIVERIES_TOPIC, partition, Duration::from_secs(3))
            })
            .await?;
            match end {
                Ok((_, end)) => break end,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "waiting for Kafka"
                    );
                    tokio::select! {
                        () = stopping.cancelled() => return Ok(()),
                        () = tokio::time::sleep(Duration::from_millis(500)) => {}
                    }
                }
            }
        };
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(DELIVERIES_TOPIC, partition, Offset::Offset(end))?;
        consumer.assign(&assignment)?;
        ready(true);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                message = consumer.recv() => match message {
                    Ok(message) => match DeliveryBatch::decode(message.payload().unwrap_or_default()) {
                        Ok(batch) => self.resolve(batch),
                        Err(error) => tracing::error!(
                            error = &error as &dyn std::error::Error,
                            offset = message.offset(),
                            "a deliveries record does not decode"
                        ),
                    },
                    // librdkafka reconnects by itself; the records after it must not wait for this.
                    Err(error) => tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "Kafka is away"
                    ),
                }
            }
        }
    }
}

impl Waiter {
    /// What to name in the record.
    #[must_use]
    pub fn origin(&self) -> Origin {
        events::origin(self.inner.partition, self.inner.boot, self.number)
    }

    /// Waits for the answer; `None` when it doesn't come in time.
    pub async fn wait(mut self, at_most: Duration) -> Option<Resolution> {
        tokio::time::timeout(at_most, &mut self.answer)
            .await
            .ok()
            .and_then(Result::ok)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.inner.waiting.remove(&self.number);
    }
}

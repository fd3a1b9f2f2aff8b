use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message as _, OwnedMessage, ToBytes};
use rdkafka::producer::future_producer::{Delivery, OwnedDeliveryResult};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, FutureRecord, ProducerContext};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, ClientContext, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::Context;

/// How long the polling thread waits for an event at a time. librdkafka wakes it when there is one.
///
/// The last fraction of a millisecond of each wait is spent spinning, because the library counts in
/// whole ones: with the 100 ms of rdkafka's own `FutureProducer` that is 5 ms of CPU a second for a
/// producer that does nothing.
const POLL: Duration = Duration::from_secs(3);
/// Between two tries while the queue is full.
const RETRY_FULL: Duration = Duration::from_millis(20);

/// The producer of this crate's making: rdkafka's `FutureProducer`, but for what it costs at rest.
/// Cheap to clone. `client`, `flush` and the like come with the trait [`rdkafka::producer::Producer`].
#[derive(Clone)]
pub struct Producer {
    polled: Arc<Polled>,
}

type Inner = BaseProducer<Outcomes>;

struct Polled {
    producer: Arc<Inner>,
    stop: Arc<AtomicBool>,
}

impl Drop for Polled {
    fn drop(&mut self) {
        // Seen within `POLL`; nobody waits for it.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What became of one record: the future of [`Producer::send_result`]. It fails to resolve only if the
/// producer is dropped before.
pub type Outcome = oneshot::Receiver<OwnedDeliveryResult>;

/// Hands each record's outcome to whoever waits for it.
pub struct Outcomes(Context);

/// Who waits for a record's outcome.
pub enum Waiter {
    Future(oneshot::Sender<OwnedDeliveryResult>),
    Call(Box<dyn FnOnce(OwnedDeliveryResult) + Send + Sync>),
}

impl ClientContext for Outcomes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = Box<Waiter>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiter: Self::DeliveryOpaque) {
        let outcome = match result {
            Ok(message) => Ok(Delivery {
                partition: message.partition(),
                offset: message.offset(),
                timestamp: message.timestamp(),
            }),
            Err((error, message)) => Err((error.clone(), message.detach())),
        };
        match *waiter {
            // Whoever waited may have left.
            Waiter::Future(waiter) => drop(waiter.send(outcome)),
            Waiter::Call(tell) => tell(outcome),
        }
    }
}

impl Producer {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, KafkaError> {
        let producer = Arc::new(Inner::from_config_and_context(
            config,
            Outcomes(Context::default()),
        )?);
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped) = (producer.clone(), stop.clone());
        std::thread::Builder::new()
            .name("kafka producer".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    polled.poll(POLL);
                }
            })
            .map_err(|error| {
                KafkaError::ClientCreation(format!("start the polling thread: {error}"))
            })?;
        Ok(Self {
            polled: Arc::new(Polled { producer, stop }),
        })
    }

    /// Queues a record without waiting. Records of one thread and partition stay in order.
    ///
    /// # Errors
    /// With the record, when the queue is full or the producer has failed for good.
    #[expect(
        clippy::result_large_err,
        reason = "the caller gets its record back, as from rdkafka"
    )]
    pub fn send_result<'a, K, P>(
        &self,
        record: FutureRecord<'a, K, P>,
    ) -> Result<Outcome, (KafkaError, FutureRecord<'a, K, P>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let (waiter, outcome) = oneshot::channel();
        self.queue(record, Waiter::Future(waiter))?;
        Ok(outcome)
    }

    /// Queues a record as [`Producer::send_result`] does, and has `tell` called with what became of it,
    /// on the thread that polls: no task is woken for it, and it must not block.
    ///
    /// # Errors
    /// When the queue is full or the producer has failed for good; then `tell` is not called.
    pub fn send_then<K, P>(
        &self,
        record: FutureRecord<'_, K, P>,
        tell: impl FnOnce(OwnedDeliveryResult) + Send + Sync + 'static,
    ) -> Result<(), KafkaError>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        self.queue(record, Waiter::Call(Box::new(tell)))
            .map_err(|(error, _)| error)
    }

    #[expect(
        clippy::result_large_err,
        reason = "the caller gets its record back, as from rdkafka"
    )]
    fn queue<'a, K, P>(
        &self,
        record: FutureRecord<'a, K, P>,
        waiter: Waiter,
    ) -> Result<(), (KafkaError, FutureRecord<'a, K, P>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let queued = self.polled.producer.send(BaseRecord {
            topic: record.topic,
            partition: record.partition,
            payload: record.payload,
            key: record.key,
            timestamp: record.timestamp,
            headers: record.headers,
            delivery_opaque: Box::new(waiter),
        });
        queued.map_err(|(error, record)| {
            (
                error,
                FutureRecord {
                    topic: record.topic,
                    partition: record.partition,
                    payload: record.payload,
                    key: record.key,
                    timestamp: record.timestamp,
                    headers: record.headers,
                },
            )
        })
    }

    /// Queues a record, for which it may wait `queue_timeout`, and waits for its outcome.
    ///
    /// # Errors
    /// When Kafka did not take the record.
    pub async fn send<K, P>(
        &self,
        record: FutureRecord<'_, K, P>,
        queue_timeout: impl Into<Timeout>,
    ) -> OwnedDeliveryResult
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let until = match queue_timeout.into() {
            Timeout::Never => None,
            Timeout::After(wait) => Some(Instant::now() + wait),
        };
        let mut record = record;
        loop {
            let (error, back) = match self.send_result(record) {
                Ok(outcome) => {
                    return outcome
                        .await
                        .expect("the producer outlives this borrow of it, and answers for all");
                }
                Err(refused) => refused,
            };
            let is_full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            if !is_full || until.is_some_and(|until| Instant::now() >= until) {
                return Err((error, owned(&back)));
            }
            record = back;
            tokio::time::sleep(RETRY_FULL).await;
        }
    }
}

fn owned<K, P>(record: &FutureRecord<'_, K, P>) -> OwnedMessage
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    OwnedMessage::new(
        record.payload.map(|payload| payload.to_bytes().to_vec()),
        record.key.map(|key| key.to_bytes().to_vec()),
        record.topic.to_owned(),
        record
            .timestamp
            .map_or(Timestamp::NotAvailable, Timestamp::CreateTime),
        record.partition.unwrap_or(-1),
        0,
        record.headers.clone(),
    )
}

impl Deref for Producer {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.polled.producer
    }
}

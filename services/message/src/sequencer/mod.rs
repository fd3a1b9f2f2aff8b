//! The sequencer: applies each partition of the log in order, one task a partition.
//!
//! **Invariants.** What is told was stored before. The head never goes back. Nothing here depends on
//! being the only owner: a second one writes the same bytes.

mod commits;
pub mod owner;
pub mod progress;
pub mod routes;
pub mod task;
pub mod teller;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::Clock;
use events::{LOG_TOPIC, TRACEPARENT_HEADER};
use kafka::KafkaSettings;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientContext, Statistics, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::commits::Commits;
use self::owner::{LogEnd, Owner, OwnerError, RawRecord};
use self::progress::Progress;
use self::task::PartitionTask;
use self::teller::Teller;
use crate::store::Store;

/// The consumer group of the log.
const GROUP: &str = "parlance.sequencer";
/// Records that wait for a partition's task.
const QUEUE: usize = 1_024;
/// How often the index of changes is looked after, and is told how far the partitions are.
const REPAIR_EVERY: Duration = Duration::from_secs(1);
/// Before a consumer that failed for good is followed by another.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the sequencer needs.
pub struct Sequencer {
    pub store: Store,
    pub teller: Teller,
    pub clock: Clock,
    pub kafka: KafkaSettings,
    /// Names this member of the group across restarts.
    pub instance: String,
    pub session_timeout: Duration,
    /// Set once this member has its share of the log and each partition of it is applied. It stays:
    /// a rebalance or an outage of Kafka later is no reason to send the readers of a pod away, whose
    /// history is served all the same, and would send away those of every pod at once.
    pub following: Arc<AtomicBool>,
}

#[derive(Debug)]
enum GroupEvent {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

struct GroupContext {
    events: mpsc::UnboundedSender<GroupEvent>,
    client: kafka::Context,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        progress::publish_lag(&statistics);
    }
}

impl ConsumerContext for GroupContext {
    // Both run inside a poll, before any record of the new assignment is handed out. The channel is
    // bounded by how often the group changes.
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let _ = self.events.send(GroupEvent::Revoked(numbers(partitions)));
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            let _ = self.events.send(GroupEvent::Assigned(numbers(partitions)));
        }
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions
        .elements()
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

type LogConsumer = StreamConsumer<GroupContext>;

/// Why a consumer ended.
enum Ended {
    Stopped,
    Fatal(String),
}

struct Running {
    records: mpsc::Sender<RawRecord>,
    revoked: CancellationToken,
    progress: Arc<Progress>,
}

impl Running {
    fn leave(&self) {
        self.revoked.cancel();
        self.progress.leave();
    }
}

impl Sequencer {
    /// Runs until `stopping`, then leaves the group with what is finished.
    ///
    /// # Errors
    /// When the log isn't the one that the store was written from, or Kafka refuses the configuration.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let epoch = loop {
            match self.store.epoch().await {
                Ok(epoch) => break epoch,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "waiting for DynamoDB"
                    );
                    tokio::select! {
                        () = stopping.cancelled() => return Ok(()),
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
            }
        };
        loop {
            match self.consume(epoch, &stopping).await? {
                Ended::Stopped => return Ok(()),
                Ended::Fatal(reason) => {
                    metrics::counter!("message_consumer_restarts_total").increment(1);
                    tracing::warn!(reason, "the consumer of the log begins again");
                    tokio::select! {
                        () = stopping.cancelled() => return Ok(()),
                        () = tokio::time::sleep(BEGIN_AGAIN_AFTER) => {}
                    }
                }
            }
        }
    }

    /// Applies what comes until stopped, or until librdkafka says that this consumer is of no use any more
    /// (fenced by a newer one of the same name, for example after a broker's restart).
    async fn consume(&self, epoch: u64, stopping: &CancellationToken) -> anyhow::Result<Ended> {
        let (events, mut group) = mpsc::unbounded_channel();
        let consumer: Arc<LogConsumer> = Arc::new(
            kafka::log_consumer(
                &self.kafka,
                &self.instance,
                GROUP,
                &self.instance,
                self.session_timeout,
            )
            .create_with_context(GroupContext {
                events,
                client: kafka::Context::default(),
            })?,
        );
        consumer.subscribe(&[LOG_TOPIC])?;

        let commits = Arc::new(Commits::new(self.store.clone(), self.teller.clone()));
        let mut running: HashMap<i32, Running> = HashMap::new();
        let mut tasks: JoinSet<Result<(), OwnerError>> = JoinSet::new();
        let mut repair = tokio::time::interval(REPAIR_EVERY);
        // A share may be empty: there can be more pods than partitions.
        let mut assigned = false;
        let result = loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break Ok(Ended::Stopped),
                Some(event) = group.recv() => {
                    assigned |= matches!(event, GroupEvent::Assigned(_));
                    self.regroup(event, epoch, &consumer, &commits, &mut running, &mut tasks);
                }
                Some(ended) = tasks.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => break Err(error.into()),
                    Err(panic) => break Err(panic.into()),
                },
                _ = repair.tick() => {
                    self.tell_progress(assigned, &running);
                    self.teller.repair_index().await;
                }
                message = consumer.recv() => match message {
                    Ok(message) => {
                        // What came of a rebalance comes before the records after it.
                        while let Ok(event) = group.try_recv() {
                            assigned |= matches!(event, GroupEvent::Assigned(_));
                            self.regroup(event, epoch, &consumer, &commits, &mut running, &mut tasks);
                        }
                        let partition = message.partition();
                        if let Some(task) = running.get(&partition) {
                            let record = raw(&message);
                            task.progress.handed_out(record.time_unix_ms);
                            tokio::select! {
                                () = stopping.cancelled() => break Ok(Ended::Stopped),
                                sent = task.records.send(record) => if sent.is_err() {
                                    running.remove(&partition);
                                },
                            }
                        }
                    }
                    Err(error) => match consumer.client().fatal_error() {
                        Some((_, reason)) => break Ok(Ended::Fatal(reason)),
                        // librdkafka reconnects by itself, and has told `GroupContext`. What it says of an
                        // outage is queued before the records after it: to wait here for each of a
                        // hundred errors would hold those up long after the broker is back.
                        None => tracing::debug!(
                            error = &error as &dyn std::error::Error,
                            "Kafka is away"
                        ),
                    },
                },
            }
        };
        for task in running.values() {
            task.leave();
        }
        drop(running);
        while tasks.join_next().await.is_some() {}
        // Closing the consumer commits what was stored and, for a static member, keeps its place.
        tokio::task::spawn_blocking(move || drop(consumer)).await?;
        result
    }

    fn regroup(
        &self,
        event: GroupEvent,
        epoch: u64,
        consumer: &Arc<LogConsumer>,
        commits: &Arc<Commits>,
        running: &mut HashMap<i32, Running>,
        tasks: &mut JoinSet<Result<(), OwnerError>>,
    ) {
        match event {
            GroupEvent::Revoked(partitions) => {
                for partition in partitions {
                    if let Some(task) = running.remove(&partition) {
                        task.leave();
                    }
                }
            }
            GroupEvent::Assigned(partitions) => {
                for partition in partitions {
                    // Whatever was in memory may be behind: a new owner begins from the store.
                    if let Some(task) = running.remove(&partition) {
                        task.revoked.cancel();
                    }
                    let (records, queue) = mpsc::channel(QUEUE);
                    let revoked = CancellationToken::new();
                    let progress = Arc::new(Progress::new(partition));
                    tasks.spawn(self.own(
                        Arc::clone(&progress),
                        epoch,
                        consumer,
                        commits,
                        queue,
                        revoked.clone(),
                    ));
                    running.insert(
                        partition,
                        Running {
                            records,
                            revoked,
                            progress,
                        },
                    );
                }
            }
        }
        metrics::gauge!("message_partitions_owned").set(running.len() as f64);
    }

    fn tell_progress(&self, assigned: bool, running: &HashMap<i32, Running>) {
        let now_unix_ms = self.clock.unix_ms();
        for task in running.values() {
            task.progress.publish(now_unix_ms);
        }
        if assigned && running.values().all(|task| task.progress.has_begun()) {
            self.following.store(true, Ordering::Relaxed);
        }
    }

    fn own(
        &self,
        progress: Arc<Progress>,
        epoch: u64,
        consumer: &Arc<LogConsumer>,
        commits: &Arc<Commits>,
        queue: mpsc::Receiver<RawRecord>,
        revoked: CancellationToken,
    ) -> impl Future<Output = Result<(), OwnerError>> + Send + 'static {
        let partition = progress.partition;
        let store = self.store.clone();
        let commits = Arc::clone(commits);
        let clock = self.clock.clone();
        let consumer = Arc::clone(consumer);
        async move {
            let log_end = log_end(Arc::clone(&consumer), partition);
            let owner = loop {
                match Owner::begin(store.clone(), partition, epoch, Arc::clone(&log_end)).await {
                    Ok(owner) => break owner,
                    Err(error) => {
                        tracing::warn!(
                            partition,
                            error = &error as &dyn std::error::Error,
                            "waiting for DynamoDB"
                        );
                        tokio::select! {
                            () = revoked.cancelled() => return Ok(()),
                            () = tokio::time::sleep(Duration::from_millis(500)) => {}
                        }
                    }
                }
            };
            progress.begin();
            PartitionTask {
                owner,
                commits,
                clock,
                partition,
                revoked,
                progress,
            }
            .run(queue, |offset| {
                // Fails only when the partition is no longer ours: then it isn't ours to say.
                if let Err(error) = consumer.store_offset(LOG_TOPIC, partition, offset) {
                    tracing::debug!(
                        partition,
                        error = &error as &dyn std::error::Error,
                        "offset not kept"
                    );
                }
            })
            .await
        }
    }
}

fn log_end(consumer: Arc<LogConsumer>, partition: i32) -> LogEnd {
    Arc::new(move || {
        let consumer = Arc::clone(&consumer);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || {
                consumer
                    .fetch_watermarks(LOG_TOPIC, partition, Duration::from_secs(5))
                    .map(|(_, end)| end)
                    .map_err(|error| error.to_string())
            })
            .await
            .map_err(|error| error.to_string())?
        })
    })
}

fn raw(message: &BorrowedMessage<'_>) -> RawRecord {
    RawRecord {
        offset: message.offset(),
        time_unix_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        traceparent: message.headers().and_then(|headers| {
            headers
                .iter()
                .find(|header| header.key == TRACEPARENT_HEADER)
                .and_then(|header| header.value)
                .and_then(|value| std::str::from_utf8(value).ok())
                .map(ToOwned::to_owned)
        }),
    }
}

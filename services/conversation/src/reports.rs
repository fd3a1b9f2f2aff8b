//! Which groups have most: members, people who write, messages.
//!
//! What is written is counted once, in the background, by group, day and sender; a report adds that up.
//! The log says where there is something to count, the message service what came of it: a record of the
//! log may be a repetition, or refused. Entries are numbered, so each is counted exactly once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Person;
use clock::Clock;
use events::{LOG_TOPIC, log_record};
use futures_util::{StreamExt as _, stream};
use ids::ConversationId;
use problem::Result;
use rdkafka::Message as _;
use rdkafka::consumer::Consumer as _;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::domain::report::{GroupActivity, Metric, Period};
use crate::limits::Limits;
use crate::metrics;
use crate::peers::Peers;
use crate::store::activity::{Activity, Pending};
use crate::store::conversations::Conversations;

/// The `[reports]` section: how what is written is counted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// How long a group waits until it is counted, in milliseconds: what comes meanwhile is counted with
    /// it.
    pub count_after_ms: u64,
    /// Milliseconds between two looks for groups to count.
    pub poll_interval_ms: u64,
}

/// The consumer group that notes where there is something to count.
pub const GROUP: &str = "parlance.conversation.activity";
/// Records of the log that are noted together.
const BATCH: usize = 1_000;
/// How long a batch may wait to be filled.
const BATCH_TIME: Duration = Duration::from_millis(500);
/// How long a stopping replica waits to leave the consumer group.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// Groups taken up at once, and of those counted at the same time.
const COUNTED_TOGETHER: usize = 64;
const COUNTED_AT_ONCE: usize = 4;
/// Longest pause after failures in a row.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// The answer to whoever asks.
pub struct Reports {
    pub store: Conversations,
    pub limits: Arc<Limits>,
    pub clock: Clock,
}

impl Reports {
    /// The groups with most, of those that are public or the person's own.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn top_groups(
        &self,
        person: &Person,
        metric: Metric,
        period: Period,
    ) -> Result<Vec<GroupActivity>> {
        self.limits.report(person.user).await?;
        self.store
            .top_groups(person.user, metric, period)
            .await
            .map_err(|error| postgres::problem(&error))
    }
}

/// Notes from the log which groups are written in.
pub struct Notes {
    pub activity: Activity,
    pub consumer: kafka::Consumer,
}

impl Notes {
    /// Runs until the process stops. An offset is kept only after its note is: a crash notes again, which
    /// changes nothing.
    ///
    /// # Errors
    /// When librdkafka says that the consumer is of no use any more.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        self.consumer.subscribe(&[LOG_TOPIC])?;
        let ended = self.follow(&stopping).await;
        kafka::close(self.consumer, LEAVE_TIMEOUT).await;
        ended
    }

    async fn follow(&self, stopping: &CancellationToken) -> anyhow::Result<()> {
        let mut batch = Batch::default();
        loop {
            let full = batch.fill(&self.consumer);
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                filled = full => filled?,
            }
            let written: Vec<Pending> = batch.written();
            let mut failures = 0_u32;
            while !written.is_empty()
                && let Err(error) = self.activity.note(&written).await
            {
                failures = failures.saturating_add(1);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    failures,
                    "what is written in groups waits to be noted"
                );
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    () = tokio::time::sleep(backoff(BATCH_TIME, failures)) => {}
                }
            }
            for (partition, offset) in batch.offsets.drain() {
                // Fails only when the partition is no longer ours: then another notes it again.
                if let Err(error) = self.consumer.store_offset(LOG_TOPIC, partition, offset) {
                    tracing::debug!(
                        partition,
                        error = &error as &dyn std::error::Error,
                        "offset not kept"
                    );
                }
            }
            batch.latest.clear();
        }
    }
}

#[derive(Default)]
struct Batch {
    /// Offset of the latest message of each conversation.
    latest: HashMap<ConversationId, i64>,
    /// Offset of the latest record of each partition.
    offsets: HashMap<i32, i64>,
}

impl Batch {
    /// Takes what comes until there is enough, or for long enough since the first. What was taken stays
    /// when this is dropped.
    async fn fill(&mut self, consumer: &kafka::Consumer) -> anyhow::Result<()> {
        let deadline = tokio::time::sleep(BATCH_TIME);
        tokio::pin!(deadline);
        for _ in 0..BATCH {
            let record = tokio::select! {
                () = &mut deadline => return Ok(()),
                record = consumer.recv() => record,
            };
            match record {
                Ok(record) => {
                    self.offsets.insert(record.partition(), record.offset());
                    let decoded = events::decode_log_record(record.key(), record.payload());
                    // What nobody can read is the sequencer's to set aside.
                    if let Ok((conversation, value)) = decoded
                        && let Some(log_record::Change::Send(_)) = value.change
                    {
                        self.latest.insert(conversation, record.offset());
                    }
                }
                Err(error) => {
                    if let Some((_, reason)) = consumer.client().fatal_error() {
                        anyhow::bail!("the consumer of the log has failed for good: {reason}");
                    }
                    // librdkafka reconnects by itself, and its context has told.
                    tracing::debug!(error = &error as &dyn std::error::Error, "Kafka is away");
                }
            }
        }
        Ok(())
    }

    fn written(&self) -> Vec<Pending> {
        self.latest
            .iter()
            .map(|(conversation, log_offset)| Pending {
                conversation: *conversation,
                log_offset: *log_offset,
            })
            .collect()
    }
}

/// Counts what was noted.
pub struct Counter {
    pub activity: Activity,
    pub peers: Peers,
    pub settings: ReportSettings,
}

impl Counter {
    /// Runs until the process stops. Every replica runs one: two that count the same group add it once.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let interval = Duration::from_millis(self.settings.poll_interval_ms);
        let mut failures = 0_u32;
        let mut after = None;
        loop {
            let pause = match (failures, after) {
                // There is more.
                (0, Some(_)) => Duration::ZERO,
                (0, None) => interval,
                (failures, _) => backoff(interval, failures),
            };
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            let ended;
            (after, ended) = self.round(after).await;
            match ended {
                Ok(()) => failures = 0,
                // Whoever failed has logged it.
                Err(_) => failures = failures.saturating_add(1),
            }
        }
    }

    /// Counts some of the groups that have waited long enough. Also returns after which one the next round
    /// goes on; `None`: from the beginning.
    async fn round(&self, after: Option<ConversationId>) -> (Option<ConversationId>, Result<()>) {
        let age = Duration::from_millis(self.settings.count_after_ms);
        let pending = match self.due(age, after).await {
            Ok(pending) => pending,
            Err(error) => return (after, Err(postgres::problem(&error))),
        };
        let next = pending
            .last()
            .filter(|_| pending.len() == COUNTED_TOGETHER)
            .map(|last| last.conversation);
        let ends: Vec<Result<()>> = stream::iter(pending)
            .map(|pending| self.count(pending))
            .buffer_unordered(COUNTED_AT_ONCE)
            .collect()
            .await;
        (next, ends.into_iter().collect())
    }

    async fn due(
        &self,
        age: Duration,
        after: Option<ConversationId>,
    ) -> std::result::Result<Vec<Pending>, sqlx::Error> {
        let forgotten = self.activity.forget_old().await?;
        if forgotten > 0 {
            tracing::warn!(forgotten, "notes of groups to count led to nothing");
        }
        self.activity.pending(age, after, COUNTED_TOGETHER).await
    }

    async fn count(&self, pending: Pending) -> Result<()> {
        let database = |error: sqlx::Error| postgres::problem(&error);
        let conversation = pending.conversation;
        loop {
            let after = self
                .activity
                .counted(conversation)
                .await
                .map_err(database)?;
            let counted = self.peers.count_messages(conversation, after).await?;
            if counted.through > after {
                self.activity
                    .add(conversation, after, counted.through, &counted.counts)
                    .await
                    .map_err(database)?;
                let messages = counted.counts.iter().map(|count| count.messages).sum();
                metrics::counted(messages);
            }
            if counted.through >= counted.head {
                // Not yet applied is not yet countable: the note stays.
                if counted.applied_offset >= pending.log_offset {
                    self.activity.done(pending).await.map_err(database)?;
                }
                return Ok(());
            }
        }
    }
}

/// Doubled with each failure; half of it is chance, so that replicas don't come back together.
fn backoff(first: Duration, failures: u32) -> Duration {
    first
        .saturating_mul(1 << failures.min(10))
        .min(MAX_BACKOFF)
        .mul_f64(rand::random_range(0.5..=1.0))
}

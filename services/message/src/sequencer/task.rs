//! The loop of one partition: batch in, stored, told, offset kept.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use rand::RngExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::commits::{Commits, Company};
use super::owner::{MAX_BATCH, Owner, OwnerError, RawRecord};
use super::progress::Progress;

const FIRST_PAUSE_MS: u64 = 20;
const LONGEST_PAUSE_MS: u64 = 2_000;

/// What a partition's loop works with.
pub struct PartitionTask {
    pub owner: Owner,
    pub commits: Arc<Commits>,
    pub clock: Clock,
    pub partition: i32,
    /// Cancelled when the partition goes to another owner or the process stops.
    pub revoked: CancellationToken,
    pub progress: Arc<Progress>,
}

impl PartitionTask {
    /// Runs until revoked. `done` is told the offset of the last record of each finished batch.
    ///
    /// # Errors
    /// Only when going on would do harm: the log isn't the store's.
    pub async fn run(
        mut self,
        mut records: mpsc::Receiver<RawRecord>,
        done: impl Fn(i64),
    ) -> Result<(), OwnerError> {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            batch.clear();
            let received = tokio::select! {
                biased;
                () = self.revoked.cancelled() => return Ok(()),
                received = records.recv_many(&mut batch, MAX_BATCH) => received,
            };
            if received == 0 {
                return Ok(());
            }
            if let Some(first) = batch.first() {
                self.progress.works_on(first.time_unix_ms);
            }
            match self.finish(&batch).await? {
                ControlFlow::Continue(()) => self.progress.finished(),
                ControlFlow::Break(()) => return Ok(()),
            }
            if let Some(last) = batch.last() {
                done(last.offset);
            }
        }
    }

    /// Takes one batch all the way. The order matters: rows, then heads, then deliveries; a crash
    /// anywhere replays the batch and comes to the same.
    async fn finish(&mut self, batch: &[RawRecord]) -> Result<ControlFlow<()>, OwnerError> {
        let traced = batch
            .iter()
            .filter_map(|record| record.traceparent.as_deref())
            .find(|traceparent| traceparent.ends_with("-01"));
        let span = match traced {
            Some(traceparent) => {
                let span = tracing::info_span!(
                    "process parlance.log",
                    messaging.system = "kafka",
                    messaging.destination.name = events::LOG_TOPIC,
                    messaging.destination.partition.id = self.partition,
                    messaging.batch.message_count = batch.len(),
                );
                telemetry::set_parent(&span, traceparent);
                span
            }
            None => tracing::Span::none(),
        };
        self.steps(batch).instrument(span).await
    }

    async fn steps(&mut self, batch: &[RawRecord]) -> Result<ControlFlow<()>, OwnerError> {
        let started = tokio::time::Instant::now();
        let revoked = self.revoked.clone();
        let mut pauses = Pauses::new(&revoked, self.partition);

        let prepared = loop {
            match self.owner.prepare(batch, self.clock.unix_ms() as i64).await {
                Ok(prepared) => break prepared,
                Err(error @ OwnerError::ForeignLog { .. }) => return Err(error),
                Err(error) => {
                    if pauses.after(&error).await.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        };
        let mut decided = self.owner.apply(prepared);
        while let Err(error) = self.owner.stand(&mut decided).await {
            if pauses.after(&error).await.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let traceparent = telemetry::current_traceparent().filter(|parent| parent.ends_with("-01"));
        let decided = Arc::new(decided);
        let mut company = if traceparent.is_some() {
            // Its deliveries carry the trace of this batch alone.
            Company::Alone
        } else {
            Company::Joined
        };
        while let Err(error) = self
            .commits
            .commit(&decided, traceparent.as_deref(), company)
            .await
        {
            if pauses.after(&error).await.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            // Whatever another partition's rows did to the request, they do nothing to the next.
            company = Company::Alone;
        }
        self.owner.forget_quiet();
        if let Some(first) = batch.first() {
            let age_ms = self
                .clock
                .unix_ms()
                .saturating_sub(first.time_unix_ms.max(0) as u64);
            metrics::histogram!("message_log_age_seconds").record(age_ms as f64 / 1_000.0);
        }
        metrics::histogram!("message_batch_records").record(batch.len() as f64);
        metrics::histogram!("message_batch_seconds").record(started.elapsed().as_secs_f64());
        Ok(ControlFlow::Continue(()))
    }
}

/// Pauses between tries: they grow to a limit, with jitter. An error of a store is never poison, so the
/// tries end only when the partition goes to somebody else.
struct Pauses<'a> {
    revoked: &'a CancellationToken,
    partition: i32,
    next_ms: u64,
}

impl<'a> Pauses<'a> {
    const fn new(revoked: &'a CancellationToken, partition: i32) -> Self {
        Self {
            revoked,
            partition,
            next_ms: FIRST_PAUSE_MS,
        }
    }

    async fn after(
        &mut self,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> ControlFlow<()> {
        metrics::counter!("message_batch_retries_total").increment(1);
        tracing::warn!(
            partition = self.partition,
            error,
            "a batch waits and is tried again"
        );
        let pause = rand::rng().random_range(self.next_ms / 2..=self.next_ms);
        self.next_ms = (self.next_ms * 2).min(LONGEST_PAUSE_MS);
        tokio::select! {
            () = self.revoked.cancelled() => ControlFlow::Break(()),
            () = tokio::time::sleep(Duration::from_millis(pause)) => ControlFlow::Continue(()),
        }
    }
}

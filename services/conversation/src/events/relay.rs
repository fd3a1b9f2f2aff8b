use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::publish::{PublishError, Publisher};
use crate::metrics;
use crate::store::outbox::Outbox;

/// The `[relay]` section: who publishes what a request left behind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaySettings {
    /// Milliseconds between two looks into the outbox.
    pub poll_interval_ms: u64,
    /// A row younger than this, in milliseconds, is left to the request that wrote it.
    pub overdue_after_ms: u64,
    /// Conversations taken up at once.
    pub batch: u32,
    /// Conversations of a batch that are published at the same time.
    pub concurrency: usize,
}

/// Longest pause after failures in a row.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Publishes what requests left behind: because they were cut off, or because Kafka was away. Every
/// replica runs one; the right to publish keeps them out of each other's way.
pub struct Relay {
    pub outbox: Outbox,
    pub publisher: Publisher,
    pub settings: RelaySettings,
}

impl Relay {
    /// Runs until the process stops; a round that has begun is finished.
    ///
    /// # Errors
    /// When the producer will never work again: a new process is the only help.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let interval = Duration::from_millis(self.settings.poll_interval_ms);
        let mut failures = 0_u32;
        loop {
            let pause = if failures == 0 {
                interval
            } else {
                // Half of the pause is chance, so that replicas don't come back together.
                let longest = interval
                    .saturating_mul(1 << failures.min(10))
                    .min(MAX_BACKOFF);
                longest.mul_f64(rand::random_range(0.5..=1.0))
            };
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            match self.round().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    self.publisher.require_alive()?;
                    failures = failures.saturating_add(1);
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        failures,
                        "membership changes wait in the outbox"
                    );
                }
            }
        }
    }

    /// Publishes everything that is overdue now.
    ///
    /// # Errors
    /// The first failure, after the other conversations of its batch were tried.
    pub async fn round(&self) -> Result<(), PublishError> {
        loop {
            let overdue = self
                .outbox
                .overdue(
                    Duration::from_millis(self.settings.overdue_after_ms),
                    self.settings.batch,
                )
                .await?;
            let full = overdue.len() == self.settings.batch as usize;
            let ends: Vec<_> = stream::iter(overdue)
                .map(|conversation| self.publisher.publish(conversation))
                .buffer_unordered(self.settings.concurrency.max(1))
                .collect()
                .await;
            let all_published = ends
                .iter()
                .all(|end| matches!(end, Ok(super::publish::Attempt::Published)));
            metrics::backlog(self.outbox.backlog().await?);
            for end in ends {
                end?;
            }
            // A full batch of which some are held elsewhere would come again at once.
            if !(full && all_published) {
                return Ok(());
            }
        }
    }
}

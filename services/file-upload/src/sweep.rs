//! Forgets files whose bytes never came.

use std::time::Duration;

use clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::objects::{Objects, ObjectsError};
use crate::store::files::Files;

/// How often it looks. Half to whole of it passes, so that replicas don't look together.
const INTERVAL: Duration = Duration::from_secs(30 * 60);

pub struct Sweep {
    pub store: Files,
    pub objects: Objects,
    pub clock: Clock,
    pub abandoned_after: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
}

impl Sweep {
    /// Runs until the process stops.
    pub async fn run(self, stopping: CancellationToken) {
        loop {
            let pause = INTERVAL.mul_f64(rand::random_range(0.5..=1.0));
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            if let Err(error) = self.round().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "abandoned files wait for the next sweep"
                );
            }
        }
    }

    /// Forgets everything that is abandoned now.
    ///
    /// # Errors
    /// The first failure; what was not forgotten stays for the next round.
    pub async fn round(&self) -> Result<(), SweepError> {
        let before = self
            .clock
            .unix_ms()
            .saturating_sub(self.abandoned_after.as_millis() as u64);
        while let Some(abandoned) = self.store.claim_abandoned(before).await? {
            // The bytes first: an object without a row would never be found again.
            self.objects.delete(&abandoned.file).await?;
            abandoned.forget().await?;
            metrics::abandoned();
        }
        Ok(())
    }
}

//! Forgets files whose bytes never came, and pictures that no profile names.

use std::time::Duration;

use clock::Clock;
use ids::{FileId, UserId};
use problem::Problem;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::objects::{Objects, ObjectsError};
use crate::peers::Peers;
use crate::store::files::Files;
use crate::store::pictures::Pictures;

/// How often it looks. Half to whole of it passes, so that replicas don't look together.
const INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Pictures that are looked at together, with one question to the account service.
const PICTURES: i64 = 100;

pub struct Sweep {
    pub store: Files,
    pub pictures: Pictures,
    pub objects: Objects,
    pub peers: Peers,
    pub clock: Clock,
    pub abandoned_after: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error("ask the account service: {0}")]
    Account(Problem),
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
                    "abandoned files and unused pictures wait for the next sweep"
                );
            }
        }
    }

    /// Forgets everything that is abandoned now, or a picture that isn't used.
    ///
    /// # Errors
    /// The first failure; what was not forgotten stays for the next round.
    pub async fn round(&self) -> Result<(), SweepError> {
        let before = self
            .clock
            .unix_ms()
            .saturating_sub(self.abandoned_after.as_millis() as u64);
        self.files(before).await?;
        self.pictures(before).await
    }

    async fn files(&self, before: u64) -> Result<(), SweepError> {
        while let Some(abandoned) = self.store.claim_abandoned(before).await? {
            // The bytes first: an object without a row would never be found again.
            self.objects.delete(&abandoned.file.object()).await?;
            abandoned.forget().await?;
            metrics::abandoned();
        }
        Ok(())
    }

    /// Each picture is looked at once in [`Sweep::abandoned_after`]: replaced, taken off, or of a deleted
    /// account, it is deleted here. Nothing else has to be told, and nothing can be missed.
    async fn pictures(&self, before: u64) -> Result<(), SweepError> {
        loop {
            let claimed = self.pictures.claim_unchecked(before, PICTURES).await?;
            if claimed.pictures.is_empty() {
                return Ok(());
            }
            let people: Vec<UserId> = claimed.pictures.iter().map(|one| one.person).collect();
            let used = self.peers.pictures_of(&people).await;
            let used = used.map_err(SweepError::Account)?;
            let mut unused: Vec<FileId> = Vec::new();
            for picture in &claimed.pictures {
                if !used.contains(&(picture.person, picture.id)) {
                    // The bytes first: an object without a row would never be found again.
                    self.objects.delete(&picture.object()).await?;
                    unused.push(picture.id);
                }
            }
            claimed.settle(&unused, self.clock.unix_ms()).await?;
            metrics::unused_pictures(unused.len());
        }
    }
}

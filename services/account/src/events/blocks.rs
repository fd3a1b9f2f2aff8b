//! Blocks, and ends of blocks, told to the conversation service, which orders them with the messages.
//!
//! The call that makes a change tells it. What it couldn't, because it was cut off or the other service
//! was away, is told here until that has worked. Told twice, or out of order, the newest version wins.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use lifecycle::Lifecycle;
use tracing::Instrument as _;

use crate::app::App;
use crate::metrics;
use crate::store::blocks::{self, Decision};

/// How often the table is looked at. The index of what is untold is nearly always empty.
const LOOK: Duration = Duration::from_secs(1);
/// Longest pause after failures in a row.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A change younger than this is left to the call that made it: the deadline of a call to a peer, and
/// some.
const LEFT_TO_ITS_CALL: Duration = Duration::from_secs(3);
const BATCH: i64 = 100;
const AT_ONCE: usize = 8;

/// Tells what calls left behind, for the life of the process.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("blocks", async move {
        let mut failures = 0_u32;
        loop {
            let longest = LOOK.saturating_mul(1 << failures.min(8)).min(MAX_BACKOFF);
            // Half of the pause is chance, so that replicas don't come back together.
            let pause = longest.mul_f64(rand::random_range(0.5..=1.0));
            tokio::select! {
                // What is left is in the table, for the next start or another replica.
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            match drain(&app)
                .instrument(tracing::info_span!("tell blocks"))
                .await
            {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let error: &dyn std::error::Error = error.as_ref();
                    tracing::warn!(error, failures, "blocks wait to be told");
                }
            }
        }
    });
}

async fn drain(app: &App) -> anyhow::Result<()> {
    loop {
        let now = app.clock.unix_ms();
        let before = now.saturating_sub(LEFT_TO_ITS_CALL.as_millis() as u64);
        let untold = blocks::untold(&app.database, before, BATCH)
            .await
            .context("read what is untold")?;
        let full = untold.len() as i64 == BATCH;
        let ends: Vec<anyhow::Result<()>> = stream::iter(untold)
            .map(|decision| tell(app, decision))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let oldest = blocks::oldest_untold(&app.database)
            .await
            .context("read the oldest")?;
        metrics::oldest_untold_block(oldest.map_or(Duration::ZERO, |oldest| {
            Duration::from_millis(app.clock.unix_ms().saturating_sub(oldest as u64))
        }));
        for end in ends {
            end?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Tells the conversation service, and notes that it knows.
pub async fn tell(app: &App, decision: Decision) -> anyhow::Result<()> {
    app.peers.set_block(decision).await?;
    blocks::note_told(&app.database, decision)
        .await
        .context("note what is told")
}

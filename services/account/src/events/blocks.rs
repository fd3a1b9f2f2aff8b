//! Blocks, and ends of blocks, told to the conversation service, which orders them with the messages.
//!
//! The call that makes a change tells it. What it couldn't, because it was cut off or the other service
//! was away, is told here until that has worked. Told twice, or out of order, the newest version wins.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use lifecycle::Lifecycle;

use super::relay::{self, Outbox};
use crate::app::App;
use crate::metrics;
use crate::store::blocks::{self, Decision};

/// A change younger than this is left to the call that made it: the deadline of a call to a peer, and
/// some.
const LEFT_TO_ITS_CALL: Duration = Duration::from_secs(3);
const BATCH: i64 = 100;
const AT_ONCE: usize = 8;

/// Tells what calls left behind, for the life of the process.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    let outbox = Outbox {
        name: "blocks",
        bell: None,
        // The index of what is untold is nearly always empty.
        look: Duration::from_secs(1),
        longest: Duration::from_secs(30),
    };
    relay::relay(lifecycle, app, outbox, drain);
}

async fn drain(app: Arc<App>) -> anyhow::Result<()> {
    loop {
        let now = app.clock.unix_ms();
        let before = now.saturating_sub(LEFT_TO_ITS_CALL.as_millis() as u64);
        let untold = blocks::untold(&app.database, before, BATCH)
            .await
            .context("read what is untold")?;
        let full = untold.len() as i64 == BATCH;
        let ends: Vec<anyhow::Result<()>> = stream::iter(untold)
            .map(|decision| tell(&app, decision))
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

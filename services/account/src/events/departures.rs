//! Deleted accounts, told to the conversation service, which takes the people out of their conversations.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use ids::UserId;
use lifecycle::Lifecycle;

use super::relay::{self, Outbox};
use crate::app::App;
use crate::metrics;
use crate::store::departures;

const BATCH: i64 = 100;
const AT_ONCE: usize = 4;

/// Empties the outbox, whenever the bell rings and now and then.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    let outbox = Outbox {
        name: "departures",
        bell: Some(|app| &app.departed),
        look: Duration::from_secs(5),
        longest: Duration::from_secs(30),
    };
    relay::relay(lifecycle, app, outbox, drain);
}

async fn drain(app: Arc<App>) -> anyhow::Result<()> {
    loop {
        let untold = departures::untold(&app.database, BATCH)
            .await
            .context("read what is untold")?;
        let full = untold.len() as i64 == BATCH;
        let ends: Vec<anyhow::Result<()>> = stream::iter(untold)
            .map(|user| tell(&app, user))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let oldest = departures::oldest_untold(&app.database)
            .await
            .context("read the oldest")?;
        metrics::oldest_untold_departure(oldest.map_or(Duration::ZERO, |oldest| {
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

/// Tells it until they are in no conversation any more, and notes that.
async fn tell(app: &App, user: UserId) -> anyhow::Result<()> {
    while app.peers.remove_person(user).await?.more {}
    departures::note_told(&app.database, user)
        .await
        .context("note what is told")
}

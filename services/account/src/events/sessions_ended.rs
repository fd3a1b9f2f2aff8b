//! Ended sessions, told to every gateway, so that each closes the sockets that it has of them.
//!
//! Through an outbox: the end itself does not wait for Kafka, and is told when Kafka is back.
//! Told twice, it closes nothing twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lifecycle::Lifecycle;
use proto::event::{Delivery, EndSession, delivery};

use super::relay::{self, Outbox};
use crate::app::App;
use crate::metrics;
use crate::store::sessions;

/// Empties the outbox, whenever the bell rings and now and then.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    let outbox = Outbox {
        name: "ended sessions",
        bell: Some(|app| &app.session_ended),
        look: Duration::from_secs(5),
        longest: Duration::from_secs(1),
    };
    relay::relay(lifecycle, app, outbox, drain);
}

async fn drain(app: Arc<App>) -> anyhow::Result<()> {
    loop {
        let ended = sessions::pending_ends(&app.database)
            .await
            .context("read the outbox")?;
        metrics::ended_sessions_pending(ended.len() as u64);
        if ended.is_empty() {
            return Ok(());
        }
        let deliveries = ended
            .iter()
            .map(|ended| Delivery {
                users: events::pack_users([&ended.user]),
                origin: None,
                event: Some(delivery::Event::EndSession(EndSession {
                    session_id: ended.session.to_vec(),
                })),
            })
            .collect();
        app.gateways.tell(deliveries).await?;
        let positions: Vec<i64> = ended.iter().map(|ended| ended.position).collect();
        sessions::forget_pending(&app.database, &positions)
            .await
            .context("empty the outbox")?;
    }
}

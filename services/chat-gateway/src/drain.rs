//! The end of a gateway: its sockets move to others, spread over time, and nothing is left behind.

use std::sync::Arc;
use std::time::Duration;

use lifecycle::Lifecycle;
use proto::socket::{Closing, server_frame};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::close::Close;
use crate::domain::registry::SLOTS;

/// For the goodbyes of the last sockets, and for the records on their way.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Waits for the stop, then drains, then cancels `drained`: the workers that sockets need stay until
/// then.
///
/// # Errors
/// Never.
pub async fn drain(
    app: Arc<App>,
    lifecycle: Lifecycle,
    drained: CancellationToken,
) -> anyhow::Result<()> {
    let (stopping, aborting) = (lifecycle.stopping(), lifecycle.aborting());
    stopping.cancelled().await;
    tokio::select! {
        () = empty(&app) => {}
        () = aborting.cancelled() => {}
        () = app.metrics.time_drain() => {}
    }
    drained.cancel();
    Ok(())
}

async fn empty(app: &Arc<App>) {
    app.draining.cancel();
    let sockets = app.open_sockets();
    if sockets > 0 {
        tracing::info!(sockets, "draining");
        let time = Duration::from_millis(app.settings.drain_ms);
        // Told slot by slot over the first half, closed over the second, so that other gateways
        // don't get everybody at once. Until it is closed a socket works as ever.
        for slot in 0..SLOTS {
            tell(app, slot, time);
            pause(app, time / 2 / SLOTS as u32).await;
        }
        for slot in 0..SLOTS {
            app.registry.visit_slot(slot, |connection| {
                connection.queue.close(Close::DRAINING);
            });
            pause(app, time / 2 / SLOTS as u32).await;
        }
    }
    app.tasks.close();
    if timeout(LAST_WORDS, app.tasks.wait()).await.is_err() {
        tracing::warn!(sockets = app.open_sockets(), "sockets did not end in time");
    }
    if timeout(LAST_WORDS, app.registrations.flush())
        .await
        .is_err()
    {
        tracing::warn!("leases stay in Redis until they run out");
    }
    let log = app.clone();
    let flushed = tokio::task::spawn_blocking(move || log.log.flush(LAST_WORDS));
    if !matches!(flushed.await, Ok(Ok(()))) {
        tracing::warn!("records were not acknowledged in time: their senders try again elsewhere");
    }
}

fn tell(app: &App, slot: usize, time: Duration) {
    app.registry.visit_slot(slot, |connection| {
        let jitter = rand::random::<f64>() * time.as_millis() as f64 / 2.0;
        connection.send(server_frame::Frame::Closing(Closing {
            reconnect_after_ms: jitter as u32,
            reason: "This gateway is about to stop.".to_owned(),
        }));
    });
}

async fn pause(app: &App, time: Duration) {
    if app.open_sockets() > 0 {
        sleep(time).await;
    }
}

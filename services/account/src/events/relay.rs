use std::sync::Arc;
use std::time::Duration;

use lifecycle::Lifecycle;
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::app::App;

/// A table of what others have yet to be told.
pub struct Outbox {
    pub name: &'static str,
    /// Rung when something was put in.
    pub bell: Option<fn(&App) -> &Notify>,
    /// How often it is looked at without the bell: for what another replica, or a call that was cut off,
    /// left.
    pub look: Duration,
    /// Longest pause after failures in a row.
    pub longest: Duration,
}

/// The pause after a first failure, at most.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// Empties an outbox again and again, for the life of the process. `drain` returns when it is empty; what is
/// left when it fails, or the process ends, waits for the next time, start or replica.
pub fn relay<Drained>(
    lifecycle: &Lifecycle,
    app: Arc<App>,
    outbox: Outbox,
    drain: impl Fn(Arc<App>) -> Drained + Send + 'static,
) where
    Drained: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let stopping = lifecycle.stopping();
    lifecycle.spawn(outbox.name, async move {
        let mut failures = 0_u32;
        loop {
            let span = tracing::info_span!("empty an outbox", outbox = outbox.name);
            match drain(app.clone()).instrument(span).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let error: &dyn std::error::Error = error.as_ref();
                    tracing::warn!(
                        error,
                        failures,
                        outbox = outbox.name,
                        "what is in an outbox waits to be told"
                    );
                }
            }
            let pause = match failures {
                0 => outbox.look,
                _ => AFTER_A_FAILURE
                    .saturating_mul(1 << (failures - 1).min(8))
                    .min(outbox.longest),
            };
            // Half of the pause is chance, so that replicas don't come back together.
            let pause = pause.mul_f64(rand::random_range(0.5..=1.0));
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = rung(&outbox, &app), if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

async fn rung(outbox: &Outbox, app: &App) {
    match outbox.bell {
        Some(bell) => bell(app).notified().await,
        None => std::future::pending().await,
    }
}

//! Postgres, which is authoritative, and Redis, which is fast.

pub mod blocks;
pub mod contacts;
pub mod departures;
pub mod identities;
pub mod last_seen;
pub mod links;
pub mod mails;
pub mod numbers;
pub mod privacy;
pub mod search;
pub mod security_events;
mod session_cache;
pub mod sessions;
pub mod users;

pub use session_cache::SessionCache;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lifecycle::Lifecycle;
use problem::Problem;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::app::App;
use crate::config;

/// A pool that connects when it is first used, so that the service starts, and says that it isn't
/// ready, while Postgres is away.
pub fn connect(settings: &config::Database) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(Duration::from_secs(3))
        .connect_lazy(settings.url.expose())
        .context("`database.url` is not one of Postgres")
}

pub async fn is_up(database: &PgPool) -> bool {
    sqlx::query("SELECT 1").execute(database).await.is_ok()
}

/// What a failure of Postgres is to the caller: a reason to try again, or a fault of ours.
pub fn failed(error: sqlx::Error) -> Problem {
    use sqlx::Error;
    if matches!(error, Error::PoolTimedOut) {
        postgres::count_timeout();
    }
    let away = match &error {
        Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed => true,
        Error::Protocol(_) => true,
        // 08: connection exceptions; 53: too many connections; 57P: it shuts down or starts.
        // 40: serialization failures and deadlocks.
        Error::Database(e) => e.code().is_some_and(|code| {
            ["08", "53", "57P", "40"]
                .iter()
                .any(|c| code.starts_with(c))
        }),
        _ => false,
    };
    if away {
        Problem::unavailable("postgres", &error)
    } else {
        Problem::internal(&error)
    }
}

/// Unix milliseconds as Postgres has them.
pub const fn ms(unix_ms: u64) -> i64 {
    // Good for 292 million years.
    unix_ms as i64
}

/// How long ended sessions and used tokens are kept, for those who ask what happened.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);

/// Removes what nobody needs any more, every hour. Any number of replicas may do so.
pub fn housekeeping(lifecycle: &Lifecycle, app: Arc<App>) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("housekeeping", async move {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(HOUSEKEEPING) => {}
            }
            let now = app.clock.unix_ms();
            let before = now.saturating_sub(KEPT.as_millis() as u64);
            let events_before = now.saturating_sub(app.accounts.security_events_seconds * 1_000);
            for (what, forgotten) in [
                ("sessions", sessions::forget(&app.database, before).await),
                ("links", links::forget(&app.database, now).await),
                ("flows", identities::forget_flows(&app.database, now).await),
                ("handles", users::forget_handles(&app.database, now).await),
                (
                    "security events",
                    security_events::forget(&app.database, events_before).await,
                ),
            ] {
                match forgotten {
                    Ok(count) => tracing::debug!(what, count, "forgot what was old"),
                    Err(error) => {
                        tracing::warn!(
                            what,
                            error = &error as &dyn std::error::Error,
                            "what is old is still there"
                        );
                    }
                }
            }
        }
    });
}

//! A service's own Postgres database.

use std::time::Duration;

use lifecycle::Lifecycle;
use metrics::{describe_counter, describe_gauge, gauge};
use problem::Problem;
use serde::Deserialize;
use settings::Secret;
use sqlx::migrate::{MigrateDatabase as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool, Postgres};

/// The `[database]` section of a service's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: Secret,
    /// Connections that this process may hold.
    pub max_connections: u32,
}

/// SQLSTATE `invalid_catalog_name` (PostgreSQL documentation, appendix A).
const NO_SUCH_DATABASE: &str = "3D000";
/// How long a request waits for a connection before it is refused.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long Postgres works on one statement before it gives up.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long a statement waits for a lock that another transaction holds.
const LOCK_TIMEOUT: &str = "5s";
/// How long Postgres keeps the locks of a transaction whose client says nothing: a paused or cut-off
/// process must not hold up the others.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "20s";

/// A pool that connects when it is first used, so that a service starts while Postgres doesn't answer.
///
/// # Errors
/// When the URL can't be read.
pub fn connect(settings: &DatabaseSettings, application: &str) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = settings.url.expose().parse()?;
    let options = options.application_name(application).options([
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("lock_timeout", LOCK_TIMEOUT),
        (
            "idle_in_transaction_session_timeout",
            IDLE_IN_TRANSACTION_TIMEOUT,
        ),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options))
}

/// How often the use of a pool is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Publishes how a pool is used, until the process stops. Each with the label `service`:
/// - `postgres_pool_connections{state}`: open connections, `busy` or `idle`;
/// - `postgres_pool_max_connections`: how many there may be ([`DatabaseSettings::max_connections`]);
/// - `postgres_pool_timeouts_total`: requests that got none in time ([`count_timeout`]).
pub fn watch_pool(lifecycle: &Lifecycle, pool: PgPool) {
    describe_gauge!(
        "postgres_pool_connections",
        "Open connections to Postgres, by state: busy, idle"
    );
    describe_gauge!(
        "postgres_pool_max_connections",
        "Connections to Postgres that this process may hold"
    );
    describe_counter!(
        "postgres_pool_timeouts_total",
        "Requests that got no connection to Postgres in time"
    );
    let service = telemetry::service();
    let in_state = |state: &'static str| gauge!("postgres_pool_connections", "service" => service, "state" => state);
    let (busy, idle) = (in_state("busy"), in_state("idle"));
    gauge!("postgres_pool_max_connections", "service" => service)
        .set(f64::from(pool.options().get_max_connections()));
    let stopping = lifecycle.stopping();
    lifecycle.spawn("postgres pool", async move {
        loop {
            // Two looks, between which connections come and go.
            let unused = pool.num_idle() as f64;
            idle.set(unused);
            busy.set((f64::from(pool.size()) - unused).max(0.0));
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    });
}

/// Counts a request that got no connection in time.
pub fn count_timeout() {
    metrics::counter!("postgres_pool_timeouts_total", "service" => telemetry::service())
        .increment(1);
}

/// Brings the schema up to date, under Postgres' advisory lock; makes the database where it is missing.
///
/// # Errors
/// When Postgres can't be reached, refuses, or holds a migration that differs from ours.
pub async fn migrate(settings: &DatabaseSettings, migrator: &Migrator) -> Result<(), MigrateError> {
    let url = settings.url.expose();
    // Without the pool's limits: a migration may take its time.
    let mut connection = match sqlx::PgConnection::connect(url).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_DATABASE) => {
            Postgres::create_database(url).await?;
            sqlx::PgConnection::connect(url).await?
        }
        other => other?,
    };
    migrator.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Whether Postgres answers now; for readiness.
pub async fn is_reachable(pool: &PgPool) -> bool {
    let ping = sqlx::query("SELECT 1").execute(pool);
    matches!(
        tokio::time::timeout(Duration::from_secs(2), ping).await,
        Ok(Ok(_))
    )
}

/// What a caller is told: "try again" where that can help, else that the fault is ours.
#[must_use]
pub fn problem(error: &sqlx::Error) -> Problem {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        count_timeout();
    }
    let passes = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // SQLSTATE classes: connection, transaction rolled back, resources, operator intervention
        // (shutdown, start-up, statement timeout), and a lock that wasn't free in time
        // (PostgreSQL documentation, appendix A).
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "57"].contains(&&code[..code.len().min(2)])
                || ["55P03", "25P03", "25P04"].contains(&code.as_ref())
        }),
        _ => false,
    };
    if passes {
        Problem::unavailable("postgres", error)
    } else {
        Problem::internal(error)
    }
}

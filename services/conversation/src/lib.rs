//! The conversation service: who is in which conversation, by what role, under what name.
//!
//! **Invariants.** Nothing here writes to the log but the outbox: a change and its record are one
//! transaction. A call that changed membership answers when the log has applied it. Messages, counts
//! and read marks are the message service's; here they only pass through.

pub mod app;
mod comparison;
pub mod config;
pub mod domain;
pub mod events;
mod groups;
mod grpc;
mod http;
mod invitations;
mod limits;
mod listing;
mod memberships;
pub mod metrics;
mod peers;
mod personal;
mod problems;
mod reports;
mod requests;
pub mod store;

use std::time::Duration;

use lifecycle::Lifecycle;
use serving::Listeners;
use sqlx::migrate::Migrator;
use telemetry::TelemetryGuard;
use tonic::service::Routes;

use crate::app::App;
use crate::comparison::Comparison;
use crate::config::Config;
use crate::peers::Peers;
use crate::store::conversations::Conversations;

pub use crate::http::document as openapi;

/// How long the log may take to apply what it is told by [`publish_memberships`].
const LOG_TIMEOUT: Duration = Duration::from_secs(30);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Brings the database up to date and makes the Kafka topics where they are missing.
///
/// # Errors
/// When Postgres or Kafka can't be reached or refuses.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    postgres::migrate(&config.database, &MIGRATIONS).await?;
    kafka::create_topics(&config.kafka).await?;
    Ok(())
}

/// Tells the log who is in each conversation where it doesn't know. Services must be running: the message
/// service to be asked, this one to publish.
///
/// # Errors
/// When Postgres can't be read, or a conversation can't be compared; the others were. It may run again.
pub async fn publish_memberships(config: &Config) -> anyhow::Result<()> {
    let identity = App::identity(config)?;
    let comparison = Comparison {
        store: Conversations::new(
            postgres::connect(&config.database, "conversation")?,
            config.membership.max_group_members,
        ),
        peers: Peers::new(config, &identity)?,
        apply_timeout: LOG_TIMEOUT,
    };
    let compared = comparison
        .run(|so_far| eprintln!("{} conversations compared …", so_far.conversations))
        .await?;
    println!(
        "{} conversations compared; the log lacked something of {} ({} changes), and has it now.",
        compared.conversations, compared.behind, compared.changes
    );
    for (conversation, problem) in &compared.failures {
        eprintln!("{conversation}: {}: {}", problem.code, problem.detail);
    }
    let failures = compared.failures.len();
    anyhow::ensure!(
        failures == 0,
        "{failures} conversations could not be compared, or the log has not applied theirs yet. What was \
         put on its way arrives; run it again to see."
    );
    Ok(())
}

/// Starts everything that the service consists of; it lives as long as `lifecycle`.
///
/// # Errors
/// When a setting can't be used.
pub async fn run(
    config: Config,
    listeners: Listeners,
    lifecycle: Lifecycle,
    telemetry: &TelemetryGuard,
) -> anyhow::Result<()> {
    metrics::describe();
    let app = App::new(&config, &lifecycle)?;
    let pool = app.pool.clone();
    postgres::watch_pool(&lifecycle, pool.clone());
    serving::serve_ops(
        &lifecycle,
        listeners.ops,
        telemetry.prometheus(),
        vec![(
            "postgres",
            serving::readiness_check(move || {
                let pool = pool.clone();
                async move { postgres::is_reachable(&pool).await }
            }),
        )],
    );
    let reflect = |routes| serving::with_reflection(routes, config.listen.grpc_reflection);
    serving::serve_http(
        &lifecycle,
        "http",
        listeners.http,
        serving::http(http::router(app.clone()), &config.http),
    );
    serving::serve_grpc(
        &lifecycle,
        "grpc",
        listeners.grpc,
        reflect(Routes::new(grpc::public(app.clone()))),
    );
    serving::serve_grpc(
        &lifecycle,
        "internal grpc",
        listeners.internal,
        reflect(grpc::internal(app.clone())),
    );
    let notes = app.notes(&config)?;
    let counter = app.counter(&config);
    lifecycle.spawn("activity notes", notes.run(lifecycle.stopping()));
    lifecycle.spawn("activity counter", counter.run(lifecycle.stopping()));
    let relay = app.relay(&config);
    app.tokens
        .ended_sessions()
        .follow(&lifecycle, app.peers.account.clone(), |_| {});
    lifecycle.spawn("relay", relay.run(lifecycle.stopping()));
    lifecycle.ready().set(true);
    Ok(())
}

//! The message service: the log of every conversation, its order, its history, and where each reader
//! stands in it.
//!
//! **Invariants.** Only the [`sequencer`] writes rows of conversations, and only from the log. What a
//! person may read follows from the membership that the log left, never from what a caller says.

pub mod app;
pub mod config;
pub mod domain;
pub mod events;
mod grpc;
pub mod history;
mod http;
pub mod metrics;
pub mod sending;
pub mod sequencer;
pub mod store;

use std::sync::atomic::Ordering;

use lifecycle::Lifecycle;
use serving::Listeners;
use telemetry::TelemetryGuard;
use tonic::service::Routes;

use crate::app::App;
use crate::config::Config;

pub use crate::http::document as openapi;

/// Makes the tables and the topics where they are missing.
///
/// # Errors
/// When DynamoDB or Kafka can't be reached or refuses.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    store::Store::connect(&config.aws).await.migrate().await?;
    kafka::create_topics(&config.kafka).await?;
    Ok(())
}

/// Begins the next epoch of the log: after its topic was made anew or lost its end.
///
/// # Errors
/// When DynamoDB can't be reached or refuses.
pub async fn begin_epoch(config: &Config) -> anyhow::Result<u64> {
    Ok(store::Store::connect(&config.aws)
        .await
        .begin_epoch()
        .await?)
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
    ::metrics::gauge!("message_log_partitions").set(f64::from(config.kafka.log_partitions));
    let app = App::new(&config).await?;
    let hears = app.clone();
    let store = app.store.clone();
    let following = app.following.clone();
    serving::serve_ops(
        &lifecycle,
        listeners.ops,
        telemetry.prometheus(),
        vec![
            (
                "kafka",
                serving::readiness_check(move || {
                    let hears = hears.can_hear();
                    async move { hears }
                }),
            ),
            (
                // Until then a rolling restart must not go on to the next pod: two of them would keep
                // partitions waiting. Only until then (`Sequencer::following` says why), and a Kafka
                // that is away holds a restart up no longer than it is away.
                "log",
                serving::readiness_check(move || {
                    std::future::ready(following.load(Ordering::Relaxed))
                }),
            ),
            (
                "dynamodb",
                serving::readiness_check(move || {
                    let store = store.clone();
                    async move { store.epoch().await.is_ok() }
                }),
            ),
        ],
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
    app.tokens
        .ended_sessions()
        .follow(&lifecycle, app.account.clone(), |_| {});
    let hears = app.hears.clone();
    lifecycle.spawn(
        "waiters",
        app.waiters
            .clone()
            .run(config.kafka.clone(), lifecycle.stopping(), move |ready| {
                hears.store(ready, Ordering::Relaxed);
            }),
    );
    lifecycle.spawn(
        "sequencer",
        app.sequencer(&config)?.run(lifecycle.stopping()),
    );
    lifecycle.ready().set(true);
    Ok(())
}

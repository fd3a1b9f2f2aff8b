//! The chat gateway: people's sockets.
//!
//! A frame `send` is checked ([`domain::send`]) and put on its way to the log ([`events::log`]). What
//! the log has for people comes back over this gateway's own partition of the deliveries
//! ([`events::deliveries`]), is encoded once, and queued to their sockets ([`domain::registry`]); one
//! task a socket writes it ([`socket`]).
//!
//! **Invariants.** The gateway acknowledges nothing itself: what a sender takes for an
//! acknowledgement is the numbered, stored message. It holds no message longer than it takes to hand
//! it on. No text of a message and no token is ever logged.

pub mod app;
pub mod config;
pub mod domain;
mod drain;
pub mod events;
mod grpc;
mod heartbeat;
mod http;
pub mod metrics;
mod peers;
mod presence;
mod socket;
mod store;
mod typing;

use std::sync::Arc;

use anyhow::Context as _;
use lifecycle::Lifecycle;
use serving::Listeners;
use telemetry::TelemetryGuard;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::app::App;
use crate::config::Config;

pub use crate::http::document as openapi;

/// Makes the Kafka topics where they are missing. Idempotent.
///
/// # Errors
/// When Kafka can't be reached or refuses.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    kafka::create_topics(&config.kafka)
        .await
        .context("make the topics")
}

/// Starts everything that the service consists of; it lives as long as `lifecycle`. Starts without
/// Kafka, Redis and peers too, and is ready when Kafka and Redis are there.
///
/// # Errors
/// When a setting can't be used.
pub async fn run(
    config: Config,
    listeners: Listeners,
    lifecycle: Lifecycle,
    telemetry: &TelemetryGuard,
) -> anyhow::Result<()> {
    let (app, workers) = App::new(&config)?;
    let consumer: kafka::Consumer =
        kafka::deliveries_consumer(&config.kafka, &format!("chat-gateway-{}", app.partition))
            .create_with_context(kafka::Context::default())
            .context("make the consumer of the deliveries")?;
    let consumer = Arc::new(consumer);

    // What sockets need lives until they are gone.
    let drained = CancellationToken::new();
    let reading = CancellationToken::new();
    lifecycle.spawn(
        "drain",
        drain::drain(app.clone(), lifecycle.clone(), drained.clone()),
    );
    lifecycle.spawn(
        "deliveries",
        events::deliveries::read(
            app.clone(),
            consumer.clone(),
            reading.clone(),
            drained.clone(),
        ),
    );
    lifecycle.spawn(
        "currency",
        events::deliveries::watch(app.clone(), consumer, drained.clone()),
    );
    lifecycle.spawn("registrar", workers.registrar.run(reading, drained.clone()));
    lifecycle.spawn("log", events::log::watch(app.clone(), drained.clone()));
    lifecycle.spawn("heartbeats", heartbeat::beat(app.clone(), drained.clone()));
    lifecycle.spawn("marks", heartbeat::send_marks(app.clone(), drained.clone()));
    lifecycle.spawn(
        "typing",
        typing::tell(app.clone(), workers.typing, drained.clone()),
    );
    lifecycle.spawn(
        "presence checks",
        presence::check(app.clone(), drained.clone()),
    );
    lifecycle.spawn("presence", presence::follow(app.clone(), drained.clone()));
    lifecycle.spawn("last seen", presence::keep_last_seen(app.clone(), drained));
    // Sockets are told of it by way of Kafka too; this is for requests, and for when Kafka is away.
    let registry = app.registry.clone();
    let close = move |session| {
        registry.end_session(session);
    };
    let ended = app.verifier.ended_sessions();
    ended.follow(&lifecycle, app.peers.account.clone(), close);

    let (kafka, redis) = (app.clone(), app.clone());
    serving::serve_ops(
        &lifecycle,
        listeners.ops,
        telemetry.prometheus(),
        vec![
            (
                "kafka",
                serving::readiness_check(move || std::future::ready(kafka.currency.is_current())),
            ),
            (
                // Only at the start: later, sockets live on without it.
                "redis",
                serving::readiness_check(move || {
                    std::future::ready(redis.registrations.has_reached_redis())
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
        reflect(grpc::internal(app)),
    );
    lifecycle.ready().set(true);
    Ok(())
}

//! People, their credentials and login sessions.
//!
//! **Invariants.** A session that has ended in Postgres is ended, whatever Redis says or has lost.
//! A refresh token is known here by its hash only. The same answer, after the same time, for a
//! wrong password and an unknown address. No limit goes away because Redis did.

pub mod config;

mod app;
mod domain;

mod accounts;
mod contacts;
mod credentials;
mod devices;
mod hasher;
mod identities;
mod limits;
mod peers;
mod profiles;

mod mailer;
mod providers;
mod signing;

mod events;
mod grpc;
mod http;
mod metrics;
mod store;

use std::sync::Arc;

use anyhow::Context as _;
use lifecycle::Lifecycle;
use telemetry::TelemetryGuard;

use crate::app::App;
use crate::config::Config;

/// Starts the service on `listeners`; it goes on in `lifecycle` and is ready when this returns.
///
/// # Errors
/// When the settings, the keys or the database can't be used.
pub async fn run(
    config: Config,
    listeners: serving::Listeners,
    lifecycle: Lifecycle,
    telemetry: &TelemetryGuard,
) -> anyhow::Result<()> {
    let identity = auth::ServiceIdentity::new(config.identity.clone())?;
    let app = Arc::new(App::build(&config, identity.clone()).await?);
    metrics::describe();
    app.signing.clone().follow(
        &lifecycle,
        app.verifier.clone(),
        config.signing.rotate_after_days,
    );
    events::sessions_ended::relay(&lifecycle, app.clone());
    events::blocks::relay(&lifecycle, app.clone());
    events::departures::relay(&lifecycle, app.clone());
    events::contacts_changed::relay(&lifecycle, app.clone());
    mailer::relay(&lifecycle, app.clone());
    store::housekeeping(&lifecycle, app.clone());

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
        serving::with_reflection(
            grpc::public_routes(app.clone()),
            config.listen.grpc_reflection,
        ),
    );
    serving::serve_grpc(
        &lifecycle,
        "internal",
        listeners.internal,
        serving::with_reflection(
            grpc::internal_routes(app.clone(), identity),
            config.listen.grpc_reflection,
        ),
    );
    // Redis is not asked: without it we are slower, not unable.
    postgres::watch_pool(&lifecycle, app.database.clone());
    let database = app.database.clone();
    let postgres = serving::readiness_check(move || {
        let database = database.clone();
        async move { store::is_up(&database).await }
    });
    serving::serve_ops(
        &lifecycle,
        listeners.ops,
        telemetry.prometheus(),
        vec![("postgres", postgres)],
    );
    lifecycle.ready().set(true);
    tracing::info!("serving");
    Ok(())
}

/// Applies the migrations and makes the keys that are missing. Idempotent.
///
/// # Errors
/// When the database or the key folder can't be used.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    signing::KeyRing::open(&config.signing.key_dir, clock::Clock::system())?;
    let database = store::connect(&config.database)?;
    sqlx::migrate!()
        .run(&database)
        .await
        .context("apply the migrations")
}

/// Adds a signing key.
///
/// # Errors
/// When the key folder can't be written.
pub fn rotate_key(config: &Config) -> anyhow::Result<()> {
    let kid = signing::make_key(&config.signing.key_dir, &clock::Clock::system())?;
    println!("{kid}");
    Ok(())
}

/// The OpenAPI document of the REST interface.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    http::openapi()
}

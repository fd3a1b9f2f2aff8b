//! The file-upload service: attachments of conversations and pictures of profiles, by presigned URL.
//!
//! **Invariants.** No byte of an attachment passes through here, of a picture only the twelve that say what it
//! is. A key is made of ids, never of what a caller wrote. Every upload and every download of an attachment
//! asks the conversation service who is a member now. A picture is seen by everybody who is signed in, as the
//! profile that names it; what isn't in the table of pictures never is.

pub mod app;
pub mod attachments;
pub mod config;
pub mod domain;
mod grpc;
mod http;
pub mod metrics;
pub mod objects;
mod peers;
pub mod profile_pictures;
pub mod store;
pub mod sweep;

use lifecycle::Lifecycle;
use serving::Listeners;
use sqlx::migrate::Migrator;
use telemetry::TelemetryGuard;

use crate::app::App;
use crate::config::Config;
use crate::objects::Objects;

pub use crate::http::document as openapi;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Brings the database up to date and makes the bucket where it is missing.
///
/// # Errors
/// When Postgres or S3 can't be reached or refuses.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    postgres::migrate(&config.database, &MIGRATIONS).await?;
    let objects =
        Objects::connect(&config.aws, &config.files.bucket, config.files.lifetimes()?).await;
    objects.create_bucket(&config.aws.region).await?;
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
    let app = App::new(&config).await?;
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
        reflect(grpc::public(app.clone())),
    );
    serving::serve_grpc(
        &lifecycle,
        "internal grpc",
        listeners.internal,
        reflect(grpc::internal(app.clone())),
    );
    let account = app.attachments.peers.account.clone();
    app.tokens
        .ended_sessions()
        .follow(&lifecycle, account, |_| {});
    let sweep = app.sweep(&config);
    let stopping = lifecycle.stopping();
    lifecycle.spawn("sweep", async move {
        sweep.run(stopping).await;
        Ok(())
    });
    lifecycle.ready().set(true);
    Ok(())
}

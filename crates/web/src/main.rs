//! Serves the web client.

use std::time::Duration;

use anyhow::ensure;
use axum::routing::get;
use clap::{Parser, Subcommand};
use lifecycle::Lifecycle;
use tokio::net::TcpListener;
use web::Origin;
use web::config::Config;

/// The web client's origin.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Serves until it is told to stop (the default).
    Serve,
    /// Asks the running server whether it serves.
    Healthcheck,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::load()?;
    match Cli::parse().command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Healthcheck => serving::healthcheck(config.listen).await,
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::init("web", &config.telemetry);
    ensure!(
        config.client.as_os_str().is_empty() || config.client.join("index.html").exists(),
        "there is no built web client in `{}`",
        config.client.display()
    );
    let router = web::router(Origin {
        upstreams: config.upstreams,
        client: config.client,
        s3_origin: config.s3_origin,
    })
    // It needs nobody, so it is ready while it answers.
    .route("/readyz", get(|| async { "ready" }));
    let listener = TcpListener::bind(config.listen).await?;
    let lifecycle = Lifecycle::new();
    serving::serve_http(&lifecycle, "http", listener, router);
    lifecycle.ready().set(true);
    lifecycle
        .run_until_signal(Duration::from_millis(config.shutdown.grace_ms))
        .await
}

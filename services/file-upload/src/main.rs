use anyhow::Context as _;
use clap::{Parser, Subcommand};
use file_upload::config::{Config, DEFAULTS};
use lifecycle::Lifecycle;
use serving::Listeners;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Attachments: uploads and downloads by presigned URL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM (the default).
    Serve,
    /// Brings the database up to date and makes the bucket.
    Migrate,
    /// Prints the OpenAPI document.
    Openapi,
    /// Fails unless the service on this machine is ready.
    Healthcheck,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    if matches!(command, Command::Openapi) {
        println!("{}", file_upload::openapi().to_pretty_json()?);
        return Ok(());
    }
    let config: Config = settings::load("file-upload", DEFAULTS).context("settings")?;
    match command {
        Command::Serve => {
            let telemetry = telemetry::init("file-upload", &config.telemetry);
            let listeners = Listeners::bind(&config.listen).await?;
            let grace = Duration::from_millis(config.shutdown.grace_ms);
            let lifecycle = Lifecycle::new();
            file_upload::run(config, listeners, lifecycle.clone(), &telemetry).await?;
            lifecycle.run_until_signal(grace).await
        }
        Command::Migrate => file_upload::migrate(&config).await,
        Command::Healthcheck => serving::healthcheck(config.listen.ops).await,
        Command::Openapi => Ok(()),
    }
}

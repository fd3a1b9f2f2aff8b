use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use lifecycle::Lifecycle;
use message::config::Config;
use serving::Listeners;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The log of every conversation: order, history, read marks, unread counts.
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
    /// Makes missing tables and Kafka topics.
    Migrate,
    /// Begins the next epoch, after the log's topic was made anew or lost its end.
    BeginEpoch,
    /// Prints the OpenAPI document.
    Openapi,
    /// Fails unless the service on this machine is ready.
    Healthcheck,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    if matches!(command, Command::Openapi) {
        println!("{}", message::openapi().to_pretty_json()?);
        return Ok(());
    }
    let config = Config::load().context("settings")?;
    match command {
        Command::Serve => {
            let telemetry = telemetry::init("message", &config.telemetry);
            let listeners = Listeners::bind(&config.listen).await?;
            let grace = Duration::from_millis(config.shutdown.grace_ms);
            let lifecycle = Lifecycle::new();
            message::run(config, listeners, lifecycle.clone(), &telemetry).await?;
            lifecycle.run_until_signal(grace).await
        }
        Command::Migrate => message::migrate(&config).await,
        Command::BeginEpoch => {
            println!("epoch {}", message::begin_epoch(&config).await?);
            Ok(())
        }
        Command::Healthcheck => serving::healthcheck(config.listen.ops).await,
        Command::Openapi => Ok(()),
    }
}

use anyhow::Context as _;
use chat_gateway::config::{Config, DEFAULTS, SERVICE};
use clap::{Parser, Subcommand};
use lifecycle::Lifecycle;
use serving::Listeners;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sockets of people: in to the log, out from the deliveries.
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
    /// Makes missing Kafka topics.
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
        println!("{}", chat_gateway::openapi().to_pretty_json()?);
        return Ok(());
    }
    let config: Config = settings::load(SERVICE, DEFAULTS).context("settings")?;
    match command {
        Command::Serve => {
            let telemetry = telemetry::init(SERVICE, &config.telemetry);
            let listeners = Listeners::bind(&config.listen).await?;
            let grace = Duration::from_millis(config.shutdown.grace_ms);
            let lifecycle = Lifecycle::new();
            chat_gateway::run(config, listeners, lifecycle.clone(), &telemetry).await?;
            lifecycle.run_until_signal(grace).await
        }
        Command::Migrate => chat_gateway::migrate(&config).await,
        Command::Healthcheck => serving::healthcheck(config.listen.ops).await,
        Command::Openapi => Ok(()),
    }
}

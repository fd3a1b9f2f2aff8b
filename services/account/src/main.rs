//! Runs the account service.

use std::time::Duration;

use account::config::Config;
use clap::{Parser, Subcommand};
use lifecycle::Lifecycle;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// People, their credentials and login sessions.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Serves until it is told to stop (the default).
    Serve,
    /// Applies the migrations of the database and makes the keys that are missing.
    Migrate,
    /// Prints the OpenAPI document.
    Openapi,
    /// Asks the running service whether it is ready.
    Healthcheck,
    /// Makes a new signing key. Running services publish it within half a minute, then sign with it.
    RotateKey,
}

fn main() -> anyhow::Result<()> {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    if matches!(command, Command::Openapi) {
        println!("{}", account::openapi().to_pretty_json()?);
        return Ok(());
    }
    let config = Config::load()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        match command {
            Command::Serve => serve(config).await,
            Command::Migrate => account::migrate(&config).await,
            Command::Healthcheck => serving::healthcheck(config.listen.ops).await,
            Command::RotateKey => account::rotate_key(&config),
            Command::Openapi => Ok(()),
        }
    })
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let telemetry = telemetry::init("account", &config.telemetry);
    let grace = Duration::from_millis(config.shutdown.grace_ms);
    let listeners = serving::Listeners::bind(&config.listen).await?;
    let lifecycle = Lifecycle::new();
    account::run(config, listeners, lifecycle.clone(), &telemetry).await?;
    lifecycle.run_until_signal(grace).await
}

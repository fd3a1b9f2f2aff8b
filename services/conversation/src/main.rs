use anyhow::Context as _;
use clap::{Parser, Subcommand};
use conversation::config::{Config, DEFAULTS};
use lifecycle::Lifecycle;
use serving::Listeners;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Conversations, members, roles and group names.
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
    /// Brings the database up to date and makes missing Kafka topics.
    Migrate,
    /// Tells the log who is in each conversation, where it doesn't know: after a restore, or when the log
    /// lost its end. The services must be running; people may go on writing.
    PublishMemberships,
    /// Prints the OpenAPI document.
    Openapi,
    /// Fails unless the service on this machine is ready.
    Healthcheck,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    if matches!(command, Command::Openapi) {
        println!("{}", conversation::openapi().to_pretty_json()?);
        return Ok(());
    }
    let config: Config = settings::load("conversation", DEFAULTS).context("settings")?;
    match command {
        Command::Serve => {
            let telemetry = telemetry::init("conversation", &config.telemetry);
            let listeners = Listeners::bind(&config.listen).await?;
            let grace = Duration::from_millis(config.shutdown.grace_ms);
            let lifecycle = Lifecycle::new();
            conversation::run(config, listeners, lifecycle.clone(), &telemetry).await?;
            lifecycle.run_until_signal(grace).await
        }
        Command::Migrate => conversation::migrate(&config).await,
        Command::PublishMemberships => conversation::publish_memberships(&config).await,
        Command::Healthcheck => serving::healthcheck(config.listen.ops).await,
        Command::Openapi => Ok(()),
    }
}

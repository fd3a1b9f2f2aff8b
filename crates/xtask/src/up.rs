//! `cargo xtask up`: everything on this machine, behind one origin.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::future::select_all;
use local_stack::install::{self, Program};
use local_stack::process::Process;
use local_stack::servers::{Durability, RunsFor};
use local_stack::suite::{self, DynamoDb, Links, Options, Ports, SocialLogin, Suite, Transport};

use crate::{demo, web};

/// A process that lives shorter than this after each start isn't started for ever.
const SHORT_LIFE: Duration = Duration::from_secs(10);
const SHORT_LIVES: u32 = 3;

#[derive(clap::Args)]
pub struct Arguments {
    /// How many gateways to run.
    #[arg(long, default_value_t = 1)]
    gateways: u16,
    /// How many message pods to run.
    #[arg(long, default_value_t = 1)]
    message_pods: u16,
    /// Port of the origin.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Forget the data of earlier runs first.
    #[arg(long)]
    fresh: bool,
    /// Make a few people and conversations with some history.
    #[arg(long)]
    demo: bool,
    /// Let people sign in by a provider of OpenID Connect, too; one that believes whatever they say is
    /// started.
    #[arg(long)]
    oidc: bool,
    /// Leave the web client as it was built last, if it was.
    #[arg(long)]
    no_web: bool,
    /// Folder of all data; by default `.data` in the repository.
    #[arg(long)]
    data: Option<PathBuf>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let begun = Instant::now();
    // Whatever runs is killed when the future is dropped.
    let suite = tokio::select! {
        suite = start(&arguments) => suite?,
        signal = stop_signal() => return signal,
    };
    if arguments.demo {
        tracing::info!("making people and conversations");
        let origin = suite.origin();
        tokio::select! {
            made = demo::make(&origin) => made.context("make the demo's data")?,
            signal = stop_signal() => return signal,
        }
    }
    print_welcome(&suite, &arguments, begun.elapsed());

    let outcome = tokio::select! {
        signal = stop_signal() => signal,
        failure = keep_alive(&suite) => Err(failure),
    };
    tracing::info!("stopping; Ctrl-C again to kill");
    tokio::select! {
        () = suite.stop() => tracing::info!("stopped"),
        _ = stop_signal() => tracing::info!("killed"),
    }
    outcome
}

async fn start(arguments: &Arguments) -> anyhow::Result<Suite> {
    let data = match &arguments.data {
        Some(data) => data.clone(),
        None => install::workspace_root().join(".data"),
    };
    // Cargo and npm run to their end without giving way; a thread of their own lets Ctrl-C in.
    let with_web = !arguments.no_web;
    tokio::task::spawn_blocking(move || {
        install::ensure_installed(&Program::SERVERS)?;
        tracing::info!("building the services; the first time takes minutes");
        install::build(&suite::PROGRAMS)?;
        if with_web {
            web::ensure_built()
        } else {
            Ok(())
        }
    })
    .await
    .context("build")??;
    tracing::info!("starting the servers");
    Suite::start(Options {
        data,
        fresh: arguments.fresh,
        gateways: arguments.gateways,
        message_pods: arguments.message_pods,
        ports: Ports::Documented {
            origin: arguments.port,
        },
        durability: Durability::PowerLoss,
        runs_for: RunsFor::Hours,
        client: web::dist(),
        build: false,
        links: Links::Direct,
        transport: Transport::Plaintext,
        dynamodb: DynamoDb::Emulator,
        social_login: if arguments.oidc {
            SocialLogin::LocalProvider
        } else {
            SocialLogin::Off
        },
        environment: Vec::new(),
    })
    .await
}

fn print_welcome(suite: &Suite, arguments: &Arguments, took: Duration) {
    let origin = suite.origin();
    println!("\nParlance is up after {:.1} s.\n", took.as_secs_f64());
    println!("  Web client   {origin}/");
    println!("  Interfaces   {origin}/api/");
    println!("  Socket       {}", suite.socket_url());
    println!("  Mails        {}/", suite.mail.page_url());
    if let Some(provider) = &suite.openid_provider {
        println!(
            "  Provider     {} (any name signs in there)",
            provider.issuer()
        );
    }
    println!("\nSign in with any e-mail address; an unknown one gets an account.");
    if arguments.demo {
        println!(
            "The demo's people, all with the password `{}`:",
            demo::PASSWORD
        );
        for person in demo::PEOPLE {
            println!("  {:<14} {}", person.name, person.email);
        }
    }
    println!("\nProcess ids and logs:");
    for line in suite.to_string().lines() {
        println!("  {line}");
    }
    println!("\nCtrl-C stops everything; the data stays. `--fresh` forgets it.");
}

/// Starts again what ends by itself, as an orchestrator would. Returns when that is in vain.
async fn keep_alive(suite: &Suite) -> anyhow::Error {
    let watches = suite
        .processes()
        .into_iter()
        .map(|process| Box::pin(keep_one_alive(process)));
    select_all(watches).await.0
}

async fn keep_one_alive(process: &Process) -> anyhow::Error {
    let mut short_lives = 0;
    let mut started = Instant::now();
    loop {
        tracing::warn!("{}", process.died().await);
        short_lives = if started.elapsed() < SHORT_LIFE {
            short_lives + 1
        } else {
            0
        };
        if short_lives == SHORT_LIVES {
            return anyhow::anyhow!("{} doesn't stay up", process.name());
        }
        started = Instant::now();
        if let Err(error) = process.start().await {
            return error.context(format!("start {} again", process.name()));
        }
        tracing::info!(
            "{} runs again after {:.1} s",
            process.name(),
            started.elapsed().as_secs_f64()
        );
    }
}

/// Ctrl-C or SIGTERM.
async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        bail!("signal handlers can't be installed");
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

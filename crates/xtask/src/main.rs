//! `cargo xtask <task>`

mod demo;
mod generated;
mod images;
mod test;
mod up;
mod web;

use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Tasks of the Parlance repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Starts everything on this machine, until Ctrl-C.
    Up(up::Arguments),
    /// Runs all tests and says how many passed and failed.
    Test(test::Arguments),
    /// Measures what a message, a delivery and an idle socket cost.
    Bench(bench::Args),
    /// Makes an image of each service, without a container engine.
    Images(images::Arguments),
    /// Verifies a suite of its own for a long time while processes are killed, paused and cut off.
    Soak(soak::Arguments),
    /// Checks or writes docs/openapi/, and the web client's types made from it.
    Openapi(Mode),
    /// Checks or writes the bindings made from proto/.
    Proto(Mode),
    /// Checks the web client's types and style.
    Web(WebArguments),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Mode {
    /// Fail if what is checked in differs from what would be generated.
    #[arg(long)]
    check: bool,
    /// Write what is generated.
    #[arg(long)]
    write: bool,
}

#[derive(Args)]
struct WebArguments {
    /// The one thing to do.
    #[arg(long, required = true)]
    check: bool,
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_timer(Elapsed(Instant::now()))
        .with_level(false)
        .with_target(false)
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run_task(task));
    // A build that still runs in a thread isn't waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_task(task: Task) -> anyhow::Result<ExitCode> {
    let done = match task {
        Task::Up(arguments) => up::run(arguments).await,
        Task::Test(arguments) => return test::run(&arguments).await,
        Task::Bench(arguments) => bench::run(arguments).await,
        Task::Images(arguments) => images::run(&arguments),
        Task::Soak(arguments) => return Box::pin(soak::run(arguments)).await,
        Task::Openapi(mode) => generated::openapi(mode.write),
        Task::Proto(mode) => generated::proto(mode.write),
        Task::Web(WebArguments { check: _ }) => web::check(),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Seconds since the task began, before each line of progress.
struct Elapsed(Instant);

impl tracing_subscriber::fmt::time::FormatTime for Elapsed {
    fn format_time(
        &self,
        writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    ) -> std::fmt::Result {
        write!(writer, "{:6.1} s ", self.0.elapsed().as_secs_f64())
    }
}

/// Runs a program in a folder, with its output shown, and fails if it fails.
fn run(folder: &Path, command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .current_dir(folder)
        .status()
        .with_context(|| format!("run {command:?}"))?;
    if !status.success() {
        let arguments: Vec<_> = command
            .get_args()
            .map(|one| one.to_string_lossy())
            .collect();
        bail!(
            "`{} {}` failed ({status})",
            command.get_program().to_string_lossy(),
            arguments.join(" ")
        );
    }
    Ok(())
}

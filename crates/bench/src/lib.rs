//! Measures what a message, a delivery and an idle socket cost.

mod load;
mod machine;
mod people;
mod processes;
mod report;
mod stack;
mod workloads;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::report::Report;
use crate::stack::Stack;

/// What to measure, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these workloads; without any, all but the storms, of which the first needs a suite of its own.
    #[arg(long = "workload", value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// One-to-one: messages a second, all pairs together.
    #[arg(long, value_delimiter = ',', default_values_t = [200, 2_000, 4_000])]
    pair_rates: Vec<u64>,
    /// One-to-one: pairs of people, all online.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Rooms: messages a second, all rooms together.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 100, 300])]
    room_rates: Vec<u64>,
    /// Rooms, of 50 people online each.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rooms: u32,
    /// Idle and storms: signed-in sockets, 20 to a person.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    sockets: u32,
    /// How long each rate is measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long a workload runs before it is measured, at a rate of its own: Kafka's virtual machine
    /// compiles what it has run often enough, caches fill.
    #[arg(long, default_value_t = 45)]
    warm_up_seconds: u64,
    /// Bytes of text in a message.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(32..=8_192))]
    body_bytes: u32,
    /// Where results are written, as JSON.
    #[arg(long, default_value = "target/bench/results.json")]
    out: PathBuf,

    /// Folder of the suite's data, made anew.
    #[arg(long, default_value = "target/bench/data", conflicts_with = "server")]
    data: PathBuf,
    /// Gateways of the suite. One, to compare with servers of one process.
    #[arg(long, default_value_t = 1, conflicts_with = "server")]
    gateways: u16,

    /// Let the stores flush each write to the disk. The DynamoDB emulator flushes for every item, one
    /// after the other, which bounds it at some 300 messages a second, where DynamoDB takes thousands
    /// at once; Kafka acknowledges from the page cache either way.
    #[arg(long, conflicts_with = "server")]
    flush: bool,

    /// Measure a suite that runs already, at this origin, instead of starting one.
    #[arg(long, value_name = "URL", requires = "processes")]
    server: Option<String>,
    /// The socket of that suite, if not `<origin>/socket`.
    #[arg(long, value_name = "URL", requires = "server")]
    socket: Option<String>,
    /// Processes of that suite whose CPU counts, such as `chat-gateway=4711`; children included.
    #[arg(long = "process", value_name = "NAME=PID", requires = "server")]
    processes: Vec<String>,
}

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// Pairs of people who write to each other.
    Pairs,
    /// Rooms of 50 people online.
    Rooms,
    /// Sockets on which nothing happens.
    Idle,
    /// All sockets of a gateway lost at once. By itself, with --gateways 2.
    Storm,
    /// Three times as many clients that start with nothing kept as can be served.
    ColdStart,
    /// Ids of the central generator.
    Ids,
}

/// Runs the workloads, prints a table, writes the JSON.
///
/// # Errors
/// When the suite doesn't start, or when a message is lost, doubled or out of order.
pub async fn run(args: Args) -> Result<()> {
    if args.workloads.len() > 1 && args.workloads.contains(&Workload::Storm) {
        bail!("a storm is measured by itself: --workload storm");
    }
    machine::allow_open_files();
    let stack = Box::pin(Stack::start(&args)).await?;
    let mut report = Report::new(&args, &stack);
    let all = [
        Workload::Pairs,
        Workload::Rooms,
        Workload::Idle,
        Workload::Ids,
    ];
    let wanted = if args.workloads.is_empty() {
        &all[..]
    } else {
        &args.workloads[..]
    };
    for workload in wanted {
        match workload {
            Workload::Pairs => {
                let load = workloads::pairs(&args, &stack).await?;
                report.pairs = Box::pin(measure(
                    &args,
                    &stack,
                    &load,
                    PAIRS_WARM_UP_RATE,
                    &args.pair_rates,
                ))
                .await?;
            }
            Workload::Rooms => {
                let load = workloads::rooms(&args, &stack).await?;
                report.rooms = Box::pin(measure(
                    &args,
                    &stack,
                    &load,
                    ROOMS_WARM_UP_RATE,
                    &args.room_rates,
                ))
                .await?;
            }
            Workload::Idle => {
                report.idle = Some(Box::pin(workloads::idle(&args, &stack)).await?);
            }
            Workload::Storm => {
                report.storm = Some(Box::pin(workloads::storm(&args, &stack)).await?);
            }
            Workload::ColdStart => {
                report.cold_start = Some(Box::pin(workloads::cold_start(&args, &stack)).await?);
            }
            // A suite that runs elsewhere keeps its internal ports to itself.
            Workload::Ids if args.server.is_some() && args.workloads.is_empty() => {}
            Workload::Ids => report.ids = Box::pin(workloads::ids(&args, &stack)).await?,
        }
        // Written after each workload: a later one that fails takes nothing with it.
        report.write(&args.out)?;
    }
    stack.stop().await;
    println!("{report}");
    println!("Results: {}", args.out.display());
    let faults = report.faults();
    if !faults.is_empty() {
        bail!("the promise was broken:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

/// Messages a second while warming up: what the machine still follows, so that twenty seconds compile
/// what matters.
const PAIRS_WARM_UP_RATE: u64 = 1_000;
const ROOMS_WARM_UP_RATE: u64 = 100;

async fn measure(
    args: &Args,
    stack: &Stack,
    load: &load::Load,
    warm_up_rate: u64,
    rates: &[u64],
) -> Result<Vec<load::Measured>> {
    let mut measured = Vec::new();
    if args.warm_up_seconds > 0 {
        let rate = warm_up_rate;
        tracing::info!("warming up: {} at {rate}/s", load.name());
        let warm = load
            .run(stack, rate, args.warm_up_seconds, args.body_bytes)
            .await?;
        if let Some(fault) = warm.faults.first() {
            bail!("warming up {}: {fault}", load.name());
        }
    }
    for &rate in rates {
        tracing::info!(
            "measuring: {} at {rate}/s for {} s",
            load.name(),
            args.seconds
        );
        measured.push(load.run(stack, rate, args.seconds, args.body_bytes).await?);
    }
    Ok(measured)
}

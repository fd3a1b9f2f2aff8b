//! Verifies the suite on this machine while its processes are killed, paused and cut off.

pub mod faults;
mod memory;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use local_stack::servers::Durability;
use local_stack::suite::{DynamoDb, Links, Options as SuiteOptions, Suite, Transport};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use verify::check::{Limits, Verdict};
use verify::command::{HISTORY, Outcome, judge};
use verify::run::{Options, Run};

pub use faults::Blow;
pub use memory::MostMemory;
pub use report::{SeedResult, Summary};

/// How long, how hard, and with which seeds.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The first seed. Others follow it.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// How many seeds. One that has a result of this commit and of these options is not run again.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Faults of processes and ways for each seed.
    #[arg(long, default_value_t = 40)]
    faults: usize,
    /// People of each run.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(3..=500))]
    people: u32,
    /// Messages a second.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    rate: u32,
    /// The faults take as long as they do; people talk at least so long beside them.
    #[arg(long, default_value_t = 60)]
    chaos_seconds: u32,
    /// Times a minute that the network of some device is broken.
    #[arg(long, default_value_t = 20)]
    drops_per_minute: u32,
    /// Let the stores flush each write to the disk.
    #[arg(long)]
    flush: bool,
    /// Folder for results, histories and the suite's data.
    #[arg(long, default_value = "target/soak")]
    out: PathBuf,
}

impl Arguments {
    /// All that makes results of one seed differ.
    fn how(&self) -> String {
        let Self {
            faults,
            people,
            rate,
            chaos_seconds,
            drops_per_minute,
            flush,
            ..
        } = self;
        format!(
            "{faults} faults, {people} people, {rate} messages a second, at least {chaos_seconds} s, \
             {drops_per_minute} drops a minute, flushed: {flush}"
        )
    }
}

/// Runs every seed that has no result yet, and reports all. Success when every verdict is "passed".
///
/// # Errors
/// When the suite doesn't start, or something of it doesn't come back.
pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    local_stack::install::build(&local_stack::suite::PROGRAMS)?;
    let out = std::path::absolute(&arguments.out)?;
    let commit = report::commit();
    let how = arguments.how();
    let mut results = Vec::new();
    for seed in arguments.first_seed..arguments.first_seed + arguments.seeds {
        let folder = out.join(format!("seed-{seed}"));
        let kept =
            SeedResult::read(&folder).filter(|kept| kept.commit == commit && kept.options == how);
        let result = match kept {
            Some(kept) => {
                tracing::info!("seed {seed} has a result of this commit and these options");
                kept
            }
            None => {
                let (outcome, most_memory) = Box::pin(run_seed(&arguments, seed, &folder)).await?;
                println!("seed {seed}\n{}\n{}", outcome.figures, outcome.report);
                let result = SeedResult {
                    commit: commit.clone(),
                    options: how.clone(),
                    seed,
                    outcome,
                    most_memory,
                };
                result.keep(&folder)?;
                result
            }
        };
        results.push(result);
        // After each: a later one that fails takes nothing with it.
        Summary::of(&results).write(&out)?;
    }
    let summary = Summary::of(&results);
    println!("{summary}");
    println!("Report: {}", out.join("report.md").display());
    let page = local_stack::install::workspace_root().join("docs/verification.md");
    if summary.show_in(&page)? {
        println!("It is also in {}", page.display());
    }
    let passed = results
        .iter()
        .all(|result| result.outcome.report.verdict == Verdict::Passed);
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn run_seed(
    arguments: &Arguments,
    seed: u64,
    folder: &Path,
) -> Result<(Outcome, MostMemory)> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let options = Options {
        seed: Some(seed),
        people: arguments.people,
        groups: arguments.people,
        pairs: arguments.people,
        rate: arguments.rate,
        chaos_seconds: arguments.chaos_seconds,
        drops_per_minute: arguments.drops_per_minute,
        heal_seconds: 30,
        quiesce_seconds: 180,
        ..Options::default()
    };
    let suite = SuiteOptions {
        fresh: true,
        build: false,
        durability: if arguments.flush {
            Durability::PowerLoss
        } else {
            Durability::Kill
        },
        ..SuiteOptions::for_tests(&folder.join("data"))
    };
    // Apart from what people do, so that either can be changed without the other.
    let mut rng = SmallRng::seed_from_u64(seed ^ 0xfa17);
    let blows = faults::schedule(&mut rng, arguments.faults);
    verify_suite(suite, options, &blows, &folder.join(HISTORY)).await
}

/// Starts a suite with two gateways, two message pods and relays between, verifies it while it is dealt
/// these blows, and stops it. What came of it, and how much memory that took.
///
/// # Errors
/// When the suite doesn't start, or something of it doesn't come back.
pub async fn verify_suite(
    suite: SuiteOptions,
    options: Options,
    blows: &[Blow],
    history: &Path,
) -> Result<(Outcome, MostMemory)> {
    let suite = Box::pin(Suite::start(SuiteOptions {
        gateways: 2,
        message_pods: 2,
        links: Links::Relayed,
        transport: Transport::Plaintext,
        dynamodb: DynamoDb::Throttled,
        ..suite
    }))
    .await?;
    let run = Run {
        server: suite.origin(),
        options,
        history: history.to_path_buf(),
    };
    let mut most_memory = MostMemory::new();
    tokio::select! {
        done = Box::pin(run.go(async |recorder| faults::make_all(&suite, &recorder, blows).await)) => done?,
        never = memory::watch(&suite, &mut most_memory) => match never {},
    };
    suite.stop().await;
    let history = history.to_path_buf();
    let judged = tokio::task::spawn_blocking(move || judge(&history, &Limits::default()));
    Ok((judged.await??, most_memory))
}

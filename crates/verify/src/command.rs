//! `parlance verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::check::{Limits, Report, Verdict, check_with};
use crate::figures::{Clerk, Figures};
use crate::history::{HistoryFile, ReadError};
use crate::run::{Options, Run};

/// What to verify.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Check a history that was kept, and touch no server.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// Folder for the history and the verdict.
    #[arg(long, value_name = "FOLDER", default_value = "parlance-verify")]
    pub out: PathBuf,
    #[command(flatten)]
    pub options: Options,
}

/// A verdict and the figures beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub seed: Option<u64>,
    pub report: Report,
    pub figures: Figures,
}

/// Name of the history in the folder of a run.
pub const HISTORY: &str = "history.ndjson";
/// Name of the verdict there.
pub const VERDICT: &str = "verdict.json";

/// Checks a history.
///
/// # Errors
/// When it can't be read.
pub fn judge(history: &Path, limits: &Limits) -> Result<Outcome, ReadError> {
    let mut clerk = Clerk::default();
    let mut seed = None;
    let report = check_with(&HistoryFile(history.to_path_buf()), limits, |event| {
        if let crate::history::What::Begin { seed: of_run, .. } = &event.e {
            seed = Some(*of_run);
        }
        clerk.take(event);
    })?;
    Ok(Outcome {
        seed,
        report,
        figures: clerk.figures(),
    })
}

/// Runs, checks, prints the verdict, and keeps it beside the history.
///
/// # Errors
/// When the run could not be made, or a file not be written or read.
pub async fn run(arguments: &Arguments, server: &str) -> Result<Verdict> {
    let (history, kept) = if let Some(history) = &arguments.check {
        (history.clone(), None)
    } else {
        let mut options = arguments.options.clone();
        // Any will do; it is printed and kept.
        options
            .seed
            .get_or_insert_with(|| rand::random_range(0..1 << 32));
        std::fs::create_dir_all(&arguments.out)
            .with_context(|| format!("create {}", arguments.out.display()))?;
        let run = Run {
            server: server.to_owned(),
            options,
            history: arguments.out.join(HISTORY),
        };
        Box::pin(run.go(|_| async { Ok(()) })).await?;
        (run.history, Some(arguments.out.join(VERDICT)))
    };
    let begun = std::time::Instant::now();
    let path = history.clone();
    let outcome = tokio::task::spawn_blocking(move || judge(&path, &Limits::default())).await??;
    tracing::info!(
        "checked {} events in {:.1} s",
        outcome.report.counts.events,
        begun.elapsed().as_secs_f64()
    );
    println!("{}", outcome.figures);
    println!("{}", outcome.report);
    println!("history: {}", history.display());
    if let Some(path) = kept {
        std::fs::write(&path, serde_json::to_vec_pretty(&outcome)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(outcome.report.verdict)
}

//! Results of seeds, one by one and in sum.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use verify::command::{Outcome, VERDICT};
use verify::history::Phase;

/// What came of one seed.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeedResult {
    pub commit: String,
    pub seed: u64,
    pub outcome: Outcome,
}

impl SeedResult {
    /// That of an earlier run; none: there is none, or of another form.
    #[must_use]
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(VERDICT)).ok()?).ok()
    }

    /// Keeps it for later runs.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        let path = folder.join(VERDICT);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("write {}", path.display()))
    }
}

/// The commit that is checked out, with a mark if files differ from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(local_stack::install::workspace_root())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with changes"),
    }
}

/// All seeds together.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    pub commits: Vec<String>,
    pub acknowledged: u64,
    pub shown: u64,
    pub faults: u64,
    pub faults_seen: u64,
    pub violations: u64,
    pub seeds: Vec<SeedLine>,
    pub kinds: BTreeMap<String, KindLine>,
}

/// A seed in a line.
#[derive(Debug, Clone, Serialize)]
pub struct SeedLine {
    pub seed: u64,
    pub verdict: String,
    pub acknowledged: u64,
    pub faults_seen: u64,
    pub violations: u64,
    /// 50th and 99th percentile, from handing in to being shown on another device.
    pub warm_up_delivery_ms: (f64, f64),
    pub chaos_delivery_ms: (f64, f64),
    pub heal_delivery_ms: (f64, f64),
    pub sent: u64,
    pub answered_within_10_s: u64,
}

/// A kind of fault in a line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KindLine {
    pub made: u64,
    pub seen: u64,
    pub sent: u64,
    pub answered_within_10_s: u64,
    /// The worst of all seeds: messages handed in meanwhile.
    pub delivery_p99_ms: f64,
    /// Until nothing was slow any more: the highest median of a seed, and the worst of all.
    pub recovery_p50_ms: f64,
    pub recovery_max_ms: f64,
}

impl Summary {
    /// Of these.
    #[must_use]
    pub fn of(results: &[SeedResult]) -> Self {
        let mut summary = Self::default();
        for SeedResult {
            commit,
            seed,
            outcome,
        } in results
        {
            let (report, figures) = (&outcome.report, &outcome.figures);
            if !summary.commits.contains(commit) {
                summary.commits.push(commit.clone());
            }
            let violations = report.violated.values().sum();
            summary.acknowledged += report.counts.acknowledged;
            summary.shown += report.counts.shown;
            summary.faults += report.counts.faults;
            summary.faults_seen += report.counts.faults_seen;
            summary.violations += violations;
            let delivery = |phase| {
                figures.phases.get(&phase).map_or((0.0, 0.0), |stretch| {
                    (stretch.delivery_ms.p50, stretch.delivery_ms.p99)
                })
            };
            let all = figures.phases.values();
            summary.seeds.push(SeedLine {
                seed: *seed,
                verdict: report.verdict.to_string(),
                acknowledged: report.counts.acknowledged,
                faults_seen: report.counts.faults_seen,
                violations,
                warm_up_delivery_ms: delivery(Phase::WarmUp),
                chaos_delivery_ms: delivery(Phase::Chaos),
                heal_delivery_ms: delivery(Phase::Heal),
                sent: all.clone().map(|stretch| stretch.sent).sum(),
                answered_within_10_s: all.map(|stretch| stretch.answered_within_10_s).sum(),
            });
            for (kind, fault) in &figures.faults {
                let line = summary.kinds.entry(kind.clone()).or_default();
                line.made += fault.made;
                line.seen += fault.seen;
                line.sent += fault.window.sent;
                line.answered_within_10_s += fault.window.answered_within_10_s;
                line.delivery_p99_ms = line.delivery_p99_ms.max(fault.window.delivery_ms.p99);
                line.recovery_p50_ms = line.recovery_p50_ms.max(fault.recovery_ms.p50);
                line.recovery_max_ms = line.recovery_max_ms.max(fault.recovery_ms.max);
            }
        }
        summary
    }

    /// Writes `report.md` and `report.json`.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, text) in [
            ("report.md", self.to_string()),
            ("report.json", serde_json::to_string_pretty(self)?),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Commit {}: {} messages acknowledged, {} entries shown, {} faults of which {} had an effect that was \
             seen, {} seeds, {} violations.\n",
            self.commits.join(", "),
            self.acknowledged,
            self.shown,
            self.faults,
            self.faults_seen,
            self.seeds.len(),
            self.violations
        )?;
        writeln!(
            f,
            "| seed | verdict | acknowledged | faults seen | violations | answered within 10 s | shown on another \
             device, p50 / p99 ms: warm-up | chaos | heal |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for seed in &self.seeds {
            let ms = |(p50, p99): (f64, f64)| format!("{p50:.0} / {p99:.0}");
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {:.3} % | {} | {} | {} |",
                seed.seed,
                seed.verdict,
                seed.acknowledged,
                seed.faults_seen,
                seed.violations,
                percent(seed.answered_within_10_s, seed.sent),
                ms(seed.warm_up_delivery_ms),
                ms(seed.chaos_delivery_ms),
                ms(seed.heal_delivery_ms),
            )?;
        }
        writeln!(
            f,
            "\n| fault | made | effect seen | messages handed in meanwhile | answered within 10 s | shown p99 ms, \
             worst seed | recovered after its end, median of the worst seed / worst, ms |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (kind, line) in &self.kinds {
            writeln!(
                f,
                "| {kind} | {} | {} | {} | {:.1} % | {:.0} | {:.0} / {:.0} |",
                line.made,
                line.seen,
                line.sent,
                percent(line.answered_within_10_s, line.sent),
                line.delivery_p99_ms,
                line.recovery_p50_ms,
                line.recovery_max_ms
            )?;
        }
        Ok(())
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    part as f64 * 100.0 / whole as f64
}

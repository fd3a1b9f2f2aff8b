//! Results of seeds, one by one and in sum.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use verify::command::{Outcome, VERDICT};
use verify::history::Phase;

use crate::memory::MostMemory;

/// What came of one seed.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeedResult {
    pub commit: String,
    /// What decides how hard it was.
    pub options: String,
    pub seed: u64,
    pub outcome: Outcome,
    pub most_memory: MostMemory,
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

/// The commit that is checked out, with a mark if files differ from it other than those of the documentation,
/// to which a report is added.
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
        return "no commit".to_owned();
    };
    let changes = [
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        ":!docs",
    ];
    match git(&changes) {
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
    /// Of all seeds.
    pub most_memory: MostMemory,
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
            most_memory,
            ..
        } in results
        {
            for (name, bytes) in most_memory {
                let most = summary.most_memory.entry(name.clone()).or_default();
                *most = (*most).max(*bytes);
            }
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

/// From how many acknowledged messages on a soak is shown to others.
const WORTH_SHOWING: u64 = 300_000;
/// Between these lines of `docs/verification.md` is the report.
const BEGIN: &str = "<!-- The report of the last long soak, written by it: begin -->";
const END: &str = "<!-- The report of the last long soak, written by it: end -->";

impl Summary {
    /// Puts the report of a long soak of one commit, as it was committed, into a page that has a place for it.
    /// Returns whether it did.
    ///
    /// # Errors
    /// When the page can't be read or written, or has no place for it.
    pub fn show_in(&self, page: &Path) -> Result<bool> {
        let is_of_one_commit = matches!(&self.commits[..], [commit] if !commit.contains(' '));
        if !is_of_one_commit || self.acknowledged < WORTH_SHOWING {
            return Ok(false);
        }
        let text =
            std::fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
        let place = text
            .split_once(BEGIN)
            .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let Some((before, after)) = place else {
            bail!("{} has no place for the report", page.display());
        };
        let text = format!("{before}{BEGIN}\n{self}{END}{after}");
        std::fs::write(page, text).with_context(|| format!("write {}", page.display()))?;
        Ok(true)
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
        if self.violations == 0 && self.acknowledged > 0 {
            writeln!(
                f,
                "So with 95 % confidence fewer than {:.1} of a million messages are concerned by any.\n",
                3.0e6 / self.acknowledged as f64
            )?;
        }
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
        let most: Vec<String> = self
            .most_memory
            .iter()
            .map(|(name, bytes)| format!("{name} {}", bytes / 1_000_000))
            .collect();
        if !most.is_empty() {
            writeln!(
                f,
                "\nMost memory that a process held in any second of any seed, MB: {}.",
                most.join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(commit: &str, acknowledged: u64) -> Summary {
        Summary {
            commits: vec![commit.to_owned()],
            acknowledged,
            ..Summary::default()
        }
    }

    #[test]
    fn only_a_long_soak_of_a_commit_is_shown_and_takes_the_place_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        std::fs::write(&page, format!("# Before\n{BEGIN}\n{END}\nafter\n")).unwrap();
        let empty = std::fs::read_to_string(&page).unwrap();
        for summary in [
            summary("abc", WORTH_SHOWING - 1),
            summary("abc with changes", WORTH_SHOWING),
        ] {
            assert!(!summary.show_in(&page).unwrap());
        }
        assert_eq!(std::fs::read_to_string(&page).unwrap(), empty);
        for commit in ["abc", "def"] {
            assert!(summary(commit, WORTH_SHOWING).show_in(&page).unwrap());
        }
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("# Before\n") && text.ends_with("\nafter\n"));
        assert!(text.contains("Commit def") && !text.contains("Commit abc"));
        std::fs::write(&page, "nothing").unwrap();
        assert!(summary("abc", WORTH_SHOWING).show_in(&page).is_err());
    }
}

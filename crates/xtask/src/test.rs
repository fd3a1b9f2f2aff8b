//! `cargo xtask test`: every test, on real servers, and one line that counts them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use clap::ValueEnum;
use local_stack::install::{self, Program};
use local_stack::suite::{Options, SocialLogin, Suite};
use local_stack::test_folder::TestFolder;
use serde::Deserialize;

use crate::web;

#[derive(clap::Args)]
pub struct Arguments {
    /// Run only one kind.
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Tests inside the crates and of the web client's modules.
    Unit,
    /// Tests of crates and services from outside, on real servers.
    E2e,
    /// The web client in Chromium.
    Browser,
    /// The Helm chart, and what is made from it.
    Charts,
}

/// What a runner counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Success when tests ran and none failed.
pub async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runs = |kind| arguments.only.is_none_or(|only| only == kind);
    let mut total = Count::default();

    install::ensure_installed(&Program::SERVERS)?;
    if runs(Only::Unit) || runs(Only::E2e) {
        total.add(count(cargo_tests(arguments.only), "cargo test"));
    }
    if runs(Only::Unit) {
        total.add(count(vitest(), "the web client's unit tests"));
    }
    if runs(Only::Browser) {
        total.add(count(browser().await, "the browser tests"));
    }
    if runs(Only::Charts) {
        total.add(count(charts(), "the tests of the chart"));
    }

    // The last line, whatever happened: scripts read it.
    println!("\n{} passed, {} failed", total.passed, total.failed);
    let good = total.passed > 0 && total.failed == 0;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A runner that breaks counts as a failed test, and the others still run.
fn count(outcome: anyhow::Result<Count>, what: &str) -> Count {
    match outcome {
        Ok(count) => {
            tracing::info!("{what}: {} passed, {} failed", count.passed, count.failed);
            count
        }
        Err(error) => {
            tracing::error!("{what} could not run: {error:#}");
            Count {
                passed: 0,
                failed: 1,
            }
        }
    }
}

fn cargo_tests(only: Option<Only>) -> anyhow::Result<Count> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = install::programs_dir()?;
    let target = target.parent().context("there is no target folder")?;
    let command = || {
        let mut command = Command::new(&cargo);
        command
            .args(["test", "--workspace", "--no-fail-fast", "--target-dir"])
            .arg(target)
            .current_dir(install::workspace_root());
        command
    };
    tracing::info!("building all tests and programs");
    let built = command().arg("--no-run").status().context("run cargo")?;
    if !built.success() {
        bail!("they could not be built");
    }

    let mut tests = command();
    tests
        // Building the tests has built the programs that they start.
        .env("PARLANCE_PROGRAMS_ARE_BUILT", "1")
        .stdout(Stdio::piped());
    match only {
        Some(Only::Unit) => tests.args(["--lib", "--bins"]),
        Some(Only::E2e) => tests.args(["--test", "*"]),
        _ => &mut tests,
    };
    let mut child = tests.spawn().context("run cargo")?;
    let output = child.stdout.take().context("cargo's output")?;
    let mut count = Count::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("read cargo's output")?;
        println!("{line}");
        count.add(libtest_result(&line).unwrap_or_default());
    }
    let status = child.wait().context("wait for cargo")?;
    if !status.success() && count.failed == 0 {
        // Something didn't compile, or a test program crashed.
        count.failed = 1;
    }
    Ok(count)
}

/// `test result: ok. 4 passed; 0 failed; 0 ignored; …`
fn libtest_result(line: &str) -> Option<Count> {
    let results = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |what: &str| {
        results
            .split("; ")
            .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
    };
    Some(Count {
        passed: number("passed")?,
        failed: number("failed")?,
    })
}

/// The summary at the top of vitest's JSON report.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VitestReport {
    num_passed_tests: u64,
    num_failed_tests: u64,
    /// False also when a file could not be loaded, so that none of its tests ran.
    success: bool,
}

fn vitest() -> anyhow::Result<Count> {
    web::ensure_packages()?;
    let report = tempfile::NamedTempFile::new().context("make a file for the report")?;
    let status = web::command("npx")?
        .args(["vitest", "run", "--reporter=default", "--reporter=json"])
        .arg(format!("--outputFile.json={}", report.path().display()))
        .current_dir(web::folder())
        .status()
        .context("run vitest")?;
    let report: VitestReport = read_report(report.path(), status)?;
    let failed = report.num_failed_tests;
    Ok(Count {
        passed: report.num_passed_tests,
        failed: if failed == 0 && !(report.success && status.success()) {
            1
        } else {
            failed
        },
    })
}

/// The part of Playwright's JSON report that counts.
#[derive(Deserialize)]
struct PlaywrightReport {
    stats: PlaywrightStats,
    /// What went wrong outside of any test.
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PlaywrightStats {
    expected: u64,
    unexpected: u64,
    flaky: u64,
}

fn charts() -> anyhow::Result<Count> {
    let mut child = Command::new(install::workspace_root().join("scripts/check-charts"))
        .stdout(Stdio::piped())
        .spawn()
        .context("run scripts/check-charts")?;
    let output = child.stdout.take().context("its output")?;
    let mut count = Count::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("read the output of scripts/check-charts")?;
        println!("{line}");
        // The last summary counts.
        count = pytest_result(&line).unwrap_or(count);
    }
    let status = child.wait().context("wait for scripts/check-charts")?;
    if !status.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// `2 failed, 399 passed, 1 error in 34.93s`, with or without a rule of `=` around it.
fn pytest_result(line: &str) -> Option<Count> {
    let line = line.trim_matches(['=', ' ']);
    let (results, duration) = line.rsplit_once(" in ")?;
    duration.split(['s', ' ']).next()?.parse::<f64>().ok()?;
    let mut count = Count::default();
    for result in results.split(", ") {
        let (number, what) = result.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match what {
            "passed" => count.passed += number,
            "failed" | "error" | "errors" => count.failed += number,
            _ => {}
        }
    }
    Some(count)
}

async fn browser() -> anyhow::Result<Count> {
    install::ensure_installed(&[Program::Chromium])?;
    let chromium = Program::Chromium
        .find()
        .context("Chromium is not on PATH")?;
    tokio::task::spawn_blocking(web::ensure_built).await??;
    let data = TestFolder::new()?;
    let suite = Suite::start(Options {
        social_login: SocialLogin::LocalProvider,
        ..Options::for_tests(data.path())
    })
    .await?;
    let gateways: Vec<String> = suite.gateways.iter().map(|one| one.socket_url()).collect();
    let report = tempfile::NamedTempFile::new().context("make a file for the report")?;
    let status = tokio::process::Command::from(web::command("npx")?)
        .args(["playwright", "test", "--reporter=list,json"])
        .env("PLAYWRIGHT_JSON_OUTPUT_NAME", report.path())
        .env("PARLANCE_ORIGIN", suite.origin())
        .env("PARLANCE_GATEWAYS", gateways.join(","))
        .env("PARLANCE_MAILS", suite.mail.page_url())
        .env("PARLANCE_CHROMIUM", chromium)
        .current_dir(web::folder())
        .status()
        .await
        .context("run Playwright")?;
    suite.stop().await;
    let errors = suite.error_lines();
    for line in &errors {
        println!("unexpected in a service's log: {line}");
    }
    let report: PlaywrightReport = read_report(report.path(), status)?;
    // Nothing was broken on purpose, so an error that a service logged is one more failure.
    let failed = report.stats.unexpected + u64::from(!errors.is_empty());
    Ok(Count {
        passed: report.stats.expected + report.stats.flaky,
        failed: if failed == 0 && !(report.errors.is_empty() && status.success()) {
            1
        } else {
            failed
        },
    })
}

fn read_report<T: serde::de::DeserializeOwned>(
    path: &Path,
    status: std::process::ExitStatus,
) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).context("read the report")?;
    serde_json::from_str(&text)
        .with_context(|| format!("the test runner ended ({status}) without a report"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_libtest_is_counted() {
        let line = "test result: FAILED. 4 passed; 12 failed; 1 ignored; 0 measured; \
                    3 filtered out; finished in 12.55s";
        let count = libtest_result(line);
        assert_eq!(
            count,
            Some(Count {
                passed: 4,
                failed: 12
            })
        );
    }

    #[test]
    fn a_summary_of_pytest_is_counted() {
        let counted = |passed, failed| Some(Count { passed, failed });
        assert_eq!(pytest_result("401 passed in 34.93s"), counted(401, 0));
        assert_eq!(
            pytest_result("=== 2 failed, 399 passed, 3 warnings, 1 error in 75.01s (0:01:15) ==="),
            counted(399, 3)
        );
        assert_eq!(pytest_result("helm was built in 3 steps"), None);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(libtest_result("test servers::a_test ... ok"), None);
        assert_eq!(libtest_result("test result: the best"), None);
    }
}

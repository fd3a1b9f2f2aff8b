//! No line of the log is lost.

use std::process::Command;

use telemetry::{LogFormat, TelemetrySettings};

/// Says that this process is the one that logs, and in which format.
const FORMAT_VARIABLE: &str = "TELEMETRY_TEST_FORMAT";

/// The line with `words` of a process that runs this test of this file, in each format.
fn lines_with(words: &str, test: &str) -> Vec<String> {
    let in_format = |format: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("lines::{test}"), "--nocapture"])
            .env(FORMAT_VARIABLE, format)
            .output()
            .unwrap();
        let logged = String::from_utf8(output.stdout).unwrap();
        let line = logged.lines().find(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("{format}: {logged}"))
            .to_owned()
    };
    ["text", "json"].map(in_format).to_vec()
}

/// The settings of the process that logs; none in others.
fn settings() -> Option<TelemetrySettings> {
    let log_format = match std::env::var(FORMAT_VARIABLE).ok()?.as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    };
    Some(TelemetrySettings {
        log_format,
        ..TelemetrySettings::default()
    })
}

#[tokio::test]
async fn a_task_panics() {
    let Some(settings) = settings() else { return };
    let _telemetry = telemetry::init("test", &settings);
    let task = tokio::spawn(async { panic!("nobody expects it") });
    assert!(task.await.is_err());
}

#[test]
fn a_panic_is_logged_with_its_place() {
    for line in lines_with("nobody expects it", "a_task_panics") {
        assert!(line.contains("lines.rs:"), "{line}");
        assert!(line.contains("ERROR"), "{line}");
    }
}

/// As libraries ask, before they make a line that nobody may want.
#[tokio::test]
async fn a_level_is_asked_for() {
    let Some(settings) = settings() else { return };
    let _telemetry = telemetry::init("test", &settings);
    let wanted_by_spans_only = tracing::enabled!(tracing::Level::INFO);
    tracing::error!(wanted_by_spans_only, "said after a question");
}

#[test]
fn a_line_after_a_question_for_a_level_is_there() {
    for line in lines_with("said after a question", "a_level_is_asked_for") {
        assert!(line.contains("true"), "{line}");
    }
}

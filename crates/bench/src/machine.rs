//! Where the numbers come from: they mean nothing without it.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    /// RFC 3339, when the run began.
    pub date: String,
    /// Commit of the working tree; `-dirty` with changes.
    pub commit: String,
    /// Of the load generator; the suite's programs come from the same folder.
    pub profile: &'static str,
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub memory_gib: u64,
    /// Load average of the last minute when the run began: others' work spoils latencies.
    pub load_before: String,
}

impl Machine {
    pub fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
                .map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory
            .split(' ')
            .next()
            .and_then(|kib| kib.parse().ok())
            .unwrap_or_default();
        Self {
            date: clock::Clock::system()
                .now()
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap_or_default(),
            commit: git(&["describe", "--always", "--dirty", "--exclude=*"]),
            profile: if cfg!(debug_assertions) {
                "dev (optimised, see Cargo.toml)"
            } else {
                "release"
            },
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_gib: memory_kib.div_ceil(1024 * 1024),
            load_before: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

/// Allows this process, and those that it starts, as many open files as it may have: thousands of sockets
/// need more than the usual limit.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(%error, "no more open files than before");
    }
}

fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

//! Results as a table and as JSON.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::Args;
use crate::load::Measured;
use crate::machine::Machine;
use crate::processes::CpuSeconds;
use crate::stack::Stack;
use crate::workloads::{ColdStart, Idle, Ids, Storm};

/// The five services.
const SERVICES: [&str; 5] = [
    "account",
    "chat-gateway",
    "conversation",
    "file-upload",
    "message",
];
/// What stands for a managed service of AWS, and so is no part of a sum.
const EMULATOR: &str = "local-aws";
/// What stands for the ingress.
const ORIGIN: &str = "web";

/// All results of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub gateways: usize,
    /// Whether the stores flushed each write to the disk.
    pub flush: bool,
    pub body_bytes: u32,
    pub pairs: Vec<Measured>,
    pub rooms: Vec<Measured>,
    pub idle: Option<Idle>,
    pub storm: Option<Storm>,
    pub cold_start: Option<ColdStart>,
    pub ids: Vec<Ids>,
}

impl Report {
    pub fn new(args: &Args, stack: &Stack) -> Self {
        Self {
            machine: Machine::here(),
            gateways: stack.socket_urls.len(),
            flush: args.flush,
            body_bytes: args.body_bytes,
            pairs: Vec::new(),
            rooms: Vec::new(),
            idle: None,
            storm: None,
            cold_start: None,
            ids: Vec::new(),
        }
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let write = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, serde_json::to_vec_pretty(self)?)
        };
        write().with_context(|| format!("write {}", path.display()))
    }

    pub fn faults(&self) -> Vec<String> {
        let runs = self.pairs.iter().chain(&self.rooms).flat_map(|run| {
            run.faults
                .iter()
                .map(move |fault| format!("{} at {}/s: {fault}", run.workload, run.rate))
        });
        let idle = self.idle.iter().flat_map(|idle| idle.faults.clone());
        let storm = self.storm.iter().flat_map(|storm| storm.faults.clone());
        let cold = self.cold_start.iter().flat_map(|cold| cold.faults.clone());
        let ids = self.ids.iter().flat_map(|ids| ids.faults.clone());
        runs.chain(idle)
            .chain(storm)
            .chain(cold)
            .chain(ids)
            .collect()
    }
}

fn sum(cpu: &CpuSeconds, counts: impl Fn(&str) -> bool) -> f64 {
    cpu.iter()
        .filter(|(name, _)| counts(name))
        .map(|(_, seconds)| seconds)
        .sum()
}

fn services(cpu: &CpuSeconds) -> f64 {
    sum(cpu, |name| SERVICES.contains(&name))
}

/// Services and servers, without the emulator.
fn whole(cpu: &CpuSeconds) -> f64 {
    sum(cpu, |name| name != EMULATOR)
}

fn of(cpu: &CpuSeconds, name: &str) -> f64 {
    cpu.get(name).copied().unwrap_or_default()
}

/// The lines of one workload, with CPU divided by `per`, in units of `unit` seconds.
fn table(
    f: &mut fmt::Formatter<'_>,
    runs: &[Measured],
    per: impl Fn(&Measured) -> f64,
) -> fmt::Result {
    writeln!(
        f,
        "| rate/s | ack p50 / p99 ms | delivery p50 / p99 / max ms | drained ms | five services | whole stack | \
         gateway | message | other services | kafka | redis | postgres | local-aws | generator |"
    )?;
    writeln!(f, "|{}", "---|".repeat(14))?;
    for run in runs {
        let cpu = &run.cpu_seconds;
        let share = |seconds: f64| format!("{:.3}", seconds / per(run));
        let others = services(cpu) - of(cpu, "chat-gateway") - of(cpu, "message");
        writeln!(
            f,
            "| {} | {:.1} / {:.1} | {:.1} / {:.1} / {:.1} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            run.rate,
            run.acknowledgement_ms.p50,
            run.acknowledgement_ms.p99,
            run.delivery_ms.p50,
            run.delivery_ms.p99,
            run.delivery_ms.max,
            run.drained_after_ms,
            share(services(cpu)),
            share(whole(cpu)),
            share(of(cpu, "chat-gateway")),
            share(of(cpu, "message")),
            share(others),
            share(of(cpu, "kafka")),
            share(of(cpu, "redis")),
            share(of(cpu, "postgres")),
            share(of(cpu, EMULATOR)),
            share(run.generator_cpu_seconds),
        )?;
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            f,
            "\n{} · {} · {} profile · {} cores {} · Linux {} · {} GiB · load before {} · {} gateway(s) · {}",
            machine.date,
            machine.commit,
            machine.profile,
            machine.cores,
            machine.processor,
            machine.kernel,
            machine.memory_gib,
            machine.load_before,
            self.gateways,
            if self.flush { "flushed" } else { "not flushed" },
        )?;
        if !self.pairs.is_empty() {
            writeln!(
                f,
                "\nOne-to-one, {}-byte bodies: CPU-seconds per 1,000 messages",
                self.body_bytes
            )?;
            table(f, &self.pairs, |run| run.sent as f64 / 1_000.0)?;
        }
        if !self.rooms.is_empty() {
            writeln!(
                f,
                "\nRooms of 50: µs of CPU per delivery (to others than the author)"
            )?;
            table(f, &self.rooms, |run| run.delivered as f64 / 1_000_000.0)?;
        }
        if let Some(idle) = &self.idle {
            let sockets = idle.sockets as f64;
            let ms = |seconds: f64| seconds * 1_000.0 / sockets;
            writeln!(f, "\n{} idle signed-in sockets", idle.sockets)?;
            writeln!(f, "| | gateway | five services | whole stack |")?;
            writeln!(f, "|---|---|---|---|")?;
            writeln!(
                f,
                "| KiB of memory each | {:.1} | | |",
                idle.gateway_kib_per_socket
            )?;
            for (name, cpu) in [
                (
                    "ms of CPU to connect and sign in",
                    &idle.connect_cpu_seconds,
                ),
                ("ms of CPU over 30 s of quiet", &idle.quiet_cpu_seconds),
            ] {
                writeln!(
                    f,
                    "| {name} | {:.3} | {:.3} | {:.3} |",
                    ms(of(cpu, "chat-gateway")),
                    ms(services(cpu)),
                    ms(whole(cpu))
                )?;
            }
            writeln!(f, "All connected within {:.1} s.", idle.connect_seconds)?;
        }
        if let Some(storm) = &self.storm {
            let caught_up = &storm.caught_up_ms;
            writeln!(f, "\n{} sockets lost at once", storm.sockets)?;
            writeln!(f, "| | |")?;
            writeln!(f, "|---|---|")?;
            writeln!(
                f,
                "| caught up again after p50 / p95 / max | {:.1} / {:.1} / {:.1} s |",
                caught_up.p50 / 1_000.0,
                caught_up.p95 / 1_000.0,
                caught_up.max / 1_000.0
            )?;
            writeln!(
                f,
                "| connected with the first try | {:.1} % |",
                storm.first_try_share * 100.0
            )?;
            writeln!(f, "| written meanwhile | {} |", storm.written_meanwhile)?;
            writeln!(
                f,
                "| requests to DynamoDB per socket; a second in the calm | {:.2}; {:.0} |",
                storm.store_requests_per_socket, storm.calm_store_requests_per_second
            )?;
            writeln!(
                f,
                "| CPU-seconds of the five services; of the origin; of the generator | {:.1}; {:.1}; {:.1} |",
                services(&storm.cpu_seconds),
                of(&storm.cpu_seconds, ORIGIN),
                storm.generator_cpu_seconds
            )?;
            writeln!(
                f,
                "| all connected and caught up at the first start | {:.1} s |",
                storm.first_connect_seconds
            )?;
        }
        if let Some(cold) = &self.cold_start {
            let start = &cold.start_ms;
            writeln!(f, "\nClients that start with nothing kept")?;
            writeln!(f, "| | |")?;
            writeln!(f, "|---|---|")?;
            writeln!(
                f,
                "| started a second, as fast as it goes | {:.0} |",
                cold.most_per_second
            )?;
            writeln!(
                f,
                "| started a second, when {:.0} are offered for {:.0} s | {:.0}, {:.0} % |",
                cold.offered_per_second,
                cold.seconds,
                cold.completed_per_second,
                cold.completed_per_second / cold.most_per_second * 100.0
            )?;
            writeln!(
                f,
                "| a start takes then p50 / p99 / max | {:.1} / {:.1} / {:.1} s |",
                start.p50 / 1_000.0,
                start.p99 / 1_000.0,
                start.max / 1_000.0
            )?;
            writeln!(
                f,
                "| all had started after the last was due | {:.1} s |",
                cold.drained_after_ms as f64 / 1_000.0
            )?;
            let refused: u64 = cold.refused.values().sum();
            writeln!(
                f,
                "| told to come later; of these with a time | {refused}; {} |",
                cold.refused_with_a_time
            )?;
            writeln!(
                f,
                "| CPU-seconds of the five services; of the generator | {:.1}; {:.1} |",
                services(&cold.cpu_seconds),
                cold.generator_cpu_seconds
            )?;
        }
        if !self.ids.is_empty() {
            writeln!(f, "\nIds, drawn by four tasks as fast as it goes")?;
            writeln!(f, "| batch | drawn | a second | p50 / p99 ns | max ms |")?;
            writeln!(f, "|---|---|---|---|---|")?;
            for ids in &self.ids {
                let batch = match ids.batch {
                    0 => "none: made here".to_owned(),
                    batch => batch.to_string(),
                };
                writeln!(
                    f,
                    "| {batch} | {} | {:.0} | {} / {} | {:.1} |",
                    ids.drawn,
                    ids.per_second,
                    ids.p50_ns,
                    ids.p99_ns,
                    ids.max_ns as f64 / 1_000_000.0
                )?;
            }
        }
        Ok(())
    }
}

//! CPU time and memory of processes, from `/proc` (proc_pid_stat(5), proc_pid_status(5)).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// A process that takes part, with its children.
#[derive(Debug, Clone)]
pub struct Named {
    /// Without an ordinal, so that two gateways are one line.
    pub name: String,
    pub pid: u32,
}

/// User and system seconds by name.
pub type CpuSeconds = BTreeMap<String, f64>;

/// CPU time so far of each process and its children, those that ended included.
pub fn cpu(processes: &[Named]) -> Result<CpuSeconds> {
    let children = children()?;
    let mut all = CpuSeconds::new();
    for process in processes {
        let mut ticks = 0;
        let mut pids = vec![process.pid];
        while let Some(pid) = pids.pop() {
            // A child may end between the listing and here; its parent has its time then.
            match ticks_of(pid) {
                Ok(used) => ticks += used.living + used.ended,
                Err(_) if pid != process.pid => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("{} is gone", process.name));
                }
            }
            pids.extend(children.get(&pid).into_iter().flatten());
        }
        *all.entry(process.name.clone()).or_default() += ticks as f64 / ticks_per_second();
    }
    Ok(all)
}

/// CPU seconds of this process so far, without its children: the suite may be among them.
pub fn own_cpu() -> Result<f64> {
    Ok(ticks_of(std::process::id())?.living as f64 / ticks_per_second())
}

/// What was used between two readings.
pub fn used(before: &CpuSeconds, after: &CpuSeconds) -> CpuSeconds {
    after
        .iter()
        .map(|(name, after)| {
            (
                name.clone(),
                (after - before.get(name).copied().unwrap_or_default()).max(0.0),
            )
        })
        .collect()
}

/// Resident memory of the processes of one name, children excluded.
pub fn resident_kib(processes: &[Named], name: &str) -> u64 {
    processes
        .iter()
        .filter(|process| process.name == name)
        .filter_map(|process| local_stack::process::resident_bytes(process.pid))
        .map(|bytes| bytes / 1_024)
        .sum()
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// What follows the name of a process, which may itself hold spaces and parentheses.
fn stat(pid: u32) -> Result<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .context("an unknown form of /proc/<pid>/stat")?;
    Ok(fields.split(' ').map(str::to_owned).collect())
}

struct Ticks {
    living: u64,
    /// Of children that ended and were waited for.
    ended: u64,
}

/// utime, stime, cutime and cstime: fields 14 to 17, counted from the pid as 1.
fn ticks_of(pid: u32) -> Result<Ticks> {
    let fields = stat(pid)?;
    let field = |index: usize| -> Result<u64> {
        Ok(fields
            .get(index)
            .context("a short /proc/<pid>/stat")?
            .parse()?)
    };
    Ok(Ticks {
        living: field(11)? + field(12)?,
        ended: field(13)? + field(14)?,
    })
}

fn children() -> Result<BTreeMap<u32, Vec<u32>>> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // Field 4.
        if let Ok(fields) = stat(pid)
            && let Some(Ok(parent)) = fields.get(1).map(|parent| parent.parse())
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_uses_time_and_memory() {
        let me = [Named {
            name: "me".into(),
            pid: std::process::id(),
        }];
        let before = cpu(&me).unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() < 100 {
            std::hint::black_box(begun);
        }
        let used = used(&before, &cpu(&me).unwrap());
        assert!((0.02..10.0).contains(&used["me"]), "{used:?}");
        assert!(resident_kib(&me, "me") > 1_000);
    }
}

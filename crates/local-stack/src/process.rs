//! Child processes that can be killed, paused and started again, and that never outlive us.

use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

use crate::ports;

/// How often a server that starts is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(25);
/// How long one such question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const LOG_TAIL_LINES: usize = 25;

/// Asks a server whether it is ready; the error says why not yet.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// Another user to run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    pub user: u32,
    pub group: u32,
    /// Keep the right to pass through folders of root, for data below a home folder.
    pub pass_folders: bool,
}

/// How a process is started, each time alike.
#[derive(Clone)]
pub struct Spec {
    /// What people call it, in messages.
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(String, String)>,
    /// Standard output and error, appended.
    pub log: PathBuf,
    pub run_as: Option<RunAs>,
    /// Ports that it will listen on, so that a taken one is named before it fails over it.
    pub ports: Vec<u16>,
    /// Asks for a clean end.
    pub stop_signal: Signal,
    /// How long a clean end may take before it is killed.
    pub stop_grace: Duration,
    pub ready: Probe,
    /// How long it may take until it is ready.
    pub ready_within: Duration,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// How a process ended that was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// By itself, with success.
    Well,
    /// By itself, with a failure.
    Badly,
    /// Not within its grace.
    Killed,
}

/// A process of the local suite. Killed with its children when dropped.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    current: Mutex<Option<Running>>,
}

#[derive(Clone, Debug)]
struct Running {
    pid: Pid,
    /// The process exists, perhaps as a zombie, while this is held and says `true`; so a
    /// signal can't meet a stranger who got the same number.
    exists: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<ExitStatus>>,
    asked_to_end: Arc<Mutex<bool>>,
}

impl Process {
    /// Describes a process without starting it.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        Self {
            spec,
            current: Mutex::new(None),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let running = self.running()?;
        let exists = lock(&running.exists);
        exists.then(|| running.pid.as_raw_pid().unsigned_abs())
    }

    /// [`resident_bytes`] of the process, while it runs.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(self.pid()?)
    }

    /// The process and its children, while it runs. Postgres, for one, works in children.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let Some(running) = self.running().filter(|running| *lock(&running.exists)) else {
            return Vec::new();
        };
        std::iter::once(running.pid)
            .chain(children_of(running.pid))
            .map(|pid| pid.as_raw_pid().unsigned_abs())
            .collect()
    }

    /// Starts it on the data and ports it had before, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, a port is taken, it ends, or it isn't ready in time; the error
    /// quotes the end of its log.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.spawn()?;
        self.wait_ready().await
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// When it runs already, a port is taken or the program can't be run.
    pub fn spawn(&self) -> anyhow::Result<()> {
        if self.pid().is_some() {
            bail!("{} runs already", self.spec.name);
        }
        for port in &self.spec.ports {
            if !ports::is_free(*port) {
                bail!(
                    "{} needs port {port} of 127.0.0.1, but something listens there; stop that \
                     or choose another port",
                    self.spec.name
                );
            }
        }
        let running = spawn(&self.spec)?;
        *lock(&self.current) = Some(running);
        Ok(())
    }

    /// Waits until it answers as ready.
    ///
    /// # Errors
    /// As for [`Process::start`].
    pub async fn wait_ready(&self) -> anyhow::Result<()> {
        let name = &self.spec.name;
        let mut running = self
            .running()
            .with_context(|| format!("{name} was not started"))?;
        let deadline = Instant::now() + self.spec.ready_within;
        let mut last = anyhow!("it was never asked");
        loop {
            if let Some(status) = *running.exit.borrow_and_update() {
                return Err(self.with_log_tail(&format!("{name} ended while starting ({status})")));
            }
            match tokio::time::timeout(PROBE_TIMEOUT, (self.spec.ready)()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => last = error,
                Err(_) => last = anyhow!("no answer within {PROBE_TIMEOUT:?}"),
            }
            if Instant::now() > deadline {
                return Err(self.with_log_tail(&format!(
                    "{name} was not ready within {:?}: {last:#}",
                    self.spec.ready_within
                )));
            }
            // Ends early when the process does.
            let _ = tokio::time::timeout(PROBE_EVERY, running.exit.changed()).await;
        }
    }

    /// Ends it with SIGKILL, its children too, and waits until they are gone.
    pub async fn kill9(&self) {
        if let Some(running) = self.running() {
            running.kill();
            running.ended().await;
        }
    }

    /// Stops it where it is (SIGSTOP), its children too.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal_tree(Signal::STOP)
    }

    /// Lets it go on after [`Process::pause`].
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal_tree(Signal::CONT)
    }

    /// Asks it to end and waits; kills it when its grace is over.
    pub async fn stop(&self) -> Stopped {
        let Some(running) = self.running() else {
            return Stopped::Well;
        };
        *lock(&running.asked_to_end) = true;
        // A paused process would not see the request.
        running.signal(Signal::CONT);
        running.signal(self.spec.stop_signal);
        match tokio::time::timeout(self.spec.stop_grace, running.ended()).await {
            Ok(status) if status.success() => Stopped::Well,
            Ok(_) => Stopped::Badly,
            Err(_) => {
                tracing::warn!(
                    "{} did not stop within {:?} and is killed",
                    self.spec.name,
                    self.spec.stop_grace
                );
                self.kill9().await;
                Stopped::Killed
            }
        }
    }

    /// Stops it cleanly and starts it again.
    ///
    /// # Errors
    /// As for [`Process::start`].
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.stop().await;
        self.start().await
    }

    /// Resolves when it ends without having been asked to; the text says how, with its log.
    /// Concerns the run that is under way when this is called.
    pub async fn died(&self) -> String {
        let Some(running) = self.running() else {
            return std::future::pending().await;
        };
        let status = running.ended().await;
        if *lock(&running.asked_to_end) {
            return std::future::pending().await;
        }
        let text = format!("{} ended by itself ({status})", self.spec.name);
        format!("{:#}", self.with_log_tail(&text))
    }

    fn running(&self) -> Option<Running> {
        lock(&self.current).clone()
    }

    fn signal_tree(&self, signal: Signal) -> anyhow::Result<()> {
        let running = self
            .running()
            .filter(|running| *lock(&running.exists))
            .with_context(|| format!("{} doesn't run", self.spec.name))?;
        // The parent first, so that it makes no more children meanwhile.
        running.signal(signal);
        for child in children_of(running.pid) {
            let _ = rustix::process::kill_process(child, signal);
        }
        Ok(())
    }

    fn with_log_tail(&self, text: &str) -> anyhow::Error {
        let tail = log_tail(&self.spec.log);
        if tail.is_empty() {
            anyhow!("{text}; its log {} is empty", self.spec.log.display())
        } else {
            anyhow!("{text}; the end of {}:\n{tail}", self.spec.log.display())
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(running) = self.running() else {
            return;
        };
        running.kill();
        // Until it is gone its ports and files are in use. Death by SIGKILL takes milliseconds.
        let deadline = Instant::now() + Duration::from_secs(5);
        while *lock(&running.exists) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        let exists = lock(&self.exists);
        if *exists {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    fn kill(&self) {
        *lock(&self.asked_to_end) = true;
        let exists = lock(&self.exists);
        if *exists {
            let children = children_of(self.pid);
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
            for child in children {
                let _ = rustix::process::kill_process(child, Signal::KILL);
            }
        }
    }

    async fn ended(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            // The thread that waits reports before it ends.
            Err(_) => ExitStatus::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(spec: &Spec) -> anyhow::Result<Running> {
    if let Some(folder) = spec.log.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("create the folder {}", folder.display()))?;
    }
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&spec.log)
        .with_context(|| format!("open the log {}", spec.log.display()))?;
    let mut command = command_that_dies_with_us(&spec.program, spec.run_as.as_ref());
    command
        .args(&spec.arguments)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stderr(log.try_clone().context("share the log")?)
        .stdout(log)
        // Ctrl-C of the terminal goes to us alone; we then stop the servers in order.
        .process_group(0);

    let (reply, started) = mpsc::sync_channel(1);
    spawner()
        .send((command, reply))
        .map_err(|_| anyhow!("the thread that starts processes has ended"))?;
    let mut child = started
        .recv()
        .context("the thread that starts processes has ended")?
        .with_context(|| format!("run {} for {}", spec.program.display(), spec.name))?;

    let pid = Pid::from_child(&child);
    let exists = Arc::new(Mutex::new(true));
    let (report, exit) = watch::channel(None);
    let running = Running {
        pid,
        exists: Arc::clone(&exists),
        exit,
        asked_to_end: Arc::new(Mutex::new(false)),
    };
    std::thread::Builder::new()
        .name(format!("wait for {}", spec.name))
        .spawn(move || {
            // Leaves the zombie, and with it the process number, until nobody can signal it.
            let _ = rustix::process::waitid(
                WaitId::Pid(pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
            );
            let mut exists = lock(&exists);
            let status = child.wait().unwrap_or_default();
            *exists = false;
            drop(exists);
            report.send_replace(Some(status));
        })
        .context("start a thread that waits for the process")?;
    Ok(running)
}

type SpawnRequest = (
    Command,
    mpsc::SyncSender<std::io::Result<std::process::Child>>,
);

/// One thread that lives as long as the process and starts all children. Linux signals a
/// parent's death when the *thread* that started the child ends; a test's own thread, or one
/// of a pool, would take the servers with it.
fn spawner() -> &'static mpsc::Sender<SpawnRequest> {
    static SPAWNER: OnceLock<mpsc::Sender<SpawnRequest>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (requests, receive) = mpsc::channel::<SpawnRequest>();
        std::thread::spawn(move || {
            for (mut command, reply) in receive {
                let _ = reply.send(command.spawn());
            }
        });
        requests
    })
}

/// `setpriv` asks the kernel for SIGKILL at our death and then becomes the program, so the
/// process id is the program's.
fn command_that_dies_with_us(program: &Path, run_as: Option<&RunAs>) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(run_as) = run_as {
        command
            .arg(format!("--reuid={}", run_as.user))
            .arg(format!("--regid={}", run_as.group))
            .arg("--clear-groups");
        if run_as.pass_folders {
            command.args([
                "--securebits=+no_setuid_fixup",
                "--inh-caps=+dac_override",
                "--ambient-caps=+dac_override",
            ]);
        }
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Runs a program to its end, as another user if asked, and returns what it printed.
///
/// # Errors
/// When it can't be run or fails; the error has its output.
pub fn run(
    program: &Path,
    arguments: &[&std::ffi::OsStr],
    run_as: Option<&RunAs>,
) -> anyhow::Result<String> {
    let mut command = match run_as {
        Some(_) => command_that_dies_with_us(program, run_as),
        None => Command::new(program),
    };
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{} failed ({}):\n{text}{}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(text)
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| parent_of(*pid) == Some(parent.as_raw_pid()))
        .filter_map(Pid::from_raw)
        .collect()
}

/// The fourth field of `/proc/<pid>/stat`; the second, the name, may hold anything in brackets.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// The last lines of a log, however long it is.
#[must_use]
pub fn log_tail(path: &Path) -> String {
    let Ok(mut file) = std::fs::File::open(path) else {
        return String::new();
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(8 * 1024)));
    let mut bytes = Vec::new();
    let _ = file.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
/// Memory that a process holds, without its children, in bytes (`VmRSS` of proc_pid_status(5)). None: there is no
/// such process.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kib * 1_024)
}

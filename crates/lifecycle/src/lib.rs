//! The life of a process: owned tasks, readiness, and a shutdown that finishes what is held.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Owns the tasks of a process and tells them when to stop.
///
/// Two tokens, because they ask for different things: `stopping` says "take nothing new, finish
/// what you hold", `aborting` says "the deadline has come, leave".
#[derive(Clone)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

struct Inner {
    stopping: CancellationToken,
    aborting: CancellationToken,
    ready: ReadyFlag,
    // `None` once the process is past its deadline: a task that comes then is not started.
    tasks: Mutex<Option<JoinSet<()>>>,
    // Ended when the tasks have, or the deadline has come.
    companions: Mutex<JoinSet<()>>,
    failure: watch::Sender<Option<Arc<str>>>,
}

/// Whether this process may be given work. It begins unset; a service sets it when it serves.
#[derive(Clone)]
pub struct ReadyFlag {
    value: watch::Sender<bool>,
}

impl ReadyFlag {
    fn new() -> Self {
        Self {
            value: watch::Sender::new(false),
        }
    }

    pub fn set(&self, ready: bool) {
        self.value.send_replace(ready);
    }

    pub fn is_set(&self) -> bool {
        *self.value.borrow()
    }

    /// Follows the flag; the current value counts as seen.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.value.subscribe()
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                stopping: CancellationToken::new(),
                aborting: CancellationToken::new(),
                ready: ReadyFlag::new(),
                tasks: Mutex::new(Some(JoinSet::new())),
                companions: Mutex::new(JoinSet::new()),
                failure: watch::Sender::new(None),
            }),
        }
    }

    /// Runs a task for the life of the process.
    ///
    /// A task that ends before [`Lifecycle::stop`], well or badly, or panics at any time, stops
    /// the process with a failure: half a service that looks alive is worse than none.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let mut tasks = self
            .inner
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = tasks.as_mut() else {
            tracing::debug!(task = name, "not started: the process has ended");
            return;
        };
        tasks.spawn(self.clone().watch(name, task));
    }

    /// Runs a task beside the others, such as one that tells of them: it isn't asked to stop, and is
    /// ended once all tasks of [`Lifecycle::spawn`] have finished. If it ends before the process stops,
    /// the process stops with a failure.
    pub fn accompany<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.inner
            .companions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(self.clone().watch(name, task));
    }

    async fn watch<F>(self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        // A task of its own, so that a panic in it is seen here.
        let mut inner = JoinSet::new();
        inner.spawn(task);
        let Some(end) = inner.join_next().await else {
            return;
        };
        match end {
            Ok(Ok(())) if self.inner.stopping.is_cancelled() => {
                tracing::debug!(task = name, "finished");
            }
            Ok(Ok(())) => self.fail(name, "ended early"),
            Ok(Err(error)) => self.fail(name, &format!("{error:#}")),
            Err(join) if join.is_panic() => self.fail(name, "panicked"),
            Err(_) => {}
        }
    }

    fn fail(&self, task: &'static str, reason: &str) {
        tracing::error!(task, reason, "a task of the process failed");
        self.inner.failure.send_if_modified(|first| {
            let unset = first.is_none();
            if unset {
                *first = Some(format!("task `{task}`: {reason}").into());
            }
            unset
        });
        self.stop();
    }

    /// Cancelled when the process begins to stop: take nothing new, finish what is held.
    pub fn stopping(&self) -> CancellationToken {
        self.inner.stopping.clone()
    }

    /// Cancelled when the grace is over: leave now.
    pub fn aborting(&self) -> CancellationToken {
        self.inner.aborting.clone()
    }

    /// Begins to stop: readiness off first, then the soft token. Idempotent.
    pub fn stop(&self) {
        self.inner.ready.set(false);
        self.inner.stopping.cancel();
    }

    pub fn ready(&self) -> ReadyFlag {
        self.inner.ready.clone()
    }

    /// Runs until SIGTERM or SIGINT (or [`Lifecycle::stop`], or a task's failure), then shuts
    /// down within `grace`. A second signal ends the grace at once.
    ///
    /// # Errors
    /// When a task failed, or signals can't be received.
    pub async fn run_until_signal(&self, grace: Duration) -> anyhow::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
            () = self.inner.stopping.cancelled() => {}
        }
        self.stop();
        let impatient = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        self.finish(grace, impatient).await
    }

    /// Runs until [`Lifecycle::stop`] or a task's failure, then shuts down within `grace`.
    /// For processes that hold several services, and for tests.
    ///
    /// # Errors
    /// When a task failed.
    pub async fn run_until_stopped(&self, grace: Duration) -> anyhow::Result<()> {
        self.inner.stopping.cancelled().await;
        self.finish(grace, std::future::pending()).await
    }

    async fn finish(
        &self,
        grace: Duration,
        impatient: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let drained = async {
            // Tasks may start others while they finish, hence the look after each.
            loop {
                let held = self
                    .inner
                    .tasks
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .replace(JoinSet::new());
                match held {
                    Some(mut tasks) if !tasks.is_empty() => {
                        while tasks.join_next().await.is_some() {}
                    }
                    _ => break,
                }
            }
        };
        tokio::pin!(drained);
        tokio::pin!(impatient);
        let in_time = tokio::select! {
            () = &mut drained => true,
            () = tokio::time::sleep(grace) => false,
            () = &mut impatient => false,
        };
        if !in_time {
            tracing::warn!(grace_ms = grace.as_millis(), "the grace is over; aborting");
            self.inner.aborting.cancel();
            // A moment for those that listen; whoever does not is dropped with the runtime.
            let _ = tokio::time::timeout(Duration::from_secs(1), &mut drained).await;
        }
        self.inner.aborting.cancel();
        self.inner
            .companions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
        self.inner
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match self.inner.failure.borrow().as_deref() {
            Some(reason) => Err(anyhow!("{reason}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_task_that_ends_early_stops_the_process_with_a_failure() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("short", async { Ok(()) });
        let end = lifecycle.run_until_stopped(GRACE).await;
        assert_eq!(end.unwrap_err().to_string(), "task `short`: ended early");
    }

    #[tokio::test]
    async fn a_task_that_fails_or_panics_stops_the_process_with_a_failure() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("bad", async { Err(anyhow!("no luck")) });
        assert_eq!(
            lifecycle
                .run_until_stopped(GRACE)
                .await
                .unwrap_err()
                .to_string(),
            "task `bad`: no luck"
        );
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("worse", async { panic!("on purpose") });
        assert_eq!(
            lifecycle
                .run_until_stopped(GRACE)
                .await
                .unwrap_err()
                .to_string(),
            "task `worse`: panicked"
        );
    }

    #[tokio::test]
    async fn what_is_held_is_finished_after_readiness_is_off() {
        let lifecycle = Lifecycle::new();
        lifecycle.ready().set(true);
        let (held, mut finished) = watch::channel(false);
        let seen = lifecycle.clone();
        lifecycle.spawn("worker", async move {
            seen.stopping().cancelled().await;
            assert!(!seen.ready().is_set());
            assert!(!seen.aborting().is_cancelled());
            held.send_replace(true);
            Ok(())
        });
        lifecycle.stop();
        lifecycle.run_until_stopped(GRACE).await.unwrap();
        assert!(*finished.borrow_and_update());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_aborts_what_does_not_finish() {
        let lifecycle = Lifecycle::new();
        let aborting = lifecycle.aborting();
        lifecycle.spawn("slow", async move {
            aborting.cancelled().await;
            Ok(())
        });
        lifecycle.stop();
        lifecycle.run_until_stopped(GRACE).await.unwrap();
        assert!(lifecycle.aborting().is_cancelled());
    }
}

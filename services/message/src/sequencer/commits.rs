//! Storing and telling: one request for what several partitions have ready at the same moment.
//!
//! A request costs the same with one row as with twenty, and the records of one fetch belong to many
//! partitions. So what they decided is committed together: rows, then heads, then deliveries. A commit
//! that failed is tried again alone: nobody's row can hold up another partition for good.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::error::KafkaError;
use tokio::sync::{Semaphore, oneshot};

use super::owner::Decided;
use super::teller::Teller;
use crate::store::{Store, StoreError};

/// Commits in flight. While one waits for its place, more join it.
const IN_FLIGHT: usize = 4;
/// What one fetch brought is decided within this of each other.
const GATHER: Duration = Duration::from_millis(1);

/// Why a commit isn't known to be done. It may be in part; to do it again is harmless.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("tell the gateways")]
    Tell(#[from] KafkaError),
    /// The partition that took this one along was stopped.
    #[error("the commit was stopped")]
    Stopped,
}

/// Whether a commit may share requests with those of other partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    Joined,
    Alone,
}

/// The commits of all partitions of this process.
pub struct Commits {
    store: Store,
    teller: Teller,
    joining: Joining<Arc<Decided>, CommitError>,
}

impl Commits {
    #[must_use]
    pub fn new(store: Store, teller: Teller) -> Self {
        Self {
            store,
            teller,
            joining: Joining::default(),
        }
    }

    /// Stores and tells what was decided. The order matters: rows, then heads, then deliveries.
    ///
    /// # Errors
    /// When not all is known to be stored and told.
    pub async fn commit(
        &self,
        decided: &Arc<Decided>,
        traceparent: Option<&str>,
        company: Company,
    ) -> Result<(), CommitError> {
        match company {
            Company::Alone => {
                let alone = std::slice::from_ref(decided);
                self.commit_all(alone, traceparent).await
            }
            Company::Joined => self
                .joining
                .run(Arc::clone(decided), async |all: Vec<Arc<Decided>>| {
                    self.commit_all(&all, None).await
                })
                .await
                .unwrap_or(Err(CommitError::Stopped)),
        }
    }

    async fn commit_all(
        &self,
        all: &[Arc<Decided>],
        traceparent: Option<&str>,
    ) -> Result<(), CommitError> {
        let began = tokio::time::Instant::now();
        self.store
            .put_rows(all.iter().flat_map(|decided| &decided.rows))
            .await?;
        let heads: Vec<_> = all.iter().flat_map(|decided| &decided.heads).collect();
        self.store.put_heads(&heads).await?;
        let stored = tokio::time::Instant::now();
        self.teller
            .tell(
                all.iter().flat_map(|decided| &decided.outgoing),
                traceparent,
            )
            .await?;
        metrics::histogram!("message_commit_partitions").record(all.len() as f64);
        metrics::histogram!("message_commit_store_seconds").record((stored - began).as_secs_f64());
        metrics::histogram!("message_commit_tell_seconds").record(stored.elapsed().as_secs_f64());
        Ok(())
    }
}

type Waiting<T, E> = (T, oneshot::Sender<Result<(), E>>);

/// Work that is ready and not on its way yet: at most one piece of each owner of a partition.
struct Joining<T, E> {
    ready: Mutex<Vec<Waiting<T, E>>>,
    places: Semaphore,
}

impl<T, E> Default for Joining<T, E> {
    fn default() -> Self {
        Self {
            ready: Mutex::new(Vec::new()),
            places: Semaphore::new(IN_FLIGHT),
        }
    }
}

impl<T, E: Clone> Joining<T, E> {
    /// Has `request` called with this work and what is ready beside it, by whoever comes first, and waits
    /// for the outcome. `None`: whoever took it along was stopped, and nobody knows what became of it.
    async fn run(
        &self,
        work: T,
        request: impl AsyncFnOnce(Vec<T>) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let (reply, mut outcome) = oneshot::channel();
        self.ready().push((work, reply));
        let place = async {
            tokio::time::sleep(GATHER).await;
            self.places.acquire().await
        };
        let place = tokio::select! {
            biased;
            outcome = &mut outcome => return outcome.ok(),
            place = place => place.ok()?,
        };
        let taken = std::mem::take(&mut *self.ready());
        if taken.is_empty() {
            // Somebody took it along: the place is for whoever is ready next.
            drop(place);
            return outcome.await.ok();
        }
        let (all, replies): (Vec<T>, Vec<_>) = taken.into_iter().unzip();
        let result = request(all).await;
        for reply in replies {
            // A partition that was revoked waits no more.
            let _ = reply.send(result.clone());
        }
        outcome.await.ok()
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Waiting<T, E>>> {
        // Nothing that can panic runs under the lock.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_ready_together_is_one_request_and_each_hears_of_it() {
        let joining = Joining::<u32, &str>::default();
        let requests = AtomicUsize::new(0);
        let steps = (0..10).map(|step| {
            joining.run(step, async |mut steps: Vec<u32>| {
                requests.fetch_add(1, Ordering::SeqCst);
                steps.sort_unstable();
                assert_eq!(steps, (0..10).collect::<Vec<_>>());
                Err("refused")
            })
        });
        let outcomes = join_all(steps).await;
        assert_eq!(outcomes, vec![Some(Err("refused")); 10]);
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn whoever_waits_learns_that_the_one_who_took_it_along_was_stopped() {
        let joining = Arc::new(Joining::<u32, &str>::default());
        let began = Arc::new(Notify::new());
        let run = |step| {
            let (joining, began) = (Arc::clone(&joining), Arc::clone(&began));
            tokio::spawn(async move {
                joining
                    .run(step, async |_| {
                        began.notify_one();
                        std::future::pending().await
                    })
                    .await
            })
        };
        let (first, second) = (run(1), run(2));
        began.notified().await;
        // One of the two holds the request; the other hears of its end.
        first.abort();
        let stopped = first.await.is_err();
        second.abort();
        assert!(stopped);
        assert!(second.await.map_or(true, |outcome| outcome.is_none()));
    }

    #[tokio::test]
    async fn while_all_places_are_taken_the_next_request_grows() {
        let joining = Arc::new(Joining::<usize, ()>::default());
        let (open, sizes) = (
            Arc::new(Semaphore::new(0)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let run = |step| {
            let (joining, open) = (Arc::clone(&joining), Arc::clone(&open));
            let sizes = Arc::clone(&sizes);
            async move {
                joining
                    .run(step, async |steps: Vec<usize>| {
                        let _open = open.acquire().await;
                        sizes.lock().unwrap().push(steps.len());
                        Ok(())
                    })
                    .await
            }
        };
        let mut running = Vec::new();
        for step in 0..IN_FLIGHT {
            running.push(tokio::spawn(run(step)));
            // Each is on its way before the next is ready.
            while joining.places.available_permits() >= IN_FLIGHT - step {
                tokio::task::yield_now().await;
            }
        }
        running.extend((0..20).map(|step| tokio::spawn(run(step))));
        while joining.ready().len() < 20 {
            tokio::task::yield_now().await;
        }
        open.add_permits(1);
        for outcome in join_all(running).await {
            assert_eq!(outcome.unwrap(), Some(Ok(())));
        }
        let mut sizes = sizes.lock().unwrap().clone();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 1, 1, 20]);
    }
}

//! Reads of the same thing at the same time, made one: when thousands come back at once, most of them ask
//! for the same head.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::store::StoreError;

/// Shares reads that begin after they were asked for, and no others: whoever asks while one is under way
/// waits for the next one, for the first may have missed what the asker has seen already. A share is
/// therefore as strongly consistent as a read of one's own.
pub struct Together<K, V> {
    latest: Cache<K, Arc<Mutex<Option<Begun<V>>>>>,
    /// Orders asking and beginning.
    ticks: AtomicU64,
}

struct Begun<V> {
    at: u64,
    /// Failures are shared too: a store that is down isn't asked by each waiter in turn.
    outcome: Result<V, StoreError>,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Together<K, V> {
    /// Remembers the last read of so many keys. Of more, some are read alone.
    pub fn new(keys: u64) -> Self {
        Self {
            latest: Cache::new(keys),
            ticks: AtomicU64::new(0),
        }
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::AcqRel)
    }

    /// What `read` gives, or what another one of this key gave that began after this call. When it is dropped
    /// on the way, the next waiter reads.
    ///
    /// # Errors
    /// Those of the read.
    pub async fn read(
        &self,
        key: K,
        read: impl Future<Output = Result<V, StoreError>>,
    ) -> Result<V, StoreError> {
        let asked_at = self.tick();
        let latest = self.latest.get_with(key, Arc::default);
        let mut latest = latest.lock().await;
        if let Some(begun) = &*latest
            && begun.at > asked_at
        {
            return begun.outcome.clone();
        }
        let at = self.tick();
        let outcome = read.await;
        *latest = Some(Begun {
            at,
            outcome: outcome.clone(),
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt as _;
    use futures_util::future::{LocalBoxFuture, join_all};
    use proptest::prelude::*;
    use tokio::sync::{Semaphore, oneshot};

    use super::*;

    #[tokio::test]
    async fn a_thousand_readers_at_once_are_two_reads() {
        let together = Together::<u8, usize>::new(1);
        let reads = Cell::new(0);
        let gate = Semaphore::new(0);
        let all = (0..1_000).map(|_| {
            together.read(0, async {
                reads.set(reads.get() + 1);
                let _pass = gate.acquire().await;
                Ok(reads.get())
            })
        });
        let (seen, ()) = tokio::join!(join_all(all), async { gate.add_permits(1) });
        assert_eq!(reads.get(), 2);
        // The first reads alone; all others asked before the second read began.
        assert_eq!(
            seen.iter().filter(|seen| matches!(seen, Ok(2))).count(),
            999
        );
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_leaves_its_turn_to_the_next() {
        let together = Together::<u8, usize>::new(1);
        let (_never, silence) = oneshot::channel::<()>();
        let mut first = Box::pin(together.read(0, async {
            let _ = silence.await;
            Ok(1)
        }));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(together.read(0, async { Ok(2) }));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(matches!(second.await, Ok(2)));
    }

    #[tokio::test]
    async fn a_failure_is_shared_by_those_who_waited_for_it_and_by_nobody_else() {
        let together = Together::<u8, usize>::new(1);
        let fails = || async {
            tokio::task::yield_now().await;
            Err(StoreError::Unavailable("away".into()))
        };
        let all = join_all((0..3).map(|_| together.read(0, fails()))).await;
        assert!(all.iter().all(Result::is_err));
        assert!(matches!(together.read(0, async { Ok(1) }).await, Ok(1)));
    }

    proptest! {
        /// Whoever asks when the value is `n` is never given less.
        #[test]
        fn nobody_sees_less_than_what_there_was_when_they_asked(
            script in prop::collection::vec(0_u8..4, 1..200)
        ) {
            let together = Together::<u8, usize>::new(1);
            let value = Cell::new(0);
            let mut readers = Vec::new();
            let mut look = |reader: &mut (usize, bool, LocalBoxFuture<'_, Result<usize, StoreError>>)| {
                if let (floor, false, future) = reader
                    && let Some(seen) = future.as_mut().now_or_never()
                {
                    assert!(seen.expect("nothing fails") >= *floor);
                    reader.1 = true;
                }
            };
            for step in script {
                match step {
                    0 => value.set(value.get() + 1),
                    1 => {
                        let read = together.read(0, async {
                            // Read first, answered later.
                            let seen = value.get();
                            tokio::task::yield_now().await;
                            Ok(seen)
                        });
                        readers.push((value.get(), false, read.boxed_local()));
                    }
                    2 => readers.iter_mut().for_each(&mut look),
                    _ => readers.iter_mut().rev().for_each(&mut look),
                }
            }
        }
    }
}

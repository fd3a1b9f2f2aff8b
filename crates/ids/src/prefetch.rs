//! Ids whose uniqueness is a central generator's, fetched ahead in batches.
//!
//! Each is a UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, twelve zeros, and
//! in the last 62 bits a number that the generator has given to nobody else. So two ids differ by their
//! numbers, whatever the clocks say, and the ids of one source ascend, because both their times and their
//! numbers do. They can be guessed from each other: they are names, not secrets.
//!
//! Taking one is a step under a short lock. A task of its own asks for the next batch when the stock falls
//! to the low-water mark; what a process held when it ended is never used.

use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Numbers have 62 bits.
const END: u64 = 1 << 62;
/// How long one question to the generator may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Gives numbers away, each once.
pub trait NumberServer: Send + Sync {
    /// Why it can't.
    type Error: Error + Send + Sync + 'static;

    /// `count` numbers that nobody else was or will be given, in a row, each above all that were given
    /// away before the call.
    fn lease(&self, count: u32) -> impl Future<Output = Result<Range<u64>, Self::Error>> + Send;
}

/// How much is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefetchSettings {
    /// Numbers asked for at once.
    pub batch: u32,
    /// More are asked for when no more than these are left. At most this and a batch are held.
    pub low_water: u32,
    /// How long somebody waits for an id when none is left.
    pub patience: Duration,
}

/// None was left, and the generator gave none in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no id in time from the central generator")]
pub struct OutOfIds;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the generator failed")]
    Server(#[source] Box<dyn Error + Send + Sync>),
    #[error("the generator did not answer in time")]
    Late,
    /// It was restored from a backup, or it is another one: its numbers may have been used.
    #[error("the generator gave {given:?}, which is not above {above}")]
    WentBack { given: Range<u64>, above: u64 },
}

/// Where ids come from. Clones share the stock.
#[derive(Clone)]
pub struct PrefetchedIds {
    shared: Arc<Shared>,
}

struct Shared {
    stock: Mutex<Stock>,
    settings: PrefetchSettings,
    clock: Clock,
    /// Rung when the stock is low.
    low: Notify,
    /// Rung when a batch has come.
    filled: Notify,
}

#[derive(Default)]
struct Stock {
    ranges: VecDeque<Range<u64>>,
    left: u64,
    /// Every number so far was below.
    end: u64,
    /// Time in the last id: a clock that is set back doesn't take the ids with it.
    last_unix_ms: u64,
}

impl Stock {
    fn take(&mut self) -> Option<u64> {
        let range = self.ranges.front_mut()?;
        let number = range.start;
        range.start += 1;
        if range.is_empty() {
            self.ranges.pop_front();
        }
        self.left -= 1;
        Some(number)
    }
}

impl PrefetchedIds {
    /// A source, empty as yet, and the task that fills it.
    #[must_use]
    pub fn new<S: NumberServer>(
        server: S,
        settings: PrefetchSettings,
        clock: Clock,
    ) -> (Self, Prefetcher<S>) {
        let shared = Arc::new(Shared {
            stock: Mutex::default(),
            settings,
            clock,
            low: Notify::new(),
            filled: Notify::new(),
        });
        let source = Self {
            shared: Arc::clone(&shared),
        };
        (source, Prefetcher { server, shared })
    }

    /// An id, if one is there. Never waits.
    #[must_use]
    pub fn try_next(&self) -> Option<Uuid> {
        let mut stock = self.shared.stock();
        let number = stock.take();
        let unix_ms = self.shared.clock.unix_ms().max(stock.last_unix_ms);
        stock.last_unix_ms = unix_ms;
        let low = stock.left <= u64::from(self.shared.settings.low_water);
        drop(stock);
        if low {
            self.shared.low.notify_one();
        }
        number.map(|number| compose(unix_ms, number))
    }

    /// An id, at once if one is there, else as soon as one is.
    ///
    /// # Errors
    /// [`OutOfIds`] when there was none within [`PrefetchSettings::patience`].
    pub async fn next(&self) -> Result<Uuid, OutOfIds> {
        if let Some(id) = self.try_next() {
            return Ok(id);
        }
        let deadline = Instant::now() + self.shared.settings.patience;
        loop {
            let mut filled = pin!(self.shared.filled.notified());
            // From here on a batch is noticed, also one that comes before the wait begins.
            filled.as_mut().enable();
            if let Some(id) = self.try_next() {
                return Ok(id);
            }
            timeout_at(deadline, filled).await.map_err(|_| OutOfIds)?;
        }
    }

    /// Ids that are there now.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.shared.stock().left
    }
}

impl Shared {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        // Nothing panics while it is held.
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_low(&self) -> bool {
        self.stock().left <= u64::from(self.settings.low_water)
    }

    fn fill(&self, range: Range<u64>) -> Result<(), Refused> {
        let mut stock = self.stock();
        if range.is_empty() || range.start < stock.end || range.end > END {
            return Err(Refused::WentBack {
                given: range,
                above: stock.end,
            });
        }
        stock.end = range.end;
        stock.left += range.end - range.start;
        stock.ranges.push_back(range);
        drop(stock);
        self.filled.notify_waiters();
        Ok(())
    }
}

/// Keeps a source's stock above its low-water mark.
pub struct Prefetcher<S> {
    server: S,
    shared: Arc<Shared>,
}

impl<S: NumberServer> Prefetcher<S> {
    /// Runs until it is told to stop.
    pub async fn run(self, stopping: CancellationToken) {
        let work = async {
            let mut failures = 0_u32;
            loop {
                while !self.shared.is_low() {
                    self.shared.low.notified().await;
                }
                match self.fetch().await {
                    Ok(()) => failures = 0,
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn Error,
                            failures,
                            "no ids from the central generator"
                        );
                        let longest = FIRST_PAUSE
                            .saturating_mul(1 << failures.min(10))
                            .min(LONGEST_PAUSE);
                        failures = failures.saturating_add(1);
                        // Half of the pause is chance, so that many processes don't come back together.
                        tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
                    }
                }
            }
        };
        tokio::select! {
            () = stopping.cancelled() => {}
            () = work => {}
        }
    }

    async fn fetch(&self) -> Result<(), Refused> {
        let lease = self.server.lease(self.shared.settings.batch.max(1));
        let range = timeout(ANSWER_TIMEOUT, lease)
            .await
            .map_err(|_| Refused::Late)?
            .map_err(|error| Refused::Server(Box::new(error)))?;
        self.shared.fill(range)
    }
}

/// The layout of the module's documentation.
fn compose(unix_ms: u64, number: u64) -> Uuid {
    const VERSION: u128 = 7 << 76;
    const VARIANT: u128 = 0b10 << 62;
    let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
    Uuid::from_u128(time | VERSION | VARIANT | u128::from(number))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// A generator in this process. Clones are one.
    #[derive(Clone, Default)]
    struct Counter {
        next: Arc<AtomicU64>,
        leases: Arc<AtomicU64>,
        /// Every so many-th answer is lost, after the numbers were given away; 0: none.
        loses_every: u64,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("lost")]
    struct Lost;

    impl NumberServer for Counter {
        type Error = Lost;

        async fn lease(&self, count: u32) -> Result<Range<u64>, Lost> {
            let count = u64::from(count);
            let first = self.next.fetch_add(count, Ordering::SeqCst);
            let lease = self.leases.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            if self.loses_every > 0 && lease.is_multiple_of(self.loses_every) {
                return Err(Lost);
            }
            Ok(first..first + count)
        }
    }

    fn settings(batch: u32, low_water: u32) -> PrefetchSettings {
        PrefetchSettings {
            batch,
            low_water,
            patience: Duration::from_secs(60),
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    }

    /// One life of a process: tasks that draw from one source.
    #[derive(Debug, Clone)]
    struct Life {
        batch: u32,
        low_water: u32,
        tasks: Vec<u32>,
        /// Its clock, which need not agree with others.
        unix_ms: u64,
    }

    fn life() -> impl Strategy<Value = Life> {
        let tasks = prop::collection::vec(0..80_u32, 1..4);
        (1..50_u32, 0..60_u32, tasks, 1..1_u64 << 47).prop_map(
            |(batch, low_water, tasks, unix_ms)| Life {
                batch,
                low_water,
                tasks,
                unix_ms,
            },
        )
    }

    async fn live(server: Counter, life: Life) -> Vec<Vec<Uuid>> {
        let clock = Clock::manual(life.unix_ms);
        let settings = settings(life.batch, life.low_water);
        let (source, prefetcher) = PrefetchedIds::new(server, settings, clock.clone());
        let stopping = CancellationToken::new();
        let prefetching = tokio::spawn(prefetcher.run(stopping.clone()));
        let tasks: Vec<_> = life
            .tasks
            .into_iter()
            .map(|draws| {
                let (source, clock) = (source.clone(), clock.clone());
                tokio::spawn(async move {
                    let mut drawn = Vec::new();
                    for n in 0..draws {
                        if n % 3 == 0 {
                            clock.advance(Duration::from_millis(1));
                        }
                        drawn.push(source.next().await.unwrap());
                        let most = u64::from(settings.batch) + u64::from(settings.low_water);
                        assert!(source.left() <= most, "{}", source.left());
                    }
                    drawn
                })
            })
            .collect();
        let mut drawn = Vec::new();
        for task in tasks {
            drawn.push(task.await.unwrap());
        }
        // What is left in stock goes with the process.
        stopping.cancel();
        prefetching.await.unwrap();
        drawn
    }

    proptest! {
        #[test]
        fn ids_are_unique_over_sources_and_restarts_and_ascend_in_each(
            processes in prop::collection::vec(prop::collection::vec(life(), 1..4), 1..5),
            loses_every in 0..5_u64,
        ) {
            // Every answer lost would be no generator.
            let loses_every = if loses_every == 1 { 0 } else { loses_every };
            let server = Counter { loses_every, ..Counter::default() };
            let drawn: Vec<Vec<Uuid>> = runtime().block_on(async {
                let processes: Vec<_> = processes
                    .into_iter()
                    .map(|lives| {
                        let server = server.clone();
                        tokio::spawn(async move {
                            let mut drawn = Vec::new();
                            for life in lives {
                                drawn.extend(live(server.clone(), life).await);
                            }
                            drawn
                        })
                    })
                    .collect();
                let mut drawn = Vec::new();
                for process in processes {
                    drawn.extend(process.await.unwrap());
                }
                drawn
            });
            let mut seen = HashSet::new();
            for of_task in &drawn {
                prop_assert!(of_task.windows(2).all(|pair| pair[0] < pair[1]));
                for id in of_task {
                    prop_assert!(seen.insert(*id), "{id} twice");
                    prop_assert_eq!(id.get_version_num(), 7);
                    prop_assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_carries_the_time_at_which_it_was_taken() {
        let clock = Clock::manual(1_700_000_000_123);
        let (source, prefetcher) =
            PrefetchedIds::new(Counter::default(), settings(10, 2), clock.clone());
        let stopping = CancellationToken::new();
        let task = tokio::spawn(prefetcher.run(stopping.clone()));
        let first = crate::MessageId::from_uuid(source.next().await.unwrap());
        clock.advance(Duration::from_millis(877));
        let second = crate::MessageId::from_uuid(source.next().await.unwrap());
        assert_eq!(first.unix_ms(), 1_700_000_000_123);
        assert_eq!(second.unix_ms(), 1_700_000_001_000);
        stopping.cancel();
        task.await.unwrap();
    }

    /// Gives one lease and then never answers.
    struct Mute(AtomicU64);

    impl NumberServer for Mute {
        type Error = Lost;

        async fn lease(&self, count: u32) -> Result<Range<u64>, Lost> {
            if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
                std::future::pending::<()>().await;
            }
            Ok(0..u64::from(count))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_stock_needs_no_generator_and_a_wait_for_more_has_an_end() {
        let (source, prefetcher) =
            PrefetchedIds::new(Mute(AtomicU64::new(0)), settings(100, 50), Clock::manual(1));
        let stopping = CancellationToken::new();
        let task = tokio::spawn(prefetcher.run(stopping.clone()));
        assert!(source.next().await.is_ok());
        let began = Instant::now();
        for _ in 1..100 {
            assert!(source.try_next().is_some());
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(source.try_next(), None);
        assert_eq!(source.next().await, Err(OutOfIds));
        assert_eq!(began.elapsed(), Duration::from_secs(60));
        stopping.cancel();
        task.await.unwrap();
    }

    /// Begins anew after its first lease, as if restored from a backup.
    struct Forgetful;

    impl NumberServer for Forgetful {
        type Error = Lost;

        async fn lease(&self, count: u32) -> Result<Range<u64>, Lost> {
            Ok(0..u64::from(count))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_generator_that_went_back_is_not_believed() {
        let (source, prefetcher) = PrefetchedIds::new(Forgetful, settings(5, 0), Clock::manual(1));
        let stopping = CancellationToken::new();
        let task = tokio::spawn(prefetcher.run(stopping.clone()));
        for _ in 0..5 {
            assert!(source.next().await.is_ok());
        }
        assert_eq!(source.next().await, Err(OutOfIds));
        stopping.cancel();
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_batch_is_fetched_before_the_stock_is_empty() {
        let server = Counter::default();
        let (source, prefetcher) =
            PrefetchedIds::new(server.clone(), settings(10, 4), Clock::manual(1));
        let stopping = CancellationToken::new();
        let task = tokio::spawn(prefetcher.run(stopping.clone()));
        for _ in 0..5 {
            source.next().await.unwrap();
        }
        assert_eq!(server.leases.load(Ordering::SeqCst), 1, "five are left");
        source.next().await.unwrap();
        // The prefetcher runs while this task waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(server.leases.load(Ordering::SeqCst), 2);
        assert_eq!(source.left(), 14);
        stopping.cancel();
        task.await.unwrap();
    }
}

//! Whether this gateway has seen all that was produced to its partition of the deliveries.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long a gateway may go without having been current before it stops vouching.
pub const MAX_AGE: Duration = Duration::from_secs(10);

/// A heartbeat says "you have all that there is". It may only be sent while that is so.
///
/// [`Currency::confirm`] is called with the time *before* the end of the partition was asked for:
/// what was produced until then has been handed to the sockets.
#[derive(Debug)]
pub struct Currency {
    began: Instant,
    /// Milliseconds after `began`, plus one; 0: never.
    confirmed_ms: AtomicU64,
    /// Offset of the next delivery; -1: the partition isn't read yet.
    position: AtomicI64,
    /// Redis time in Unix milliseconds up to which everything has arrived; 0: not known.
    cursor: AtomicU64,
}

impl Default for Currency {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            confirmed_ms: AtomicU64::new(0),
            position: AtomicI64::new(-1),
            cursor: AtomicU64::new(0),
        }
    }
}

impl Currency {
    /// Everything produced until `as_of` was handed on; `cursor` is the Redis time of then, where
    /// Redis told it.
    pub fn confirm(&self, as_of: Instant, cursor: Option<u64>) {
        let ms = as_of.saturating_duration_since(self.began).as_millis() as u64;
        self.confirmed_ms.fetch_max(ms + 1, Ordering::Relaxed);
        if let Some(cursor) = cursor {
            self.cursor.store(cursor, Ordering::Relaxed);
        }
    }

    /// Whether heartbeats may be sent now.
    #[must_use]
    pub fn is_current(&self) -> bool {
        match self.confirmed_ms.load(Ordering::Relaxed) {
            0 => false,
            ms => self.began.elapsed() <= Duration::from_millis(ms - 1) + MAX_AGE,
        }
    }

    /// The cursor for heartbeats: a resume from it misses nothing.
    #[must_use]
    pub fn cursor(&self) -> Option<u64> {
        Some(self.cursor.load(Ordering::Relaxed)).filter(|cursor| *cursor > 0)
    }

    /// The offset of the next delivery, once the partition is read.
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        Some(self.position.load(Ordering::Acquire)).filter(|position| *position >= 0)
    }

    /// All deliveries before `position` are in the queues of their sockets.
    pub fn advance_to(&self, position: i64) {
        self.position.store(position, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gateway_is_current_for_ten_seconds_after_it_has_seen_the_end() {
        let currency = Currency::default();
        assert!(!currency.is_current());
        tokio::time::advance(Duration::from_secs(3)).await;
        let as_of = Instant::now();
        tokio::time::advance(Duration::from_secs(4)).await;
        currency.confirm(as_of, Some(77));
        assert!(currency.is_current());
        assert_eq!(currency.cursor(), Some(77));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(currency.is_current());
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(!currency.is_current());
        currency.confirm(Instant::now(), None);
        assert!(currency.is_current());
        assert_eq!(currency.cursor(), Some(77), "an older cursor stays valid");
    }
}

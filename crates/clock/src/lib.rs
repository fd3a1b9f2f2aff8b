//! Times are passed in, so that a test can say what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Tells the time: the system's, or one that is moved by hand.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start_unix_ms` until it is advanced. Clones share the time.
    #[must_use]
    pub fn manual(start_unix_ms: u64) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(start_unix_ms))))
    }

    /// Moves a manual clock on; the system's clock moves by itself and ignores this.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    pub fn unix_ms(&self) -> u64 {
        match &self.0 {
            Source::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
            Source::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// The same as a date and time in UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        from_unix_ms(self.unix_ms())
    }
}

/// The date and time of `unix_ms`; what lies beyond the calendar (year 9999) is its end.
#[must_use]
pub fn from_unix_ms(unix_ms: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or_else(|_| time::PrimitiveDateTime::MAX.assume_utc())
}

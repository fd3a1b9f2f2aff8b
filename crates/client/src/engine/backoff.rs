//! Exponential backoff with full jitter: clients that were lost together don't come back together.
//! Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use rand::RngExt as _;
use rand::rngs::SmallRng;

#[derive(Debug, Clone)]
pub(super) struct Backoff {
    base_ms: u64,
    cap_ms: u64,
    failures: u32,
}

impl Backoff {
    pub(super) const fn new(base_ms: u64, cap_ms: u64) -> Self {
        Self {
            base_ms,
            cap_ms,
            failures: 0,
        }
    }

    /// How long to wait after one more failure.
    pub(super) fn next(&mut self, rng: &mut SmallRng) -> u64 {
        let bound = self
            .base_ms
            .saturating_mul(1 << self.failures.min(20))
            .min(self.cap_ms);
        self.failures += 1;
        rng.random_range(0..=bound)
    }

    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_begin_anew_after_a_success() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut longest = |failures: u32| {
            (0..200)
                .map(|_| {
                    let mut backoff = Backoff {
                        failures,
                        ..Backoff::new(500, 30_000)
                    };
                    backoff.next(&mut rng)
                })
                .max()
                .unwrap()
        };
        assert!(longest(0) <= 500);
        assert!((500..=1_000).contains(&longest(1)));
        assert!((20_000..=30_000).contains(&longest(60)));

        let mut backoff = Backoff {
            failures: 9,
            ..Backoff::new(500, 30_000)
        };
        backoff.reset();
        assert!(backoff.next(&mut rng) <= 500);
    }
}

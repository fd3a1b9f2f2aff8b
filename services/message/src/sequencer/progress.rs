//! How far this pod is with its partitions of the log, for its metrics and its readiness.
//!
//! Nothing here decides anything: a partition is applied by its task, whatever is told about it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use events::LOG_TOPIC;
use metrics::gauge;
use rdkafka::Statistics;

/// Of one partition that this pod owns.
#[derive(Debug)]
pub struct Progress {
    pub partition: i32,
    begun: AtomicBool,
    /// The broker's stamp of the first record that was handed out and isn't finished; 0 for none.
    oldest_unix_ms: AtomicU64,
}

impl Progress {
    #[must_use]
    pub const fn new(partition: i32) -> Self {
        Self {
            partition,
            begun: AtomicBool::new(false),
            oldest_unix_ms: AtomicU64::new(0),
        }
    }

    /// Records are taken from now on.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// A record is handed to the task. Those before it may still be waiting.
    pub fn handed_out(&self, stamp_unix_ms: i64) {
        let stamp = stamp_unix_ms.max(1).cast_unsigned();
        let _ =
            self.oldest_unix_ms
                .compare_exchange(0, stamp, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The task works on a batch that begins with this record.
    pub fn works_on(&self, stamp_unix_ms: i64) {
        self.oldest_unix_ms
            .store(stamp_unix_ms.max(1).cast_unsigned(), Ordering::Relaxed);
    }

    /// The batch is stored and told. What waits behind it is worked on next.
    pub fn finished(&self) {
        self.oldest_unix_ms.store(0, Ordering::Relaxed);
    }

    fn oldest_seconds(&self, now_unix_ms: u64) -> f64 {
        match self.oldest_unix_ms.load(Ordering::Relaxed) {
            0 => 0.0,
            oldest => now_unix_ms.saturating_sub(oldest) as f64 / 1_000.0,
        }
    }

    /// Publishes the age of the oldest record that isn't applied.
    pub fn publish(&self, now_unix_ms: u64) {
        gauge!("message_log_oldest_seconds", "partition" => self.partition.to_string())
            .set(self.oldest_seconds(now_unix_ms));
    }

    /// The partition goes to another pod, which publishes for it from now on.
    pub fn leave(&self) {
        let partition = self.partition.to_string();
        gauge!("message_log_oldest_seconds", "partition" => partition.clone()).set(0.0);
        gauge!("message_log_lag_records", "partition" => partition).set(0.0);
    }
}

/// Publishes how many records of each partition that is fetched here aren't applied, by what
/// librdkafka knows of the log's end from its fetches: nothing is asked for it.
pub fn publish_lag(statistics: &Statistics) {
    let Some(topic) = statistics.topics.get(LOG_TOPIC) else {
        return;
    };
    for (partition, lag) in lags(&topic.partitions) {
        gauge!("message_log_lag_records", "partition" => partition.to_string()).set(lag as f64);
    }
}

fn lags(
    partitions: &HashMap<i32, rdkafka::statistics::Partition>,
) -> impl Iterator<Item = (i32, i64)> {
    partitions
        .values()
        .filter(|it| it.partition >= 0 && it.fetch_state == "active" && it.hi_offset >= 0)
        .map(|it| {
            // What isn't known is negative. A log that was never read is behind from its start.
            let applied = it
                .stored_offset
                .max(it.committed_offset)
                .max(it.lo_offset)
                .max(0);
            (it.partition, (it.hi_offset - applied).max(0))
        })
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Partition;

    use super::*;

    fn partition(number: i32, stored: i64, committed: i64, end: i64) -> Partition {
        Partition {
            partition: number,
            fetch_state: "active".to_owned(),
            stored_offset: stored,
            committed_offset: committed,
            lo_offset: -1_001,
            hi_offset: end,
            ..Partition::default()
        }
    }

    fn lag_of(partition: Partition) -> Option<i64> {
        lags(&HashMap::from([(partition.partition, partition)]))
            .next()
            .map(|(_, lag)| lag)
    }

    #[test]
    fn the_lag_is_from_what_was_applied_to_the_end_of_the_log() {
        assert_eq!(lag_of(partition(3, 40, 30, 50)), Some(10));
        // Before anything is applied here: from where the last owner was.
        assert_eq!(lag_of(partition(3, -1_001, 30, 50)), Some(20));
        // Nobody was there before.
        assert_eq!(lag_of(partition(3, -1_001, -1_001, 50)), Some(50));
        assert_eq!(lag_of(partition(3, 50, 50, 50)), Some(0));
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known_or_not_ours() {
        assert_eq!(lag_of(partition(3, 40, 30, -1_001)), None);
        // librdkafka's entry for records without a partition.
        assert_eq!(lag_of(partition(-1, 0, 0, 9)), None);
        let mut other = partition(3, -1_001, -1_001, 50);
        other.fetch_state = "none".to_owned();
        assert_eq!(lag_of(other), None);
    }

    #[test]
    fn the_oldest_record_is_the_first_that_is_not_finished() {
        let progress = Progress::new(0);
        assert_eq!(progress.oldest_seconds(9_000), 0.0);
        progress.handed_out(1_000);
        progress.handed_out(2_000);
        assert_eq!(progress.oldest_seconds(9_000), 8.0);
        progress.works_on(1_000);
        progress.finished();
        assert_eq!(progress.oldest_seconds(9_000), 0.0);
        progress.works_on(2_000);
        assert_eq!(progress.oldest_seconds(9_000), 7.0);
        // A broker whose clock is ahead of ours.
        assert_eq!(progress.oldest_seconds(1_000), 0.0);
    }
}

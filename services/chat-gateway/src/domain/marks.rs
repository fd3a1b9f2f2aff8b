//! Marks of readers on their way to the log: one move per member, conversation and interval.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use ids::{ConversationId, UserId};

/// At most one move per member and conversation in this time goes to the log, in milliseconds.
pub const MERGE_INTERVAL_MS: u64 = 1_000;

/// Whose marks in which conversation.
pub type Reader = (UserId, ConversationId);

/// How far a reader has got; 0: nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    pub read: u64,
    pub delivered: u64,
}

impl Reached {
    #[must_use]
    pub const fn read(number: u64) -> Self {
        Self {
            read: number,
            delivered: 0,
        }
    }

    #[must_use]
    pub const fn delivered(number: u64) -> Self {
        Self {
            read: 0,
            delivered: number,
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            read: self.read.max(other.read),
            delivered: self.delivered.max(other.delivered),
        }
    }

    const fn is_beyond(self, other: Self) -> bool {
        self.read > other.read || self.delivered > other.delivered
    }
}

/// Merges moves: the first goes at once, of those that follow within a second the greatest goes at
/// its end. Nothing is lost by it, since a mark only grows.
#[derive(Debug, Default)]
pub struct Marks {
    recent: Mutex<HashMap<Reader, Recent>>,
}

#[derive(Debug)]
struct Recent {
    /// When the last one went to the log.
    sent_ms: u64,
    sent: Reached,
    /// The greatest since then; not beyond `sent`: none.
    waiting: Reached,
}

impl Marks {
    /// Takes a move. Returns whether it goes to the log at once.
    pub fn note(&self, reader: Reader, reached: Reached, now_ms: u64) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        match recent.entry(reader) {
            Entry::Vacant(entry) => {
                entry.insert(Recent {
                    sent_ms: now_ms,
                    sent: reached,
                    waiting: Reached::default(),
                });
                true
            }
            Entry::Occupied(mut entry) => {
                let entry = entry.get_mut();
                entry.waiting = entry.waiting.max(reached);
                false
            }
        }
    }

    /// The moves that go to the log now. To be called several times a second.
    pub fn due(&self, now_ms: u64) -> Vec<(Reader, Reached)> {
        let mut due = Vec::new();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|reader, mark| {
            if now_ms.saturating_sub(mark.sent_ms) < MERGE_INTERVAL_MS {
                return true;
            }
            if !mark.waiting.is_beyond(mark.sent) {
                return false;
            }
            mark.sent = mark.sent.max(mark.waiting);
            mark.sent_ms = now_ms;
            due.push((*reader, mark.sent));
            true
        });
        due
    }

    /// What waits of one reader, which goes to the log now: something is to follow it there.
    pub fn take_waiting(&self, reader: Reader, now_ms: u64) -> Option<Reached> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = recent.get_mut(&reader)?;
        if !mark.waiting.is_beyond(mark.sent) {
            return None;
        }
        mark.sent = mark.sent.max(mark.waiting);
        mark.sent_ms = now_ms;
        Some(mark.sent)
    }

    /// A move did not reach the log: it waits for its next turn.
    pub fn put_back(&self, reader: Reader, reached: Reached, now_ms: u64) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = recent.entry(reader).or_insert(Recent {
            sent_ms: now_ms,
            sent: Reached::default(),
            waiting: Reached::default(),
        });
        if !mark.sent.is_beyond(reached) {
            mark.sent = Reached::default();
        }
        mark.waiting = mark.waiting.max(reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: Reader = (
        UserId::from_bytes([1; 16]),
        ConversationId::from_bytes([2; 16]),
    );

    #[test]
    fn the_first_mark_goes_at_once_and_the_greatest_of_a_second_at_its_end() {
        let marks = Marks::default();
        assert!(marks.note(READER, Reached::read(3), 0));
        for (number, now) in [(5, 100), (9, 200), (7, 900)] {
            assert!(!marks.note(READER, Reached::read(number), now));
        }
        assert!(marks.due(999).is_empty());
        assert_eq!(marks.due(1_000), [(READER, Reached::read(9))]);
        assert!(marks.due(1_500).is_empty());
        assert!(
            !marks.note(READER, Reached::read(9), 1_600),
            "not above what was sent"
        );
        assert!(marks.due(2_100).is_empty());
        assert!(
            marks.note(READER, Reached::read(10), 2_200),
            "forgotten after a quiet second"
        );
    }

    #[test]
    fn what_was_delivered_and_what_was_read_go_together() {
        let marks = Marks::default();
        assert!(marks.note(READER, Reached::delivered(5), 0));
        assert!(!marks.note(READER, Reached::read(4), 10));
        assert!(!marks.note(READER, Reached::delivered(7), 20));
        let both = Reached {
            read: 4,
            delivered: 7,
        };
        assert_eq!(marks.take_waiting(READER, 30), Some(both));
        assert_eq!(marks.take_waiting(READER, 40), None);
        assert!(marks.due(1_030).is_empty());
    }

    #[test]
    fn readers_are_merged_apart() {
        let marks = Marks::default();
        let other = (UserId::from_bytes([9; 16]), READER.1);
        assert!(marks.note(READER, Reached::read(1), 0));
        assert!(marks.note(other, Reached::read(1), 0));
    }

    #[test]
    fn a_mark_that_failed_goes_again() {
        let marks = Marks::default();
        assert!(marks.note(READER, Reached::read(3), 0));
        marks.put_back(READER, Reached::read(3), 10);
        assert_eq!(marks.due(1_010), [(READER, Reached::read(3))]);
        marks.put_back(READER, Reached::read(3), 1_020);
        assert!(!marks.note(READER, Reached::read(8), 1_030));
        assert_eq!(marks.due(2_030), [(READER, Reached::read(8))]);
    }

    #[test]
    fn memory_is_given_back() {
        let marks = Marks::default();
        for n in 0..1_000u128 {
            marks.note(
                (UserId::from_bytes(n.to_be_bytes()), READER.1),
                Reached::read(1),
                0,
            );
        }
        assert!(marks.due(5_000).is_empty());
        assert!(marks.recent.lock().unwrap().is_empty());
    }
}

//! Read marks on their way to the log: one per member, conversation and interval.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use ids::{ConversationId, UserId};

/// At most one mark per member and conversation in this time goes to the log, in milliseconds.
pub const MERGE_INTERVAL_MS: u64 = 1_000;

/// Whose mark in which conversation.
pub type Reader = (UserId, ConversationId);

/// Merges marks: the first goes at once, of those that follow within a second the greatest goes at
/// its end. Nothing is lost by it, since a mark only grows.
#[derive(Debug, Default)]
pub struct Marks {
    recent: Mutex<HashMap<Reader, Recent>>,
}

#[derive(Debug)]
struct Recent {
    /// When the last one went to the log.
    sent_ms: u64,
    sent: u64,
    /// The greatest since then; not above `sent`: none.
    waiting: u64,
}

impl Marks {
    /// Takes a mark. Returns whether it goes to the log at once.
    pub fn note(&self, reader: Reader, number: u64, now_ms: u64) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        match recent.entry(reader) {
            Entry::Vacant(entry) => {
                entry.insert(Recent {
                    sent_ms: now_ms,
                    sent: number,
                    waiting: 0,
                });
                true
            }
            Entry::Occupied(mut entry) => {
                let entry = entry.get_mut();
                entry.waiting = entry.waiting.max(number);
                false
            }
        }
    }

    /// The marks that go to the log now. To be called several times a second.
    pub fn due(&self, now_ms: u64) -> Vec<(Reader, u64)> {
        let mut due = Vec::new();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|reader, mark| {
            if now_ms.saturating_sub(mark.sent_ms) < MERGE_INTERVAL_MS {
                return true;
            }
            if mark.waiting <= mark.sent {
                return false;
            }
            mark.sent = mark.waiting;
            mark.sent_ms = now_ms;
            due.push((*reader, mark.sent));
            true
        });
        due
    }

    /// A mark did not reach the log: it waits for its next turn.
    pub fn put_back(&self, reader: Reader, number: u64, now_ms: u64) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = recent.entry(reader).or_insert(Recent {
            sent_ms: now_ms,
            sent: 0,
            waiting: 0,
        });
        if mark.sent <= number {
            mark.sent = 0;
        }
        mark.waiting = mark.waiting.max(number);
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
        assert!(marks.note(READER, 3, 0));
        for (number, now) in [(5, 100), (9, 200), (7, 900)] {
            assert!(!marks.note(READER, number, now));
        }
        assert!(marks.due(999).is_empty());
        assert_eq!(marks.due(1_000), [(READER, 9)]);
        assert!(marks.due(1_500).is_empty());
        assert!(!marks.note(READER, 9, 1_600), "not above what was sent");
        assert!(marks.due(2_100).is_empty());
        assert!(
            marks.note(READER, 10, 2_200),
            "forgotten after a quiet second"
        );
    }

    #[test]
    fn readers_are_merged_apart() {
        let marks = Marks::default();
        let other = (UserId::from_bytes([9; 16]), READER.1);
        assert!(marks.note(READER, 1, 0));
        assert!(marks.note(other, 1, 0));
    }

    #[test]
    fn a_mark_that_failed_goes_again() {
        let marks = Marks::default();
        assert!(marks.note(READER, 3, 0));
        marks.put_back(READER, 3, 10);
        assert_eq!(marks.due(1_010), [(READER, 3)]);
        marks.put_back(READER, 3, 1_020);
        assert!(!marks.note(READER, 8, 1_030));
        assert_eq!(marks.due(2_030), [(READER, 8)]);
    }

    #[test]
    fn memory_is_given_back() {
        let marks = Marks::default();
        for n in 0..1_000u128 {
            marks.note((UserId::from_bytes(n.to_be_bytes()), READER.1), 1, 0);
        }
        assert!(marks.due(5_000).is_empty());
        assert!(marks.recent.lock().unwrap().is_empty());
    }
}

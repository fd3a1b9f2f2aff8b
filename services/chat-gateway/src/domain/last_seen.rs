//! When people were last connected, on its way to the account service: one write per person and minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ids::UserId;

/// At most one time per person in this goes to the account service, in milliseconds.
pub const MERGE_INTERVAL_MS: u64 = 60_000;
/// People of whom something may wait: as many as may have sockets here. One more is left out; Redis still
/// has the time.
const MAX_WAITING: usize = 100_000;

/// Merges times: the first goes at once, of those that follow within a minute the last goes at its end.
#[derive(Debug, Default)]
pub struct LastSeen {
    people: Mutex<HashMap<UserId, Noted>>,
}

#[derive(Debug, Default)]
struct Noted {
    /// When one was sent last; 0: never.
    sent_ms: u64,
    /// The time to be sent; 0: none.
    waiting_unix_ms: u64,
}

impl LastSeen {
    /// Takes the time at which somebody was connected. Returns whether there is room for it.
    pub fn note(&self, user: UserId, unix_ms: u64) -> bool {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= MAX_WAITING && !people.contains_key(&user) {
            return false;
        }
        let noted = people.entry(user).or_default();
        noted.waiting_unix_ms = noted.waiting_unix_ms.max(unix_ms);
        true
    }

    /// At most `max` of the times that are to be sent now.
    pub fn due(&self, now_ms: u64, max: usize) -> Vec<(UserId, u64)> {
        let mut due = Vec::new();
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.retain(|user, noted| {
            if now_ms < noted.sent_ms + MERGE_INTERVAL_MS && noted.sent_ms != 0 {
                return true;
            }
            if noted.waiting_unix_ms == 0 {
                return false;
            }
            if due.len() < max {
                due.push((*user, std::mem::take(&mut noted.waiting_unix_ms)));
                noted.sent_ms = now_ms;
            }
            true
        });
        due
    }

    /// All that waits, whether or not its minute is over.
    pub fn rest(&self) -> Vec<(UserId, u64)> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = people
            .drain()
            .map(|(user, noted)| (user, noted.waiting_unix_ms));
        rest.filter(|(_, unix_ms)| *unix_ms != 0).collect()
    }

    /// These were not taken: they go again at the next minute.
    pub fn put_back(&self, people: &[(UserId, u64)]) {
        for (user, unix_ms) in people {
            self.note(*user, *unix_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId::from_bytes([1; 16]);
    const BOB: UserId = UserId::from_bytes([2; 16]);

    #[test]
    fn the_first_goes_at_once_and_the_last_of_a_minute_at_its_end() {
        let seen = LastSeen::default();
        seen.note(ANN, 100);
        assert_eq!(seen.due(1_000, 9), [(ANN, 100)]);
        for unix_ms in [200, 400, 300] {
            seen.note(ANN, unix_ms);
        }
        assert!(seen.due(60_999, 9).is_empty());
        assert_eq!(seen.due(61_000, 9), [(ANN, 400)]);
        assert!(seen.due(121_000, 9).is_empty());
        assert!(seen.people.lock().unwrap().is_empty(), "forgotten");
    }

    #[test]
    fn what_is_too_much_for_one_call_is_in_the_next() {
        let seen = LastSeen::default();
        seen.note(ANN, 1);
        seen.note(BOB, 2);
        let mut sent = seen.due(5, 1);
        sent.extend(seen.due(6, 1));
        sent.sort_unstable();
        assert_eq!(sent, [(ANN, 1), (BOB, 2)]);
    }

    #[test]
    fn what_was_not_taken_goes_again() {
        let seen = LastSeen::default();
        seen.note(ANN, 7);
        let failed = seen.due(1, 9);
        seen.put_back(&failed);
        assert!(seen.due(2, 9).is_empty());
        assert_eq!(seen.due(60_001, 9), [(ANN, 7)]);
    }

    #[test]
    fn at_the_end_nothing_waits_for_its_minute() {
        let seen = LastSeen::default();
        seen.note(ANN, 1);
        seen.due(5, 9);
        seen.note(ANN, 2);
        assert_eq!(seen.rest(), [(ANN, 2)]);
        assert!(seen.rest().is_empty());
    }
}

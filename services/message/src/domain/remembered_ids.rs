//! Client message ids that an owner has in memory.

use std::collections::{HashMap, VecDeque};

use events::CLIENT_MESSAGE_ID_MAX_AHEAD_MS;
use ids::ClientMessageId;

use super::conversation::FirstSeen;
use super::submission::IdKey;

/// How many a conversation keeps in memory.
const REMEMBERED_IDS: usize = 1_024;
/// How much later than its own time a client message id may first have been met in the log, clock
/// steps of the broker included.
const ID_LEAD_MS: u64 = CLIENT_MESSAGE_ID_MAX_AHEAD_MS + 60_000;

/// The client message ids that were met since some time of the log, so that most records need no read.
///
/// An id is accepted only if its own time isn't far ahead of its first record's. So an id whose time is
/// well after `since_unix_ms` was first met after it, and if it isn't here, it wasn't met at all.
#[derive(Debug, Clone)]
pub struct RememberedIds {
    since_unix_ms: u64,
    entries: HashMap<IdKey, FirstSeen>,
    in_order: VecDeque<(IdKey, i64)>,
}

impl RememberedIds {
    pub fn since(unix_ms: u64) -> Self {
        Self {
            since_unix_ms: unix_ms,
            entries: HashMap::new(),
            in_order: VecDeque::new(),
        }
    }

    pub fn get(&self, key: &IdKey) -> Option<&FirstSeen> {
        self.entries.get(key)
    }

    /// Whether an id that isn't here was never met.
    pub fn covers(&self, id: ClientMessageId) -> bool {
        self.since_unix_ms == 0 || id.unix_ms() > self.since_unix_ms.saturating_add(ID_LEAD_MS)
    }

    pub fn remember(&mut self, key: IdKey, first: FirstSeen, time_unix_ms: i64) {
        if self.entries.insert(key, first).is_some() {
            return;
        }
        self.in_order.push_back((key, time_unix_ms));
    }

    pub fn forget_oldest(&mut self) {
        while self.in_order.len() > REMEMBERED_IDS
            && let Some((oldest, time)) = self.in_order.pop_front()
        {
            self.entries.remove(&oldest);
            self.since_unix_ms = self.since_unix_ms.max(time.max(1) as u64);
        }
    }
}

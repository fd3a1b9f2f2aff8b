use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ids::SessionId;
use problem::{Kind, Problem};

/// No access token is good for so long after its session has ended.
const KEPT_MS: i64 = 3_600_000;

/// Sessions that have ended although access tokens of theirs may still be good. Cheap to clone; clones share what
/// they know.
///
/// While the account service is away nothing new is heard, and a token is good until it expires.
#[derive(Clone, Default)]
pub struct EndedSessions {
    ends: Arc<RwLock<HashMap<SessionId, i64>>>,
}

impl EndedSessions {
    /// Whether it is known here to have ended.
    #[must_use]
    pub fn contains(&self, session: SessionId) -> bool {
        let ends = self.ends.read().unwrap_or_else(PoisonError::into_inner);
        ends.contains_key(&session)
    }

    /// Notes an end, with its time in Unix milliseconds. Whether it is news.
    pub fn insert(&self, session: SessionId, ended_unix_ms: i64) -> bool {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        ends.insert(session, ended_unix_ms).is_none()
    }

    /// Forgets ends of which no access token can be good any more.
    pub(crate) fn forget(&self, now_unix_ms: i64) {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_, ended| now_unix_ms.saturating_sub(*ended) < KEPT_MS);
    }
}

/// The refusal of what comes from a session that has ended: `session_ended`.
#[must_use]
pub fn session_ended() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "session_ended",
        "The session has ended. Sign in again.",
    )
}

#[cfg(test)]
mod tests {
    use clock::Clock;

    use super::*;

    #[test]
    fn an_end_is_news_once_and_forgotten_when_no_token_can_be_good() {
        let session = SessionId::generate(&Clock::system());
        let ended = EndedSessions::default();
        assert!(!ended.contains(session));
        assert!(ended.insert(session, 1_000));
        assert!(!ended.insert(session, 1_000));
        ended.forget(1_000 + KEPT_MS - 1);
        assert!(ended.contains(session));
        ended.forget(1_000 + KEPT_MS);
        assert!(!ended.contains(session));
    }
}

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ids::SessionId;
use lifecycle::Lifecycle;
use proto::account::session_internal_service_client::SessionInternalServiceClient;
use proto::account::{ListEndedSessionsRequest, ListEndedSessionsResponse};
use tonic::Status;

use crate::peer::PeerChannel;

/// How long after an answer the account service is asked again.
const EVERY: Duration = Duration::from_secs(1);
/// How long at most while it is away.
const RARELY: Duration = Duration::from_secs(8);
/// An end may be seen this much later than its time says: it is written in a transaction, and the clocks of the
/// account service's pods differ.
const OVERLAP_MS: i64 = 30_000;
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

    fn forget(&self, now_unix_ms: i64) {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_, ended| now_unix_ms.saturating_sub(*ended) < KEPT_MS);
    }

    /// Asks the account service every second which sessions have ended, for the life of the process, and tells
    /// `on_end` of each that was not known here.
    pub fn follow(
        &self,
        lifecycle: &Lifecycle,
        account: PeerChannel,
        on_end: impl Fn(SessionId) + Send + Sync + 'static,
    ) {
        let ended = self.clone();
        let stopping = lifecycle.stopping();
        lifecycle.spawn("ended sessions", async move {
            let following = ended.keep_asking(&account, on_end);
            let _ = stopping.run_until_cancelled(following).await;
            Ok(())
        });
    }

    async fn keep_asking(
        &self,
        account: &PeerChannel,
        on_end: impl Fn(SessionId) + Send + Sync,
    ) -> std::convert::Infallible {
        let mut from_unix_ms = 0;
        let mut wait = EVERY;
        loop {
            match self.catch_up(account, from_unix_ms, &on_end).await {
                Ok(now_unix_ms) => {
                    self.forget(now_unix_ms);
                    from_unix_ms = now_unix_ms - OVERLAP_MS;
                    wait = EVERY;
                }
                Err(status) => {
                    if wait == EVERY {
                        tracing::warn!(
                            error = &status as &dyn std::error::Error,
                            "sessions that end now are not heard of: the account service is away"
                        );
                    }
                    wait = RARELY.min(wait * 2);
                }
            }
            // Pods that were started together don't ask together.
            tokio::time::sleep(wait.mul_f64(rand::random_range(0.75..1.0))).await;
        }
    }

    /// Takes in everything from then on; returns the time of the first answer.
    async fn catch_up(
        &self,
        account: &PeerChannel,
        mut from_unix_ms: i64,
        on_end: &(impl Fn(SessionId) + Send + Sync),
    ) -> Result<i64, Status> {
        let mut client = SessionInternalServiceClient::new(account.channel());
        let mut after_session_id = Vec::new();
        let mut began = None;
        loop {
            let request = ListEndedSessionsRequest {
                from_unix_ms,
                after_session_id,
            };
            let request = account.request(request, None);
            let answer = client.list_ended_sessions(request).await?.into_inner();
            let ListEndedSessionsResponse {
                sessions,
                now_unix_ms,
            } = answer;
            let began = *began.get_or_insert(now_unix_ms);
            let Some(last) = sessions.last() else {
                return Ok(began);
            };
            (from_unix_ms, after_session_id) = (last.ended_unix_ms, last.session_id.clone());
            let is_last = sessions.len() < PAGE;
            for ended in sessions {
                let Ok(session) = SessionId::from_slice(&ended.session_id) else {
                    continue;
                };
                if self.insert(session, ended.ended_unix_ms) {
                    on_end(session);
                }
            }
            if is_last {
                return Ok(began);
            }
        }
    }
}

/// What one answer holds, if there is more.
const PAGE: usize = 1_000;

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

use std::convert::Infallible;
use std::time::Duration;

use ids::SessionId;
use lifecycle::Lifecycle;
use proto::account::session_internal_service_client::SessionInternalServiceClient;
use proto::account::{ListEndedSessionsRequest, ListEndedSessionsResponse};
use tonic::Status;

use crate::ended::EndedSessions;
use crate::peer::PeerChannel;

/// How long after an answer the account service is asked again.
const EVERY: Duration = Duration::from_secs(1);
/// How long at most while it is away.
const RARELY: Duration = Duration::from_secs(8);
/// An end may be seen this much later than its time says: it is written in a transaction, and the clocks of the
/// account service's pods differ.
const OVERLAP_MS: i64 = 30_000;

impl EndedSessions {
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
    ) -> Infallible {
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
            for ended in sessions {
                let Ok(session) = SessionId::from_slice(&ended.session_id) else {
                    continue;
                };
                if self.insert(session, ended.ended_unix_ms) {
                    on_end(session);
                }
            }
        }
    }
}

use std::sync::Arc;

use ids::SessionId;
use problem::{Kind, Problem};
use proto::account::session_internal_service_server::SessionInternalService;
use proto::account::{EndedSession, ListEndedSessionsRequest, ListEndedSessionsResponse};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::store::sessions;

/// No access token is good for longer, with what clocks may be apart.
const TOKENS_LIVE_AT_MOST_MS: u64 = 960_000;
/// Most sessions in one answer.
const MAX: u32 = 1_000;

pub struct Sessions(pub Arc<App>);

#[tonic::async_trait]
impl SessionInternalService for Sessions {
    async fn list_ended_sessions(
        &self,
        request: Request<ListEndedSessionsRequest>,
    ) -> Result<Response<ListEndedSessionsResponse>, Status> {
        let request = request.into_inner();
        let after = match &*request.after_session_id {
            [] => None,
            bytes => Some(SessionId::from_slice(bytes).map_err(|error| {
                Problem::new(Kind::InvalidInput, "session_id_invalid", error.to_string())
            })?),
        };
        let now = self.0.clock.unix_ms();
        let asked = u64::try_from(request.from_unix_ms).unwrap_or(0);
        let oldest = now.saturating_sub(TOKENS_LIVE_AT_MOST_MS);
        let after = after.filter(|_| asked >= oldest);
        let ended = sessions::ended_since(&self.0.database, asked.max(oldest), after, MAX).await?;
        Ok(Response::new(ListEndedSessionsResponse {
            sessions: ended
                .into_iter()
                .map(|(session, ended_unix_ms)| EndedSession {
                    session_id: session.to_vec(),
                    ended_unix_ms: ended_unix_ms as i64,
                })
                .collect(),
            now_unix_ms: now as i64,
        }))
    }
}

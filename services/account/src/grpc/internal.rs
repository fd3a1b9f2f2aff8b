use std::sync::Arc;

use ids::SessionId;
use problem::{Kind, Problem};
use proto::account::account_internal_service_server::AccountInternalService;
use proto::account::{CheckSessionRequest, CheckSessionResponse};
use tonic::{Request, Response, Status};

use crate::app::App;

pub struct Internal(pub Arc<App>);

#[tonic::async_trait]
impl AccountInternalService for Internal {
    async fn check_session(
        &self,
        request: Request<CheckSessionRequest>,
    ) -> Result<Response<CheckSessionResponse>, Status> {
        let session = SessionId::parse(&request.into_inner().session_id)
            .map_err(|e| Problem::new(Kind::InvalidInput, "session_id_invalid", e.to_string()))?;
        let active = self.0.is_session_active(session).await?;
        Ok(Response::new(CheckSessionResponse { active }))
    }
}

use std::sync::Arc;

use auth::internal_interceptor;
use ids::SessionId;
use problem::{Kind, Problem};
use proto::gateway::gateway_internal_service_server::{
    GatewayInternalService, GatewayInternalServiceServer,
};
use proto::gateway::{DisconnectRequest, DisconnectResponse};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::app::App;

struct Internal(Arc<App>);

/// For peers; each says here who they are.
pub fn internal(app: Arc<App>) -> Routes {
    let guard = internal_interceptor(app.identity.clone(), &["account"]);
    Routes::new(GatewayInternalServiceServer::with_interceptor(
        Internal(app),
        guard,
    ))
}

#[tonic::async_trait]
impl GatewayInternalService for Internal {
    async fn disconnect(
        &self,
        request: Request<DisconnectRequest>,
    ) -> Result<Response<DisconnectResponse>, Status> {
        let session = SessionId::parse(&request.get_ref().session_id).map_err(|_| {
            Problem::new(
                Kind::InvalidInput,
                "session_id_invalid",
                "This is not a session id.",
            )
        })?;
        Ok(Response::new(DisconnectResponse {
            closed_sockets: self.0.end_session(session),
        }))
    }
}

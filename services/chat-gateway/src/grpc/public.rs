use std::sync::Arc;

use auth::person_from_metadata;
use problem::Problem;
use proto::gateway::gateway_service_server::{GatewayService, GatewayServiceServer};
use proto::gateway::{ListMyConnectionsRequest, ListMyConnectionsResponse};
use tonic::{Request, Response, Status};

use crate::app::App;

struct Public(Arc<App>);

/// For people and programs.
pub fn public(app: Arc<App>) -> GatewayServiceServer<impl GatewayService> {
    GatewayServiceServer::new(Public(app))
}

#[tonic::async_trait]
impl GatewayService for Public {
    async fn list_my_connections(
        &self,
        request: Request<ListMyConnectionsRequest>,
    ) -> Result<Response<ListMyConnectionsResponse>, Status> {
        let app = &self.0;
        let person = person_from_metadata(&app.verifier, request.metadata()).await?;
        let other_gateways = app
            .registrations
            .other_gateways(person.user)
            .await
            .map_err(|error| Problem::unavailable("redis", &error))?;
        Ok(Response::new(ListMyConnectionsResponse {
            open_sockets: app.registry.of(person.user).len() as u32,
            other_gateways,
        }))
    }
}

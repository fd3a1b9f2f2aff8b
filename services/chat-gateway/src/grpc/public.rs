use std::sync::Arc;

use auth::person_from_metadata;
use ids::UserId;
use problem::Problem;
use proto::gateway::gateway_service_server::{GatewayService, GatewayServiceServer};
use proto::gateway::{
    GetPresenceRequest, GetPresenceResponse, ListMyConnectionsRequest, ListMyConnectionsResponse,
    ListOnlineRequest, ListOnlineResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::http::{parse_cursor, parse_users};
use crate::presence;

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

    async fn get_presence(
        &self,
        request: Request<GetPresenceRequest>,
    ) -> Result<Response<GetPresenceResponse>, Status> {
        let app = &self.0;
        let person = person_from_metadata(&app.verifier, request.metadata()).await?;
        let users = parse_users(request.get_ref().user_ids.iter().map(String::as_str))?;
        app.admit_question(person.user)?;
        let standings = presence::of(app, &person, &users).await?;
        let presences = standings.into_iter();
        Ok(Response::new(GetPresenceResponse {
            presences: presences
                .map(|(user, standing)| standing.presence(user))
                .collect(),
        }))
    }

    async fn list_online(
        &self,
        request: Request<ListOnlineRequest>,
    ) -> Result<Response<ListOnlineResponse>, Status> {
        let app = &self.0;
        let person = person_from_metadata(&app.verifier, request.metadata()).await?;
        let after = parse_cursor("page_token", &request.get_ref().page_token)?;
        app.admit_question(person.user)?;
        let (users, next) = presence::online(app, &person, after).await?;
        Ok(Response::new(ListOnlineResponse {
            user_ids: users.iter().map(UserId::to_string).collect(),
            next_page_token: next.map(|user| user.to_string()).unwrap_or_default(),
        }))
    }
}

//! REST and the WebSocket's upgrade. A handler extracts, calls, maps.

mod connections;
mod presence;
mod socket;

use std::sync::Arc;

use auth::TokenVerifier;
use axum::Router;
use axum::extract::FromRef;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use presence::{parse_cursor, parse_users};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Parlance: chat gateway",
        description = "Open sockets. Messages travel over the WebSocket at `/socket`, whose frames \
                       are described in the AsyncAPI document."
    ),
    tags((name = "sockets"), (name = "presence")),
    security(("access_token" = [])),
    modifiers(&AccessToken),
)]
struct Document;

struct AccessToken;

impl utoipa::Modify for AccessToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("access_token", SecurityScheme::Http(scheme));
    }
}

/// The state of the handlers.
#[derive(Clone)]
struct Gateway(Arc<App>);

impl FromRef<Gateway> for TokenVerifier {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.0.verifier.clone()
    }
}

fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(connections::list))
        .routes(routes!(presence::get))
        .routes(routes!(presence::online))
        .routes(routes!(socket::open))
}

/// All routes, with the document and its page.
pub fn router(app: Arc<App>) -> Router {
    let (router, document) = routes().split_for_parts();
    router
        .with_state(Gateway(app))
        .merge(serving::swagger("/api/gateway", document))
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

//! REST. A handler extracts, calls, maps.

mod bodies;
mod conversations;
mod direct;
mod groups;
mod members;

use axum::Router;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Parlance: conversations",
        description = "One-to-one conversations and groups: who is in them, and the list that a \
                       person sees. A call that changes membership answers when everybody can see it."
    ),
    tags((name = "conversations")),
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

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::get))
        .routes(routes!(direct::open))
        .routes(routes!(groups::create))
        .routes(routes!(groups::join))
        .routes(routes!(members::leave))
        .routes(routes!(members::remove))
}

/// All routes, with the document and its page.
pub fn router(app: App) -> Router {
    let (router, document) = routes().split_for_parts();
    router
        .with_state(app)
        .merge(serving::swagger("/api/conversations", document))
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

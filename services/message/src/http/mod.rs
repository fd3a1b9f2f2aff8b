//! REST. A handler extracts, calls, maps.

mod changes;
mod entries;
mod messages;
mod read;
mod states;

use axum::Router;
use ids::ConversationId;
use problem::{Kind, Problem};
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Parlance: messages",
        description = "The log of every conversation: append to it, read it, and say how far you have \
                       read. Numbers are gapless and the same for everybody."
    ),
    tags((name = "messages")),
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
        .routes(routes!(messages::send))
        .routes(routes!(entries::list))
        .routes(routes!(changes::change))
        .routes(routes!(changes::revisions))
        .routes(routes!(changes::hide))
        .routes(routes!(changes::hidden))
        .routes(routes!(read::mark))
        .routes(routes!(read::delivered))
        .routes(routes!(read::unread))
        .routes(routes!(read::marks))
        .routes(routes!(read::receipts))
        .routes(routes!(states::get))
}

/// All routes, with the document and its page.
pub fn router(app: App) -> Router {
    let (router, document) = routes().split_for_parts();
    router
        .with_state(app)
        .merge(serving::swagger("/api/messages", document))
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

fn conversation_id(text: &str) -> problem::Result<ConversationId> {
    ConversationId::parse(text).map_err(|_| {
        Problem::new(
            Kind::InvalidInput,
            "conversation_id_invalid",
            "The conversation id is not a UUID.",
        )
    })
}

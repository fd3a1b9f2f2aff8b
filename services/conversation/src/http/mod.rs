//! REST. A handler extracts, calls, maps.

mod bodies;
mod conversations;
mod direct;
mod groups;
mod invitations;
mod members;
mod reports;
mod settings;
mod short;

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
    tags(
        (name = "conversations"),
        (name = "groups"),
        (name = "members"),
        (name = "invitations"),
        (name = "settings", description = "What members want for themselves"),
        (name = "reports"),
        (name = "short", description = "The same by short addresses, groups by their names"),
    ),
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
        .routes(routes!(conversations::get, groups::change, groups::delete))
        .routes(routes!(direct::open))
        .routes(routes!(groups::list_public, groups::create))
        .routes(routes!(groups::get_by_name))
        .routes(routes!(groups::join))
        .routes(routes!(members::add))
        .routes(routes!(members::leave))
        .routes(routes!(members::remove))
        .routes(routes!(members::set_role))
        .routes(routes!(members::open_history))
        .routes(routes!(invitations::preview))
        .routes(routes!(invitations::join))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::revoke))
        .routes(routes!(settings::get, settings::change))
        .routes(routes!(settings::order_pins))
        .routes(routes!(reports::top_groups))
        .routes(routes!(short::chat_users))
        .routes(routes!(short::own_groups, short::create_group))
        .routes(routes!(short::group))
        .routes(routes!(short::join))
        .routes(routes!(short::leave))
        .routes(routes!(short::members, short::add_members))
        .routes(routes!(short::remove_member))
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

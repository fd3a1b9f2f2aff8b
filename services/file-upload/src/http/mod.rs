//! REST. A handler extracts, calls, maps.

mod downloads;
mod pictures;
mod uploads;

use axum::Router;
use ids::{ConversationId, FileId};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::domain::file::File;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Parlance: files",
        description = "Attachments for members of a conversation. Announce a file, PUT its bytes to \
                       the URL that comes back, complete it; then members can download it. Pictures of \
                       profiles come the same way, and everybody who is signed in sees them. Bytes \
                       travel between the client and S3."
    ),
    tags((name = "files"), (name = "pictures")),
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

/// A file as members see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
struct FileBody {
    #[schema(value_type = String, format = Uuid)]
    file_id: FileId,
    #[schema(value_type = String, format = Uuid)]
    conversation_id: ConversationId,
    file_name: String,
    content_type: String,
    size_bytes: u64,
}

impl From<&File> for FileBody {
    fn from(file: &File) -> Self {
        Self {
            file_id: file.id,
            conversation_id: file.conversation,
            file_name: file.name.to_string(),
            content_type: file.content_type.to_string(),
            size_bytes: file.size.bytes(),
        }
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(uploads::create))
        .routes(routes!(uploads::complete))
        .routes(routes!(downloads::get))
        .routes(routes!(pictures::create))
        .routes(routes!(pictures::complete))
        .routes(routes!(pictures::get))
}

/// All routes, with the document and its page.
pub fn router(app: App) -> Router {
    let (router, document) = routes().split_for_parts();
    router
        .with_state(app)
        .merge(serving::swagger("/api/files", document))
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

//! One origin in front of everything: the built web client at `/`, the documents of all services at
//! `/api/`, and where no ingress does it, the services themselves.
//!
//! The local suite and the image `web` serve the same, with the same security headers.

pub mod config;

mod forward;
mod pages;

use std::path::PathBuf;

use axum::Router;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

pub use forward::Upstreams;

/// What an origin is made of.
#[derive(Clone, Debug)]
pub struct Origin {
    pub upstreams: Upstreams,
    /// The folder of the built web client.
    pub client: PathBuf,
    /// Origin of the S3 API, which the web client talks to directly; empty: none.
    pub s3_origin: String,
}

/// Everything that the origin serves. Its service needs `ConnectInfo<SocketAddr>`.
pub fn router(origin: Origin) -> Router {
    let documents = [
        ("Account", "/api/account/openapi.json"),
        ("Conversation", "/api/conversations/openapi.json"),
        ("Message", "/api/messages/openapi.json"),
        ("File upload", "/api/files/openapi.json"),
        ("Chat gateway", "/api/gateway/openapi.json"),
    ];
    let swagger = SwaggerUi::new("/api").config(Config::new(
        documents.map(|(name, url)| Url::new(name, url)),
    ));
    forward::routes(origin.upstreams)
        .merge(swagger)
        .fallback_service(pages::pages(&origin.client, &origin.s3_origin))
}

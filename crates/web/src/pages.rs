//! The built web client: its files, and the headers that browsers are told.

use std::path::Path;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, Response};
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

/// The client's files; a path that is none of them is a page that the client draws itself.
pub fn pages(folder: &Path, s3_origin: &str) -> Router {
    let index = folder.join("index.html");
    if folder.as_os_str().is_empty() || !index.exists() {
        return Router::new().fallback(async || {
            let page = "<!doctype html><title>Parlance</title><p>The services run, but the web \
                        client isn't built. Its interfaces are at <a href=\"/api/\">/api/</a>.";
            (StatusCode::OK, Html(page))
        });
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
         img-src 'self' data: blob: {s3_origin}; media-src 'self' blob: {s3_origin}; \
         connect-src 'self' {s3_origin}; manifest-src 'self'; worker-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    // The origin is a URL of ours, so the text has only visible ASCII.
    let policy =
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let assets = Router::new()
        .fallback_service(ServeDir::new(folder.join("assets")))
        .layer(SetResponseHeaderLayer::overriding(
            CACHE_CONTROL,
            keep_what_is_there,
        ));
    let pages = Router::new()
        .fallback_service(ServeDir::new(folder).fallback(ServeFile::new(index)))
        .layer(SetResponseHeaderLayer::overriding(
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        ));
    let fixed =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .nest("/assets", assets)
        .fallback_service(pages)
        .layer(SetResponseHeaderLayer::overriding(
            CONTENT_SECURITY_POLICY,
            policy,
        ))
        .layer(fixed(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(REFERRER_POLICY, "no-referrer"))
        .layer(fixed(
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ))
        .layer(fixed(
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ))
}

/// Built names hold a digest of the content. What is not here may be on a pod of another version, so
/// its absence must not be kept.
fn keep_what_is_there(response: &Response) -> Option<HeaderValue> {
    Some(HeaderValue::from_static(
        if response.status().is_client_error() {
            "no-store"
        } else {
            "public, max-age=31536000, immutable"
        },
    ))
}

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

/// What the page loads, relative to itself. Named one by one: a catch-all would swallow the
/// problems of unknown routes.
const FILES: [&str; 7] = [
    "index.css",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

/// Swagger UI at `/` and at `{prefix}/`, and the document as `openapi.json` beside each; `prefix`
/// is where the ingress has the service, such as `/api/account`. All links are relative, so any
/// proxy may put it under a path of its own.
pub fn swagger(prefix: &str, openapi: OpenApi) -> Router {
    let config = Arc::new(Config::from("openapi.json"));
    let document = openapi
        .to_json()
        .expect("a document that utoipa made is JSON");
    let document: Arc<str> = document.into();
    let mut router = Router::new();
    for base in ["", prefix.trim_end_matches('/')] {
        let at = config.clone();
        router = router.route(
            &format!("{base}/"),
            get(move || async move { page("", at) }),
        );
        for file in FILES {
            let at = config.clone();
            router = router.route(
                &format!("{base}/{file}"),
                get(move || async move { page(file, at) }),
            );
        }
        let document = document.clone();
        router = router.route(
            &format!("{base}/openapi.json"),
            get(move || async move {
                (
                    [(header::CONTENT_TYPE, "application/json")],
                    document.to_string(),
                )
            }),
        );
    }
    router
}

fn page(file: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(file)) => (
            [(header::CONTENT_TYPE, file.content_type)],
            file.bytes.into_owned(),
        )
            .into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(error = %error, "a file of Swagger UI can't be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;
    use utoipa::OpenApi as _;

    use super::*;

    #[derive(utoipa::OpenApi)]
    #[openapi()]
    struct Document;

    #[tokio::test]
    async fn the_page_and_all_that_it_loads_are_there_under_both_paths() {
        let router = swagger("/api/test", Document::openapi());
        for base in ["/", "/api/test/"] {
            for file in FILES.iter().chain(&["", "openapi.json"]) {
                let path = format!("{base}{file}");
                let response = router
                    .clone()
                    .oneshot(http::Request::get(&path).body(Body::empty()).unwrap())
                    .await
                    .unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{path}");
                let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
                if *file == "swagger-initializer.js" {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    assert!(text.contains("\"openapi.json\""), "{text}");
                }
            }
        }
    }
}

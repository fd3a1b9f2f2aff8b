use std::any::Any;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lifecycle::Lifecycle;
use problem::{Kind, Problem};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{Instrument as _, field};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Limits in front of the REST handlers of a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Largest body that is read, in bytes; more is refused with `too_large`.
    pub body_limit_bytes: usize,
    /// How long a handler may take until its response begins, in milliseconds; then `timeout`.
    /// It does not end what comes after the response's head, so sockets live on.
    pub request_timeout_ms: u64,
    /// Origins of browsers that may call besides our own, such as `https://app.example`. Empty:
    /// none. `*` is not taken: requests carry credentials.
    #[serde(default)]
    pub cors_origins: Vec<String>,
}

/// Puts the stack around a service's routes: request id, trace, metrics, panics, timeout, body
/// limit, security headers, CORS, and problems for what no route takes.
///
/// # Panics
/// When an origin of the settings is not a header value.
pub fn http(router: Router, settings: &HttpSettings) -> Router {
    let timeout = Duration::from_millis(settings.request_timeout_ms);
    let mut router = router
        .fallback(|| async {
            Problem::new(Kind::NotFound, "route_unknown", "There is nothing here.")
        })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(settings.body_limit_bytes))
        // Inside the watcher, so that a panic is measured and answered as a problem.
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn_with_state(timeout, watch));
    if !settings.cors_origins.is_empty() {
        let origins = settings.cors_origins.iter().map(|origin| {
            HeaderValue::from_str(origin).expect("an origin of the settings is a header value")
        });
        router = router.layer(
            CorsLayer::new()
                .allow_origin(AllowOrigin::list(origins))
                .allow_methods([
                    Method::GET,
                    Method::POST,
                    Method::PUT,
                    Method::PATCH,
                    Method::DELETE,
                ])
                .allow_headers([
                    header::AUTHORIZATION,
                    header::CONTENT_TYPE,
                    HeaderName::from_static("traceparent"),
                    HeaderName::from_static("x-parlance-session"),
                ])
                .expose_headers([
                    REQUEST_ID,
                    header::RETRY_AFTER,
                    problem::RATE_LIMIT,
                    problem::RATE_LIMIT_POLICY,
                ])
                .allow_credentials(true)
                .max_age(Duration::from_secs(600)),
        );
    }
    router
}

async fn method_not_allowed() -> Response {
    let mut response = Problem::new(
        Kind::InvalidInput,
        "method_not_allowed",
        "This address does not take that method.",
    )
    .into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

fn answer_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic hook has logged it, with its place.
    Problem::new(
        Kind::Internal,
        "internal",
        "Something went wrong on our side.",
    )
    .into_response()
}

async fn watch(
    State(timeout): State<Duration>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let method = known_method(request.method());
    let route = matched
        .as_ref()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let id = request_id(&request);
    let span = tracing::info_span!(
        "http request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        request.id = id.to_str().unwrap_or_default(),
    );
    if let Some(parent) = header_text(&request, "traceparent") {
        telemetry::set_parent(&span, parent);
    }
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let handled = async {
        match tokio::time::timeout(timeout, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                Kind::Timeout,
                "timeout",
                "There was no answer in time. It may still have been done.",
            )
            .into_response(),
        }
    };
    let mut response = handled.instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    metrics::histogram!(
        "http_server_request_duration_seconds",
        "service" => telemetry::service(),
        "route" => route,
        "method" => method,
        "status" => status_class(status),
    )
    .record(began.elapsed());

    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's id where it is one that a log line can bear, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID).filter(|id| {
        (1..=64).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    });
    given.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is a header value")
    })
}

fn header_text<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// A caller may send any method; a label must not grow with that.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

const fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// How long a connection may take until its first request is there; then it is closed. Whoever opens
/// connections and says nothing, or says it letter by letter, holds none for longer.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// Serves a router until the process stops; requests that are under way are finished.
/// Handlers may extract `axum::extract::ConnectInfo<SocketAddr>`.
pub fn serve_http(
    lifecycle: &Lifecycle,
    name: &'static str,
    mut listener: TcpListener,
    router: Router,
) {
    let stopping = lifecycle.stopping();
    let aborting = lifecycle.aborting();
    lifecycle.spawn(name, async move {
        let connections = TaskTracker::new();
        loop {
            let (stream, peer) = tokio::select! {
                // axum's, which waits when there are too many open files.
                accepted = Listener::accept(&mut listener) => accepted,
                () = stopping.cancelled() => break,
            };
            connections.spawn(serve_one(stream, peer, router.clone(), stopping.clone()));
        }
        drop(listener);
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = aborting.cancelled() => {}
        }
        Ok(())
    });
}

async fn serve_one(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stopping: CancellationToken,
) {
    // Small answers must not wait for one another.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "TCP_NODELAY not set");
    }
    let has_begun = Arc::new(AtomicBool::new(false));
    let began = Arc::clone(&has_begun);
    let service = service_fn(move |request: http::Request<Incoming>| {
        began.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut first_request = pin!(tokio::time::sleep(FIRST_REQUEST_WITHIN));
    let (mut is_waiting, mut is_stopping) = (true, false);
    loop {
        tokio::select! {
            // An error is the client's: it has left, or what it sent is no HTTP.
            _ = connection.as_mut() => return,
            () = stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = first_request.as_mut(), if is_waiting => {
                if !has_begun.load(Ordering::Relaxed) {
                    return;
                }
                is_waiting = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use problem::ProblemBody;
    use serde::Deserialize;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::Json;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body1 {
        #[expect(dead_code, reason = "only its shape matters here")]
        name: String,
    }

    async fn panicking() -> &'static str {
        panic!("on purpose")
    }

    fn app() -> Router {
        let router = Router::new()
            .route("/things/{id}", get(|| async { "thing" }))
            .route("/things", post(|Json(_): Json<Body1>| async { "made" }))
            .route("/panic", get(panicking))
            .route("/slow", get(std::future::pending::<()>));
        http(
            router,
            &HttpSettings {
                body_limit_bytes: 64,
                request_timeout_ms: 50,
                cors_origins: vec![],
            },
        )
    }

    async fn call(request: http::Request<Body>) -> (Response, Option<ProblemBody>) {
        let (parts, body) = app().oneshot(request).await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let problem = serde_json::from_slice(&bytes).ok();
        if problem.is_some() {
            assert_eq!(
                parts.headers[header::CONTENT_TYPE],
                "application/problem+json"
            );
        }
        (Response::from_parts(parts, Body::from(bytes)), problem)
    }

    fn request(method: &str, path: &str, body: &str) -> http::Request<Body> {
        http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem_with_a_stable_code() {
        let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(100));
        for (method, path, body, status, code) in [
            ("GET", "/nothing", "", 404, "route_unknown"),
            ("DELETE", "/things/1", "", 405, "method_not_allowed"),
            ("POST", "/things", "{", 400, "body_malformed"),
            ("POST", "/things", r#"{"name":1}"#, 400, "body_invalid"),
            (
                "POST",
                "/things",
                r#"{"name":"a","admin":true}"#,
                400,
                "body_invalid",
            ),
            ("POST", "/things", large.as_str(), 413, "too_large"),
            ("GET", "/panic", "", 500, "internal"),
            ("GET", "/slow", "", 504, "timeout"),
        ] {
            let (response, problem) = call(request(method, path, body)).await;
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(problem.unwrap().code, code, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn answers_carry_the_security_headers_and_the_callers_request_id() {
        let mut request = request("GET", "/things/1", "");
        request
            .headers_mut()
            .insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        let (response, _) = call(request).await;
        let headers = response.headers();
        assert_eq!(headers[REQUEST_ID], "abc-1");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
    }

    #[tokio::test]
    async fn a_request_id_that_a_log_can_not_bear_is_replaced() {
        let mut request = request("GET", "/things/1", "");
        request
            .headers_mut()
            .insert(REQUEST_ID, HeaderValue::from_static("a b\"c"));
        let (response, _) = call(request).await;
        assert_eq!(response.headers()[REQUEST_ID].len(), 36);
    }

    #[tokio::test]
    async fn requests_are_measured_by_route_not_by_path() {
        let guard = telemetry::init("test", &telemetry::TelemetrySettings::default());
        call(request("GET", "/things/42", "")).await;
        call(request("GET", "/secret-path", "")).await;
        let text = guard.prometheus().render();
        assert!(text.contains("route=\"/things/{id}\""), "{text}");
        assert!(!text.contains("secret-path"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_finish_a_first_request_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lifecycle = Lifecycle::new();
        serve_http(&lifecycle, "http", listener, app());
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent
            .write_all(b"GET /things/1 HTTP/1.1\r\n")
            .await
            .unwrap();
        let began = Instant::now();
        assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0, "closed");
        assert!(began.elapsed() <= FIRST_REQUEST_WITHIN + Duration::from_secs(1));

        let mut served = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            let request = b"GET /things/1 HTTP/1.1\r\nhost: x\r\n\r\n";
            served.write_all(request).await.unwrap();
            let mut answer = [0; 12];
            served.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
            let mut rest = vec![0; 4_096];
            let length = served.read(&mut rest).await.unwrap();
            assert!(rest[..length].ends_with(b"thing"));
            // It is kept for further requests, however long that takes.
            tokio::time::sleep(3 * FIRST_REQUEST_WITHIN).await;
        }
    }
}

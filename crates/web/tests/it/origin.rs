use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{OriginalUri, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::routing::{any, get, post};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite;
use web::{Origin, Upstreams};

async fn serve(name: &'static str) -> String {
    let router = Router::new()
        .route(
            "/socket",
            any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        )
        .route(
            "/api/files/size",
            post(async |body: Bytes| body.len().to_string()),
        )
        .route(
            "/api/account/headers",
            get(async |headers: HeaderMap| {
                let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
                axum::Json(serde_json::json!({
                    "forwarded_for": text("x-forwarded-for"),
                    "identity": text("x-parlance-identity"),
                }))
            }),
        )
        .fallback(async move |OriginalUri(uri): OriginalUri| format!("{name} {uri}"));
    serve_router(router).await
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) = socket.next().await {
        socket.send(message).await.unwrap();
    }
}

async fn serve_router(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address.to_string()
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Where the origin is, as `host:port`.
async fn origin(client: &std::path::Path) -> String {
    let upstreams = Upstreams {
        account: vec![serve("account").await],
        // By name, as in a cluster.
        conversation: vec![
            serve("conversation")
                .await
                .replace("127.0.0.1", "localhost"),
        ],
        message: vec![nobody().await],
        file_upload: vec![nobody().await, serve("file-upload").await],
        chat_gateway: vec![nobody().await, serve("gateway").await],
    };
    serve_router(web::router(Origin {
        upstreams,
        client: client.to_path_buf(),
        s3_origin: "http://127.0.0.1:9".into(),
    }))
    .await
}

async fn text(url: String) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn each_path_goes_to_its_service() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(folder.path()).await;
    assert_eq!(
        text(format!("http://{origin}/api/account/me?x=1")).await,
        "account /api/account/me?x=1"
    );
    assert_eq!(
        text(format!("http://{origin}/users/me")).await,
        "account /users/me"
    );
    assert_eq!(
        text(format!("http://{origin}/api/conversations")).await,
        "conversation /api/conversations"
    );
    for short in ["/chat/users", "/group?limit=2", "/group/rust/members/1"] {
        assert_eq!(
            text(format!("http://{origin}{short}")).await,
            format!("conversation {short}")
        );
    }
    assert_eq!(
        text(format!("http://{origin}/api/gateway/openapi.json")).await,
        "gateway /api/gateway/openapi.json"
    );
    assert!(
        text(format!("http://{origin}/api/"))
            .await
            .contains("swagger")
    );
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(folder.path()).await;
    let answer: serde_json::Value = reqwest::Client::new()
        .get(format!("http://{origin}/api/account/headers"))
        .header("x-forwarded-for", "203.0.113.7")
        .header("x-parlance-identity", "forged")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["forwarded_for"], "127.0.0.1");
    assert_eq!(answer["identity"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_body_reaches_the_address_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(folder.path()).await;
    for _ in 0..2 {
        let answer = reqwest::Client::new()
            .post(format!("http://{origin}/api/files/size"))
            .body(vec![7; 300_000])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), "300000");
    }
}

#[tokio::test]
async fn a_service_that_is_away_is_a_problem_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(folder.path()).await;
    let answer = reqwest::get(format!("http://{origin}/api/messages/states"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "upstream_unavailable");
}

#[tokio::test]
async fn a_socket_finds_the_gateway_that_lives() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(folder.path()).await;
    let url = format!("ws://{origin}/socket");
    for _ in 0..2 {
        let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
        socket
            .send(tungstenite::Message::text("hello"))
            .await
            .unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.into_text().unwrap(), "hello");
    }
}

#[tokio::test]
async fn the_client_draws_every_page_that_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("index.html"), "the client").unwrap();
    std::fs::write(folder.path().join("assets/app-1a2b.js"), "script").unwrap();
    let origin = origin(folder.path()).await;
    for page in ["/", "/group/rust/connect", "/chat/user"] {
        let answer = reqwest::get(format!("http://{origin}{page}"))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("connect-src 'self' http://127.0.0.1:9"),
            "{policy}"
        );
        assert_eq!(answer.text().await.unwrap(), "the client");
    }
    let script = reqwest::get(format!("http://{origin}/assets/app-1a2b.js"))
        .await
        .unwrap();
    assert!(
        script.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let missing = reqwest::get(format!("http://{origin}/assets/other.js"))
        .await
        .unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.headers()["cache-control"], "no-store");
}

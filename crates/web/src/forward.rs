//! Hands requests and sockets on to the services.
//!
//! Every request takes a connection of its own to its service: nearby that is cheap, and a service
//! that was killed leaves no dead connections behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONNECTION, HOST, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hyper_util::rt::TokioIo;
use problem::{Kind, Problem};
use serde::Deserialize;
use tokio::net::TcpStream;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A service answers or gives up sooner than this by itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
/// A socket is opened at once or not at all; then the next gateway is tried.
const SOCKET_ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// RFC 9110, section 7.6.1: they concern one connection only.
const HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("te"),
    HeaderName::from_static("transfer-encoding"),
    HeaderName::from_static("upgrade"),
];

/// What only services say to each other; from outside it is dropped.
const INTERNAL: HeaderName = HeaderName::from_static("x-parlance-identity");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Where the services' REST ports and sockets are, as `host:port`; several are taken in turn, and a
/// service without any can't be reached. A name may stand for several addresses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Upstreams {
    pub account: Vec<String>,
    pub conversation: Vec<String>,
    pub message: Vec<String>,
    pub file_upload: Vec<String>,
    pub chat_gateway: Vec<String>,
}

/// Short addresses of the conversation service. Named one by one: `/group/{name}/connect` is a page.
const SHORT_ROUTES: [&str; 7] = [
    "/chat/users",
    "/group",
    "/group/{name}",
    "/group/{name}/join",
    "/group/{name}/leave",
    "/group/{name}/members",
    "/group/{name}/members/{user_id}",
];

/// The routes of the ingress: `/api/<x>/…` is a service, `/users/…` the account service once more,
/// `/socket` a gateway.
pub fn routes(upstreams: Upstreams) -> Router {
    let mut router = Router::new();
    for (prefix, kind, name, addresses) in [
        (
            "/api/account",
            Traffic::Requests,
            "account",
            upstreams.account.clone(),
        ),
        ("/users", Traffic::Requests, "account", upstreams.account),
        (
            "/api/conversations",
            Traffic::Requests,
            "conversation",
            upstreams.conversation,
        ),
        (
            "/api/messages",
            Traffic::Requests,
            "message",
            upstreams.message,
        ),
        (
            "/api/files",
            Traffic::Requests,
            "file-upload",
            upstreams.file_upload,
        ),
        (
            "/api/gateway",
            Traffic::Requests,
            "chat-gateway",
            upstreams.chat_gateway.clone(),
        ),
        (
            "/socket",
            Traffic::Sockets,
            "chat-gateway",
            upstreams.chat_gateway,
        ),
    ] {
        let upstream = Arc::new(Upstream {
            name,
            kind,
            addresses,
            next: AtomicUsize::new(0),
        });
        let route = any(forward).with_state(upstream);
        router = router.route(prefix, route.clone());
        if kind == Traffic::Requests {
            router = router.route(&format!("{prefix}/{{*rest}}"), route.clone());
        }
        if name == "conversation" {
            for short in SHORT_ROUTES {
                router = router.route(short, route.clone());
            }
        }
    }
    router
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Requests,
    /// WebSockets: they carry no body before the upgrade, so that another gateway can be tried.
    Sockets,
}

#[derive(Debug)]
struct Upstream {
    name: &'static str,
    kind: Traffic,
    addresses: Vec<String>,
    next: AtomicUsize,
}

impl Upstream {
    /// All addresses, beginning with another one each time.
    fn in_turn(&self) -> impl Iterator<Item = &str> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.addresses.len())
            .map(move |step| self.addresses[(first + step) % self.addresses.len()].as_str())
    }

    fn unavailable(&self) -> Problem {
        Problem::new(
            Kind::Unavailable,
            "upstream_unavailable",
            format!("The {} service can't be reached.", self.name),
        )
        .with_retry_after(Duration::from_secs(1))
    }

    fn timeout(&self) -> Problem {
        Problem::new(
            Kind::Timeout,
            "upstream_timeout",
            format!("The {} service did not answer in time.", self.name),
        )
    }
}

async fn forward(
    State(upstream): State<Arc<Upstream>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let wants_upgrade = request.headers().contains_key(UPGRADE);
    let downstream = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
    rewrite(&mut request, peer);
    let outcome = match upstream.kind {
        Traffic::Sockets => open_socket(&upstream, &request.into_parts().0).await,
        Traffic::Requests => pass_on(&upstream, request).await,
    };
    let mut response = match outcome {
        Ok(response) => response,
        Err(problem) => return problem.into_response(),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(downstream) = downstream
    {
        let upstream = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(downstream), Ok(upstream)) = tokio::join!(downstream, upstream) {
                let (mut downstream, mut upstream) =
                    (TokioIo::new(downstream), TokioIo::new(upstream));
                // Ends when either side does, by whatever error: both are closed then.
                let _ = tokio::io::copy_bidirectional(&mut downstream, &mut upstream).await;
            }
        });
    } else {
        remove_hop_by_hop(response.headers_mut());
    }
    response.map(Body::new)
}

type UpstreamResponse = hyper::Response<hyper::body::Incoming>;

/// The body can be sent once, so another address is tried only as long as none was reached.
async fn pass_on(upstream: &Upstream, request: Request) -> Result<UpstreamResponse, Problem> {
    for address in upstream.in_turn() {
        if let Some(stream) = connect(address).await {
            return match tokio::time::timeout(ANSWER_TIMEOUT, send(stream, request)).await {
                Ok(answer) => answer.map_err(|_| upstream.unavailable()),
                Err(_) => Err(upstream.timeout()),
            };
        }
    }
    Err(upstream.unavailable())
}

async fn open_socket(upstream: &Upstream, request: &Parts) -> Result<UpstreamResponse, Problem> {
    for address in upstream.in_turn() {
        let Some(stream) = connect(address).await else {
            continue;
        };
        let mut attempt = Request::new(Body::empty());
        *attempt.method_mut() = request.method.clone();
        *attempt.uri_mut() = request.uri.clone();
        *attempt.headers_mut() = request.headers.clone();
        match tokio::time::timeout(SOCKET_ANSWER_TIMEOUT, send(stream, attempt)).await {
            // Also a refusal: the next gateway would say the same, unless this one is leaving.
            Ok(Ok(response)) if response.status() != StatusCode::SERVICE_UNAVAILABLE => {
                return Ok(response);
            }
            _ => {}
        }
    }
    Err(upstream.unavailable())
}

async fn connect(address: &str) -> Option<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .ok()?
        .ok()?;
    // Frames are small; waiting to fill a packet would delay each.
    let _ = stream.set_nodelay(true);
    Some(stream)
}

async fn send(stream: TcpStream, request: Request) -> hyper::Result<UpstreamResponse> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Runs on for the body, or for the upgraded connection, after this returns.
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await
}

/// Makes the request as the ingress would hand it on. Whatever the client says of itself in the
/// forwarding headers is replaced.
fn rewrite(request: &mut Request, peer: SocketAddr) {
    let path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = path_and_query.map_or_else(Default::default, Into::into);
    let headers = request.headers_mut();
    let upgrade = headers.get(UPGRADE).cloned();
    remove_hop_by_hop(headers);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    headers.remove(INTERNAL);
    if let Ok(peer) = HeaderValue::from_str(&peer.ip().to_string()) {
        headers.insert(X_FORWARDED_FOR, peer);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

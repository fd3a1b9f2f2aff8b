use std::any::Any;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use lifecycle::Lifecycle;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, field};

/// Longest that a call may take; a caller's own shorter deadline (`grpc-timeout`) holds.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A configured tonic server.
pub type GrpcServer = Server;

/// The transport that all our gRPC ports have: deadlines, keepalive, bounded streams. Messages are
/// limited to 4 MiB, tonic's own limit for what it decodes.
#[must_use]
pub fn grpc_server() -> GrpcServer {
    Server::builder()
        .timeout(CALL_TIMEOUT)
        .max_concurrent_streams(1_024)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(16 * 1_024)
}

/// Adds server reflection where `reflection` says so. For development and trusted networks.
#[must_use]
pub fn with_reflection(routes: Routes, reflection: bool) -> Routes {
    if !reflection {
        return routes;
    }
    let service = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .build_v1();
    match service {
        Ok(service) => routes.add_service(service),
        Err(error) => {
            tracing::error!(error = %error, "no reflection: the descriptors can't be read");
            routes
        }
    }
}

/// Serves routes until the process stops; calls that are under way are finished. Adds health
/// (`grpc.health.v1`), which says SERVING while the process is ready, and the trace and metrics
/// of every call.
pub fn serve_grpc(
    lifecycle: &Lifecycle,
    name: &'static str,
    listener: TcpListener,
    routes: Routes,
) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let routes = routes.add_service(health);
    let router = routes
        .into_axum_router()
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn(move |request, next| {
            watch(name, request, next)
        }));
    let stopping = lifecycle.stopping();
    let aborting = lifecycle.aborting();
    let mut ready = lifecycle.ready().watch();
    let told = lifecycle.stopping();
    lifecycle.spawn(name, async move {
        let follow_readiness = async {
            loop {
                let status = if *ready.borrow_and_update() {
                    ServingStatus::Serving
                } else {
                    ServingStatus::NotServing
                };
                reporter.set_service_status("", status).await;
                tokio::select! {
                    // The flag goes off before the token, so that is told before we leave.
                    biased;
                    changed = ready.changed() => if changed.is_err() { break },
                    () = told.cancelled() => break,
                }
            }
            std::future::pending::<()>().await;
        };
        let server = grpc_server()
            .add_routes(Routes::from(router).prepare())
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                stopping.cancelled_owned(),
            );
        tokio::select! {
            end = server => end.context("serve gRPC"),
            () = aborting.cancelled() => Ok(()),
            () = follow_readiness => Ok(()),
        }
    });
}

fn answer_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic hook has logged it, with its place.
    tonic::Status::internal("Something went wrong on our side.").into_http()
}

async fn watch(port: &'static str, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let span = tracing::info_span!(
        "grpc call",
        otel.name = path,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = path,
        rpc.grpc.status_code = field::Empty,
    );
    if let Some(parent) = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
    {
        telemetry::set_parent(&span, parent);
    }
    let response = next.run(request).instrument(span.clone()).await;
    // An error has its status in the headers ("trailers-only"); else the call went well, as far
    // as is known before its stream ends.
    let code = response
        .headers()
        .get("grpc-status")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<i32>().ok())
        .map_or(tonic::Code::Ok, tonic::Code::from_i32);
    span.record("rpc.grpc.status_code", code as i32);
    // A caller may name any method; a label must not grow with that.
    let method = if code == tonic::Code::Unimplemented {
        "unknown".to_owned()
    } else {
        path
    };
    metrics::histogram!(
        "rpc_server_duration_seconds",
        "service" => telemetry::service(),
        "port" => port,
        "method" => method,
        "code" => problem::grpc_code_name(code),
    )
    .record(began.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    #[tokio::test]
    async fn health_follows_readiness() {
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        serve_grpc(
            &lifecycle,
            "grpc",
            listener,
            with_reflection(Routes::default(), true),
        );
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut client = HealthClient::new(channel);
        let mut told = client
            .watch(HealthCheckRequest::default())
            .await
            .unwrap()
            .into_inner();
        let mut wait_for = async |wanted: i32| {
            while told.message().await.unwrap().unwrap().status != wanted {}
        };
        wait_for(2).await;
        lifecycle.ready().set(true);
        wait_for(1).await;
        lifecycle.ready().set(false);
        wait_for(2).await;
        drop(told);
        drop(client);
        lifecycle.stop();
        lifecycle
            .run_until_stopped(Duration::from_secs(5))
            .await
            .unwrap();
    }
}

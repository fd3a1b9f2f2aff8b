use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::{BoxFuture, join_all};
use http::{StatusCode, header};
use lifecycle::{Lifecycle, ReadyFlag};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

/// Whether a dependency answers. It must be cheap: it is asked every few seconds.
pub type ReadinessCheck = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// A [`ReadinessCheck`] from an async closure's like.
pub fn readiness_check<F, Fut>(check: F) -> ReadinessCheck
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    Arc::new(move || Box::pin(check()))
}

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often histograms are drained between two scrapes, so that they don't grow unscraped.
const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Ops {
    prometheus: PrometheusHandle,
    ready: ReadyFlag,
    checks: Arc<[(&'static str, ReadinessCheck)]>,
}

/// Serves `/metrics` (Prometheus), `/livez` (the process runs) and `/readyz` (it may be given
/// work: the flag of the lifecycle is set and every check passes). To the very end, so that a stop
/// that takes long can be watched.
pub fn serve_ops(
    lifecycle: &Lifecycle,
    listener: TcpListener,
    prometheus: PrometheusHandle,
    checks: Vec<(&'static str, ReadinessCheck)>,
) {
    let upkeep = prometheus.clone();
    let stopping = lifecycle.stopping();
    lifecycle.spawn("metrics upkeep", async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                _ = tick.tick() => upkeep.run_upkeep(),
                () = stopping.cancelled() => return Ok(()),
            }
        }
    });
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .with_state(Ops {
            prometheus,
            ready: lifecycle.ready(),
            checks: checks.into(),
        });
    lifecycle.accompany("ops", async move {
        axum::serve(listener, router).await.context("serve ops")
    });
}

async fn metrics(State(ops): State<Ops>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        ops.prometheus.render(),
    )
        .into_response()
}

async fn readyz(State(ops): State<Ops>) -> Response {
    let results = join_all(ops.checks.iter().map(async |(name, check)| {
        let good = tokio::time::timeout(CHECK_TIMEOUT, check())
            .await
            .unwrap_or(false);
        (*name, good)
    }))
    .await;
    let ready = ops.ready.is_set() && results.iter().all(|(_, good)| *good);
    let checks: serde_json::Map<String, serde_json::Value> = results
        .into_iter()
        .map(|(name, good)| (name.to_owned(), good.into()))
        .collect();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        axum::Json(serde_json::json!({ "ready": ready, "checks": checks })),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    async fn status(ops: &Ops) -> StatusCode {
        readyz(State(ops.clone())).await.status()
    }

    #[tokio::test]
    async fn readiness_needs_the_flag_and_every_dependency() {
        let guard = telemetry::init("test", &telemetry::TelemetrySettings::default());
        let lifecycle = Lifecycle::new();
        let up = Arc::new(AtomicBool::new(true));
        let seen = up.clone();
        let check = readiness_check(move || {
            let up = seen.load(Ordering::Relaxed);
            async move { up }
        });
        let ops = Ops {
            prometheus: guard.prometheus(),
            ready: lifecycle.ready(),
            checks: vec![("postgres", check)].into(),
        };
        assert_eq!(status(&ops).await, StatusCode::SERVICE_UNAVAILABLE);
        lifecycle.ready().set(true);
        assert_eq!(status(&ops).await, StatusCode::OK);
        up.store(false, Ordering::Relaxed);
        assert_eq!(status(&ops).await, StatusCode::SERVICE_UNAVAILABLE);
        up.store(true, Ordering::Relaxed);
        assert_eq!(status(&ops).await, StatusCode::OK);
        lifecycle.stop();
        assert_eq!(status(&ops).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}

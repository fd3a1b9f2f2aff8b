//! DynamoDB and S3 for the local suite, in one process.
//!
//! DynamoDB is dynoxide on SQLite; S3 is s3s on a folder. Both keep their data under one
//! directory and outlive a kill of the process.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dynoxide::Database;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// The one pair of credentials that S3 accepts. DynamoDB accepts any.
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// How often items past their time to live are removed. AWS takes up to days; tests shouldn't.
const TTL_SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What a write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power: SQLite flushes each transaction to the disk.
    PowerLoss,
    /// A kill of the process only: for tests, where the flush is most of the time.
    Kill,
}

/// Serves both stores until `stop` is cancelled, then finishes the requests that run.
///
/// # Errors
/// When the data folder can't be opened, or a server ends by itself.
pub async fn run(
    data: &Path,
    durability: Durability,
    credentials: Credentials,
    dynamodb: TcpListener,
    s3: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let objects = data.join("s3");
    std::fs::create_dir_all(&objects)
        .with_context(|| format!("create the folder {}", objects.display()))?;
    let database = open_database(&data.join("dynamodb.sqlite"), durability)?;

    let sweeper = tokio::spawn(sweep_expired(database.clone(), stop.clone()));
    let dynamodb =
        dynoxide::server::serve_with_shutdown(dynamodb, database, stop.clone().cancelled_owned());
    let s3 = axum::serve(s3, s3_router(s3_service(&objects, credentials)?))
        .with_graceful_shutdown(stop.clone().cancelled_owned());

    let outcome = tokio::try_join!(
        async {
            dynamodb
                .await
                .map_err(|text| anyhow!("DynamoDB server: {text}"))
        },
        async { s3.await.context("S3 server") },
    );
    stop.cancel();
    sweeper.await.context("sweep of expired items")?;
    outcome.map(|_| ())
}

fn open_database(path: &Path, durability: Durability) -> anyhow::Result<Database> {
    let text = path
        .to_str()
        .with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    let database =
        Database::new(text).with_context(|| format!("open the database {}", path.display()))?;
    if durability == Durability::Kill {
        // The library's only switch that turns SQLite's flushes off.
        database
            .enable_bulk_loading()
            .context("turn off flushing to disk")?;
    }
    Ok(database)
}

fn s3_service(objects: &Path, credentials: Credentials) -> anyhow::Result<S3Service> {
    let files = s3s_fs::FileSystem::new(objects)
        .map_err(|error| anyhow!("open the folder {}: {error:?}", objects.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(
        credentials.access_key_id,
        credentials.secret_access_key,
    ));
    Ok(builder.build())
}

/// A browser uploads from the suite's origin, whose port is not known here. The signature in the
/// URL is what grants access, so any origin may ask.
fn s3_router(service: S3Service) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static("etag"),
            HeaderName::from_static("x-amz-checksum-sha256"),
        ])
        .max_age(Duration::from_secs(3600));
    Router::new()
        .fallback(move |request: Request| answer(service.clone(), request))
        .layer(cors)
}

async fn answer(service: S3Service, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(axum::body::Body::new),
        Err(error) => {
            tracing::error!(error = ?error, "an S3 request failed inside the server");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn sweep_expired(database: Database, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(TTL_SWEEP_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "items past their time to live were not removed");
        }
    }
}

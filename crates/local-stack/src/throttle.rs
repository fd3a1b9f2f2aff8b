//! A DynamoDB that throttles, and loses answers: in front of the emulator, which never does. Also counts
//! what is asked of it.
//!
//! What it answers is what DynamoDB answers: ProvisionedThroughputExceededException, or for a batch that
//! half of it was not processed; for a lost answer InternalServerError, after which nobody knows whether a
//! write was made (here it was)
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest request that DynamoDB takes is a batch of 16 MiB.
const MAX_BODY_BYTES: usize = 20 * 1024 * 1024;

/// Stands in front of a DynamoDB until it is dropped.
#[derive(Debug)]
pub struct Throttle {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug)]
struct Shared {
    client: Client<HttpConnector, Body>,
    target: String,
    permille: AtomicU32,
    lost_permille: AtomicU32,
    asked: AtomicU64,
    counts: Mutex<BTreeMap<String, u64>>,
    refused: AtomicU64,
    halved: AtomicU64,
    lost: AtomicU64,
}

/// What was done to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// Requests that were refused as a whole.
    pub refused: u64,
    /// Batches of which half was left unprocessed.
    pub halved: u64,
    /// Requests that were done, and answered as if nobody knew.
    pub lost: u64,
}

/// What becomes of a request.
enum Fate {
    Passed,
    Refused,
    Halved,
    /// Done, but the answer is lost.
    Lost,
}

impl Throttle {
    /// In front of the DynamoDB at `target`, such as `http://127.0.0.1:8000`. Passes everything at first.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(target: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("listen in front of DynamoDB")?;
        let address = listener.local_addr().context("where it listens")?;
        let shared = Arc::new(Shared {
            client: Client::builder(TokioExecutor::new()).build_http(),
            target,
            permille: AtomicU32::new(0),
            lost_permille: AtomicU32::new(0),
            asked: AtomicU64::new(0),
            counts: Mutex::default(),
            refused: AtomicU64::new(0),
            halved: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // Ends only with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Throttles this share of the requests from now on, in thousandths.
    pub fn set_permille(&self, permille: u32) {
        self.shared.permille.store(permille, Ordering::Relaxed);
    }

    /// Loses the answers to this share of the requests that are not throttled, in thousandths.
    pub fn set_lost_permille(&self, permille: u32) {
        self.shared.lost_permille.store(permille, Ordering::Relaxed);
    }

    /// Requests so far, by operation, such as `BatchGetItem`; refused ones included.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.shared.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[must_use]
    pub fn throttled(&self) -> Throttled {
        Throttled {
            refused: self.shared.refused.load(Ordering::Relaxed),
            halved: self.shared.halved.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    /// Spread evenly: of any thousand requests in a row the share is hit, and whether a request is hit says
    /// nothing of the next (the multiples of the golden ratio).
    fn fate(&self, operation: &str) -> Fate {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        let place = n.wrapping_mul(618_034) % 1_000_000 / 1_000;
        let permille = u64::from(self.permille.load(Ordering::Relaxed));
        if place >= permille {
            let lost = u64::from(self.lost_permille.load(Ordering::Relaxed));
            if place < permille + lost {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return Fate::Lost;
            }
            return Fate::Passed;
        }
        let is_batch = matches!(operation, "BatchWriteItem" | "BatchGetItem");
        if is_batch && n.is_multiple_of(2) {
            self.halved.fetch_add(1, Ordering::Relaxed);
            return Fate::Halved;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Fate::Refused
    }

    async fn forward(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Response> {
        let mut request = Request::post(format!("{}{uri}", self.target));
        for (name, value) in headers {
            // Of another body, or of this connection.
            if name != header::CONTENT_LENGTH && name != header::HOST {
                request = request.header(name, value);
            }
        }
        let request = request.body(Body::from(body)).context("the same request")?;
        let answer = self.client.request(request).await.context("the emulator")?;
        Ok(answer.map(Body::new).into_response())
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match try_answer(&shared, &uri, &headers, body).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn try_answer(
    shared: &Shared,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> anyhow::Result<Response> {
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES)
        .await
        .context("the request")?;
    let target = headers.get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok()).unwrap_or("?");
    let operation = target.rsplit('.').next().unwrap_or(target);
    {
        let counts = shared.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        *counts.entry(operation.to_owned()).or_default() += 1;
    }
    match shared.fate(operation) {
        Fate::Passed => shared.forward(uri, headers, body).await,
        Fate::Lost => {
            shared.forward(uri, headers, body).await?;
            let body = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError",
                "message": "The request may have been carried out.",
            });
            Ok(dynamodb_answer(StatusCode::INTERNAL_SERVER_ERROR, &body))
        }
        Fate::Refused => {
            let body = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "message": "The level of configured provisioned throughput for the table was exceeded.",
            });
            Ok(dynamodb_answer(StatusCode::BAD_REQUEST, &body))
        }
        Fate::Halved => {
            let mut request: Value = serde_json::from_slice(&body).context("the batch")?;
            let left = halve(&mut request);
            let half = serde_json::to_vec(&request).context("half of the batch")?;
            let answer = shared.forward(uri, headers, half.into()).await?;
            if answer.status() != StatusCode::OK {
                return Ok(answer);
            }
            let answer = axum::body::to_bytes(answer.into_body(), MAX_BODY_BYTES).await?;
            let mut answer: Value = serde_json::from_slice(&answer).context("the answer")?;
            let unprocessed = match operation {
                "BatchGetItem" => "UnprocessedKeys",
                _ => "UnprocessedItems",
            };
            answer[unprocessed] = Value::Object(left);
            Ok(dynamodb_answer(StatusCode::OK, &answer))
        }
    }
}

fn dynamodb_answer(status: StatusCode, body: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    (status, content_type, body.to_string()).into_response()
}

/// Takes the second half out of each table's part of a batch, and returns it in the form of a batch. Of a
/// part of one, nothing: something of a batch is always processed.
fn halve(request: &mut Value) -> Map<String, Value> {
    let mut left = Map::new();
    let Some(tables) = request["RequestItems"].as_object_mut() else {
        return left;
    };
    for (table, part) in tables {
        let mut rest = part.clone();
        let (items, rest_items) = if part.is_array() {
            (part.as_array_mut(), rest.as_array_mut())
        } else {
            (part["Keys"].as_array_mut(), rest["Keys"].as_array_mut())
        };
        if let (Some(items), Some(rest_items)) = (items, rest_items) {
            let half = items.len().div_ceil(2);
            items.truncate(half);
            rest_items.drain(..half);
            if !rest_items.is_empty() {
                left.insert(table.clone(), rest);
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_each_table_is_left() {
        let mut request = json!({"RequestItems": {
            "a": [1, 2, 3],
            "b": [1],
            "c": {"Keys": [1, 2], "ConsistentRead": true},
        }});
        let left = halve(&mut request);
        assert_eq!(
            request,
            json!({"RequestItems": {
                "a": [1, 2],
                "b": [1],
                "c": {"Keys": [1], "ConsistentRead": true},
            }})
        );
        assert_eq!(
            Value::Object(left),
            json!({"a": [3], "c": {"Keys": [2], "ConsistentRead": true}})
        );
    }

    #[tokio::test]
    async fn the_share_is_hit() {
        let throttle = Throttle::start("http://127.0.0.1:1".to_owned())
            .await
            .unwrap();
        throttle.set_permille(300);
        throttle.set_lost_permille(100);
        for _ in 0..1_000 {
            throttle.shared.fate("BatchWriteItem");
        }
        let Throttled {
            refused,
            halved,
            lost,
        } = throttle.throttled();
        assert!(
            (295..=305).contains(&(refused + halved)),
            "{refused} {halved}"
        );
        assert!(refused > 100 && halved > 100, "{refused} {halved}");
        assert!((95..=105).contains(&lost), "{lost}");
    }
}

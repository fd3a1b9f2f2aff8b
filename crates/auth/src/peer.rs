use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tonic::body::Body;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, TimeoutExpired};
use tower::Service;

use crate::identity::{IDENTITY_METADATA, ServiceIdentity};
use crate::person::Person;

/// A peer must answer within this.
const DEADLINE: Duration = Duration::from_secs(2);
/// Calls under way to one peer; more wait, within their deadline.
const CALLS_AT_ONCE: usize = 512;

/// The peer's address is not a URL.
#[derive(Debug, thiserror::Error)]
#[error("the address of the peer `{peer}` is not a URL: {source}")]
pub struct PeerError {
    peer: &'static str,
    source: tonic::transport::Error,
}

/// The way to one peer's internal port. It connects with the first call and again whenever the
/// connection was lost. Cheap to clone.
#[derive(Clone)]
pub struct PeerChannel {
    target: &'static str,
    channel: Channel,
    identity: ServiceIdentity,
    deadline: Duration,
}

impl PeerChannel {
    /// # Errors
    /// When `url` is none.
    pub fn new(
        target: &'static str,
        url: &str,
        identity: ServiceIdentity,
    ) -> Result<Self, PeerError> {
        let channel = Endpoint::from_shared(url.to_owned())
            .map_err(|source| PeerError {
                peer: target,
                source,
            })?
            .connect_timeout(Duration::from_secs(1))
            .timeout(DEADLINE)
            .tcp_nodelay(true)
            // A peer that vanished without a word is noticed within 15 seconds.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .concurrency_limit(CALLS_AT_ONCE)
            .connect_lazy();
        Ok(Self {
            target,
            channel,
            identity,
            deadline: DEADLINE,
        })
    }

    /// With another deadline for requests made here; 2 seconds is also the channel's limit, so
    /// only a shorter one has an effect.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// For a generated client's `new`.
    #[must_use]
    pub fn channel(&self) -> MeasuredChannel {
        MeasuredChannel {
            peer: self.target,
            channel: self.channel.clone(),
        }
    }

    /// A request with this service's identity, the person's token, the trace and a deadline.
    pub fn request<T>(&self, body: T, person: Option<&Person>) -> Request<T> {
        let mut request = Request::new(body);
        request.set_timeout(self.deadline);
        let metadata = request.metadata_mut();
        let mut put = |key: &'static str, value: &str| {
            if let Ok(value) = AsciiMetadataValue::try_from(value)
                && !value.is_empty()
            {
                metadata.insert(AsciiMetadataKey::from_static(key), value);
            }
        };
        put(IDENTITY_METADATA, &self.identity.token_for(self.target));
        if let Some(person) = person {
            put("authorization", &format!("Bearer {}", person.token));
        }
        if let Some(traceparent) = telemetry::current_traceparent() {
            put("traceparent", &traceparent);
        }
        request
    }
}

/// A channel whose every call is counted and timed, as the caller sees it:
/// `rpc_client_duration_seconds{service,peer,method,code}`. `method` is one of ours, `code` the status
/// by name; a peer that can't be reached is `unavailable`. For unary calls: of a stream it would be the
/// time until it begins.
#[derive(Debug, Clone)]
pub struct MeasuredChannel {
    peer: &'static str,
    channel: Channel,
}

impl Service<http::Request<Body>> for MeasuredChannel {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let began = Instant::now();
        let peer = self.peer;
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let answer = self.channel.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = match &answer {
                Ok(response) => code_of_answer(response.headers()),
                Err(error) => code_of_failure(error),
            };
            metrics::histogram!(
                "rpc_client_duration_seconds",
                "service" => telemetry::service(),
                "peer" => peer,
                "method" => method,
                "code" => problem::grpc_code_name(code),
            )
            .record(began.elapsed());
            answer
        })
    }
}

/// A refusal has its status in the headers, for it has no body ("trailers-only").
fn code_of_answer(headers: &http::HeaderMap) -> Code {
    headers
        .get("grpc-status")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<i32>().ok())
        .map_or(Code::Ok, Code::from_i32)
}

fn code_of_failure(error: &tonic::transport::Error) -> Code {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if found.is::<TimeoutExpired>() {
            return Code::DeadlineExceeded;
        }
        cause = found.source();
    }
    Code::Unavailable
}

#[cfg(test)]
mod tests {
    use clock::Clock;
    use ids::{SessionId, UserId};

    use super::*;
    use crate::identity::IdentitySettings;
    use crate::keys::KeyPair;

    #[tokio::test]
    async fn a_request_carries_identity_person_and_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, KeyPair::generate().unwrap().private_pem()).unwrap();
        let identity = ServiceIdentity::new(IdentitySettings {
            service: "message".to_owned(),
            signing_key_file: file.to_str().unwrap().to_owned(),
            ..IdentitySettings::default()
        })
        .unwrap();
        let clock = Clock::system();
        let person = Person {
            user: UserId::generate(&clock),
            session: SessionId::generate(&clock),
            expires_unix_s: 0,
            token: "abc".to_owned(),
        };
        let peer = PeerChannel::new("conversation", "http://127.0.0.1:1", identity).unwrap();
        let request = peer.request((), Some(&person));
        let metadata = request.metadata();
        assert_eq!(metadata.get("authorization").unwrap(), "Bearer abc");
        assert!(metadata.get(IDENTITY_METADATA).is_some());
        assert_eq!(metadata.get("grpc-timeout").unwrap(), "2000000u");
        assert!(
            peer.request((), None)
                .metadata()
                .get("authorization")
                .is_none()
        );
    }
}

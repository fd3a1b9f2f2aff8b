//! One error for REST, gRPC and sockets.
//!
//! A [`Problem`] has a [`Kind`], which decides the HTTP and gRPC status, and a stable code in
//! `lower_snake_case`, which programs match on; `docs/errors.md` lists the codes.

mod fields;

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use opentelemetry::trace::TraceContextExt as _;
use serde::{Deserialize, Serialize};
use tonic::Code;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use fields::Fields;

/// The answer of anything that can be refused.
pub type Result<T> = std::result::Result<T, Problem>;

/// Metadata key of a gRPC status that carries [`Problem::code`].
pub const CODE_METADATA: &str = "x-parlance-code";
/// Metadata key of a gRPC status that carries [`Problem::retry_after`], in milliseconds.
pub const RETRY_AFTER_METADATA: &str = "retry-after-ms";

/// Header field that says how much is left of a limit, and for how long
/// (draft-ietf-httpapi-ratelimit-headers).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Header field that says what a limit allows.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What sort of refusal it is; two matches below turn it into HTTP and gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InvalidInput,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    /// The same key was used with other content.
    Conflict,
    AlreadyExists,
    FailedPrecondition,
    /// The caller's version of it is not the current one (`If-Match`).
    VersionConflict,
    TooLarge,
    RateLimited,
    /// Something that is needed isn't there now: try again.
    Unavailable,
    /// The outcome is unknown: ask again with the same id.
    Timeout,
    Internal,
}

impl Kind {
    /// RFC 9110 status.
    #[must_use]
    pub const fn http(self) -> StatusCode {
        match self {
            Self::InvalidInput => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict | Self::AlreadyExists | Self::FailedPrecondition => StatusCode::CONFLICT,
            Self::VersionConflict => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// gRPC status code.
    #[must_use]
    pub const fn grpc(self) -> Code {
        match self {
            Self::InvalidInput | Self::TooLarge => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Conflict | Self::VersionConflict => Code::Aborted,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::FailedPrecondition => Code::FailedPrecondition,
            Self::RateLimited => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Timeout => Code::DeadlineExceeded,
            Self::Internal => Code::Internal,
        }
    }

    const fn of_grpc(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::InvalidInput,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::NotFound => Self::NotFound,
            Code::Aborted => Self::Conflict,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::ResourceExhausted => Self::RateLimited,
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded | Code::Cancelled => Self::Timeout,
            Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
                Self::Internal
            }
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::InvalidInput => "The request is not valid",
            Self::Unauthenticated => "Sign in first",
            Self::PermissionDenied => "Not allowed",
            Self::NotFound => "Not found",
            Self::Conflict => "Already used for something else",
            Self::AlreadyExists => "Already taken",
            Self::FailedPrecondition => "Not possible in this state",
            Self::VersionConflict => "Changed meanwhile",
            Self::TooLarge => "Too large",
            Self::RateLimited => "Too many requests",
            Self::Unavailable => "Not available right now",
            Self::Timeout => "No answer in time",
            Self::Internal => "Something went wrong on our side",
        }
    }
}

/// One faulty field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// Path of the field, such as `member_ids[3]`.
    pub field: String,
    /// Stable code in lower_snake_case.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub detail: String,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    /// Stable, lower_snake_case; `docs/errors.md` lists them.
    pub code: Cow<'static, str>,
    /// A sentence for people. Nothing internal.
    pub detail: Cow<'static, str>,
    /// All faulty fields at once.
    pub fields: Vec<FieldProblem>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// The limit that was reached.
    pub quota: Option<Box<Quota>>,
}

/// A limit that was reached, as the `RateLimit` header fields say it (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Letters, digits, `-` and `:`.
    pub name: &'static str,
    pub tries: u32,
    pub window: Duration,
}

impl Problem {
    pub fn new(
        kind: Kind,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind,
            code: code.into(),
            detail: detail.into(),
            fields: Vec::new(),
            retry_after: None,
            quota: None,
        }
    }

    /// Adds a faulty field.
    #[must_use]
    pub fn with_field(
        mut self,
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        self.fields.push(FieldProblem {
            field: field.into(),
            code: code.into(),
            detail: detail.into(),
        });
        self
    }

    /// Says when to try again.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Names the limit that was reached.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = Some(Box::new(quota));
        self
    }

    /// A fault of ours: logged here, once; the caller learns nothing of its text.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = &error, "request failed");
        Self::new(
            Kind::Internal,
            "internal",
            "Something went wrong on our side.",
        )
    }

    /// A dependency that isn't there now: logged here, once.
    pub fn unavailable(dependency: &'static str, error: &(dyn Error + 'static)) -> Self {
        tracing::warn!(dependency, error = &error, "dependency unavailable");
        Self::new(
            Kind::Unavailable,
            "unavailable",
            "A part of the service is not available right now. Try again shortly.",
        )
        .with_retry_after(Duration::from_secs(1))
    }

    /// What a peer's status says, its code kept.
    #[must_use]
    pub fn from_status(status: &tonic::Status) -> Self {
        let kind = Kind::of_grpc(status.code());
        let text = |key: &str| {
            status
                .metadata()
                .get(key)
                .and_then(|value| value.to_str().ok())
        };
        // A transport failure has no code of ours, and its text is internal.
        let (code, detail) = match text(CODE_METADATA) {
            Some(code) => (code.to_owned(), status.message().to_owned()),
            None => match kind {
                Kind::Timeout => ("timeout".into(), "No answer in time.".into()),
                Kind::Unavailable => (
                    "unavailable".into(),
                    "A part of the service is not available right now. Try again shortly.".into(),
                ),
                _ => ("internal".into(), kind.title().to_owned()),
            },
        };
        let mut problem = Self::new(kind, code, detail);
        problem.retry_after = text(RETRY_AFTER_METADATA)
            .and_then(|ms| ms.parse().ok())
            .map(Duration::from_millis);
        problem
    }

    /// What our own caller is told when `peer` refused a call that we made for them. What is between
    /// services, such as an identity that isn't trusted, is our fault and not theirs.
    #[must_use]
    pub fn from_peer(peer: &'static str, status: &tonic::Status) -> Self {
        let problem = Self::from_status(status);
        match problem.kind {
            Kind::Unavailable | Kind::Timeout => Self::unavailable(peer, status),
            Kind::RateLimited => problem,
            Kind::Unauthenticated if problem.code.starts_with("token_") => problem,
            _ => Self::internal(status),
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unavailable | Kind::Timeout | Kind::RateLimited
        )
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl Error for Problem {}

/// The body of a refusal: `application/problem+json` (RFC 9457) with a stable `code`, the id of the
/// trace, and the faulty fields.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// `urn:parlance:problem:<code>`.
    pub r#type: String,
    pub title: String,
    /// HTTP status.
    pub status: u16,
    pub detail: String,
    /// Stable, lower_snake_case.
    pub code: String,
    /// Names this request in the logs and traces of the deployment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<FieldProblem>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.http();
        let context = tracing::Span::current().context();
        let span = context.span();
        let trace = span.span_context();
        let body = ProblemBody {
            r#type: format!("urn:parlance:problem:{}", self.code),
            title: self.kind.title().to_owned(),
            status: status.as_u16(),
            detail: self.detail.into_owned(),
            code: self.code.into_owned(),
            trace_id: trace.is_valid().then(|| trace.trace_id().to_string()),
            errors: self.fields,
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(after) = self.retry_after {
            // Retry-After counts whole seconds (RFC 9110, section 10.2.3).
            let seconds = after.as_millis().div_ceil(1_000).max(1) as u64;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            if let Some(quota) = self.quota {
                let fields = [
                    (
                        RATE_LIMIT_POLICY,
                        format!(
                            "\"{}\";q={};w={}",
                            quota.name,
                            quota.tries,
                            quota.window.as_secs()
                        ),
                    ),
                    (RATE_LIMIT, format!("\"{}\";r=0;t={seconds}", quota.name)),
                ];
                for (name, value) in fields {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        headers.insert(name, value);
                    }
                }
            }
        }
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Problem> for tonic::Status {
    fn from(problem: Problem) -> Self {
        let mut status = Self::new(problem.kind.grpc(), problem.detail.as_ref());
        let metadata = status.metadata_mut();
        if let Ok(code) = problem.code.parse() {
            metadata.insert(CODE_METADATA, code);
        }
        if let Some(after) = problem.retry_after
            && let Ok(ms) = after.as_millis().to_string().parse()
        {
            metadata.insert(RETRY_AFTER_METADATA, ms);
        }
        for field in problem.fields {
            if let Ok(text) = format!("{}: {}", field.field, field.code).parse() {
                metadata.append("x-parlance-field", text);
            }
        }
        status
    }
}

/// The status of a gRPC call as a label of metrics: the name in gRPC's documentation, in lower case.
#[must_use]
pub const fn grpc_code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_the_way_over_grpc() {
        let problem = Problem::new(Kind::RateLimited, "rate_limited", "Slow down.")
            .with_retry_after(Duration::from_millis(250));
        let back = Problem::from_status(&tonic::Status::from(problem.clone()));
        assert_eq!(back, problem);
    }

    #[test]
    fn a_transport_failure_tells_nothing_internal() {
        let status = tonic::Status::unavailable("tcp connect error 10.0.0.7:5432");
        let problem = Problem::from_status(&status);
        assert_eq!(problem.code, "unavailable");
        assert!(!problem.detail.contains("10.0.0.7"));
    }

    #[test]
    fn a_service_that_is_not_trusted_by_its_peer_does_not_sign_people_out() {
        let told = |code: &'static str| {
            let status = Problem::new(Kind::Unauthenticated, code, "No.").into();
            Problem::from_peer("account", &status).kind
        };
        assert_eq!(told("identity_invalid"), Kind::Internal);
        assert_eq!(told("token_expired"), Kind::Unauthenticated);
    }

    #[test]
    fn a_limit_that_was_reached_is_named() {
        let response = Problem::new(Kind::RateLimited, "rate_limited", "Slow down.")
            .with_retry_after(Duration::from_millis(1_200))
            .with_quota(Quota {
                name: "conversation:changes",
                tries: 60,
                window: Duration::from_secs(30),
            })
            .into_response();
        let header = |name: HeaderName| response.headers()[name].to_str().unwrap();
        assert_eq!(header(header::RETRY_AFTER), "2");
        assert_eq!(header(RATE_LIMIT), r#""conversation:changes";r=0;t=2"#);
        assert_eq!(
            header(RATE_LIMIT_POLICY),
            r#""conversation:changes";q=60;w=30"#
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_a_second() {
        let response = Problem::new(Kind::Unavailable, "unavailable", "Later.")
            .with_retry_after(Duration::from_millis(10))
            .into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
}

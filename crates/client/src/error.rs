//! What can go wrong with a request.

use std::time::Duration;

use serde::Deserialize;

/// The answer of the SDK's calls.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server said no; [`Refusal::code`] is stable.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No answer: whether the request was carried out is unknown.
    #[error("no answer from the server")]
    NoAnswer(#[source] reqwest::Error),
    /// An answer that this version can't read.
    #[error("the server's answer can't be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address is not `http://host[:port]` or `https://…`.
    #[error("`{0}` is not the address of a server")]
    Address(String),
    /// Credentials could not be kept or read.
    #[error("the credentials can't be kept")]
    Vault(#[source] std::io::Error),
    /// A file of this machine could not be read or written.
    #[error("the file can't be read or written")]
    File(#[source] std::io::Error),
    /// The bytes that arrived are not the file that was announced.
    #[error("the file arrived damaged")]
    Damaged,
}

impl Error {
    /// The stable code of a refusal; `docs/errors.md` lists them.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.status, 429 | 502 | 503 | 504),
            Self::NoAnswer(_) => true,
            _ => false,
        }
    }
}

/// A refusal of the server: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable, lower_snake_case.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// Names the request in the logs of the deployment.
    pub trace_id: Option<String>,
    /// All faulty fields.
    pub fields: Vec<FieldProblem>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// One faulty field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldProblem {
    pub field: String,
    pub code: String,
    pub detail: String,
}

#[derive(Deserialize)]
struct ProblemBody {
    code: String,
    #[serde(default)]
    detail: String,
    trace_id: Option<String>,
    #[serde(default)]
    errors: Vec<FieldProblem>,
}

impl Refusal {
    /// Reads the refusal in an answer whose status is not a success.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        // Proxies answer with pages of their own; then the status is all there is.
        let body = response
            .bytes()
            .await
            .ok()
            .and_then(|bytes| serde_json::from_slice::<ProblemBody>(&bytes).ok())
            .unwrap_or_else(|| ProblemBody {
                code: format!("http_{}", status.as_u16()),
                detail: format!("The server answered {status}."),
                trace_id: None,
                errors: Vec::new(),
            });
        Self {
            status: status.as_u16(),
            code: body.code,
            detail: body.detail,
            trace_id: body.trace_id,
            fields: body.errors,
            retry_after,
        }
    }
}

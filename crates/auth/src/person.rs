use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use ids::{SessionId, UserId};
use problem::{Kind, Problem};
use tonic::metadata::MetadataMap;

use crate::token::TokenVerifier;

/// Somebody whose access token was verified. As an axum extractor it needs a [`TokenVerifier`] in
/// the state; it refuses with `token_missing`, `token_invalid`, `token_expired` or `session_ended`.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    pub user: UserId,
    pub session: SessionId,
    /// When the token expires, in Unix seconds.
    pub expires_unix_s: u64,
    /// The token itself, to pass on to peers.
    pub token: String,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person")
            .field("user", &self.user)
            .field("session", &self.session)
            .field("expires_unix_s", &self.expires_unix_s)
            .finish_non_exhaustive()
    }
}

impl<S> FromRequestParts<S> for Person
where
    S: Send + Sync,
    TokenVerifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(http::header::AUTHORIZATION)
            .map(http::HeaderValue::as_bytes);
        let token = bearer(header)?;
        TokenVerifier::from_ref(state).verify(token).await
    }
}

/// The person of a gRPC call, by its `authorization` metadata.
///
/// # Errors
/// `token_missing`, `token_invalid`, `token_expired`, `session_ended`, or `unavailable`.
pub async fn person_from_metadata(
    verifier: &TokenVerifier,
    metadata: &MetadataMap,
) -> Result<Person, Problem> {
    let header = metadata
        .get("authorization")
        .map(tonic::metadata::MetadataValue::as_bytes);
    verifier.verify(bearer(header)?).await
}

/// The token of `Bearer <token>` (RFC 6750); the scheme's case does not matter.
fn bearer(header: Option<&[u8]>) -> Result<&str, Problem> {
    let missing = || {
        Problem::new(
            Kind::Unauthenticated,
            "token_missing",
            "An access token is needed, as `Authorization: Bearer …`.",
        )
    };
    let text = std::str::from_utf8(header.ok_or_else(missing)?).map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(missing());
    }
    Ok(token.trim())
}

#[cfg(test)]
mod tests {
    use clock::Clock;

    use super::*;
    use crate::Jwks;

    #[derive(Clone)]
    struct App(TokenVerifier);

    impl FromRef<App> for TokenVerifier {
        fn from_ref(app: &App) -> Self {
            app.0.clone()
        }
    }

    #[tokio::test]
    async fn a_bare_user_id_is_nobody() {
        let clock = Clock::system();
        let app = App(TokenVerifier::with_keys(
            "parlance",
            "parlance",
            &Jwks::default(),
            clock.clone(),
        ));
        let id = UserId::generate(&clock).to_string();
        for (name, value) in [
            ("x-user-id", id.clone()),
            ("x-parlance-user", id.clone()),
            ("authorization", id.clone()),
            ("authorization", format!("Basic {id}")),
            ("authorization", "Bearer ".to_owned()),
        ] {
            let (mut parts, ()) = http::Request::builder()
                .header(name, value)
                .body(())
                .unwrap()
                .into_parts();
            let refused = Person::from_request_parts(&mut parts, &app).await;
            assert_eq!(refused.unwrap_err().code, "token_missing", "{name}");
        }
        let mut metadata = MetadataMap::new();
        metadata.insert("x-user-id", id.parse().unwrap());
        let refused = person_from_metadata(&app.0, &metadata).await;
        assert_eq!(refused.unwrap_err().code, "token_missing");
        metadata.insert("authorization", format!("Bearer {id}").parse().unwrap());
        let refused = person_from_metadata(&app.0, &metadata).await;
        assert_eq!(refused.unwrap_err().code, "token_invalid");
    }

    #[test]
    fn a_token_is_not_printed() {
        let clock = Clock::system();
        let person = Person {
            user: UserId::generate(&clock),
            session: SessionId::generate(&clock),
            expires_unix_s: 0,
            token: "s3cret".to_owned(),
        };
        assert!(!format!("{person:?}").contains("s3cret"));
    }
}

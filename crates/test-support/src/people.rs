use std::time::Duration;

use auth::{AccessClaims, Jwks, KeyPair, TOKEN_TYPE, TokenSettings};
use axum::routing::get;
use axum::{Json, Router};
use clock::Clock;
use ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm, Header};
use tokio::net::TcpListener;

const ISSUER: &str = "parlance";

/// Signs people in, and publishes the key that proves it, as the account service does.
#[derive(Debug, Clone)]
pub struct People {
    key: KeyPair,
    clock: Clock,
    jwks_url: String,
}

/// Somebody with an access token.
#[derive(Debug, Clone)]
pub struct TestPerson {
    pub user: UserId,
    pub session: SessionId,
    pub token: String,
}

impl People {
    /// Publishes a new key for as long as the test's runtime lives.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let key = KeyPair::generate().expect("the system has randomness");
        let jwks = Jwks {
            keys: vec![key.jwk()],
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().route("/jwks.json", get(move || async move { Json(jwks) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            key,
            clock: Clock::system(),
            jwks_url: format!("http://{address}/jwks.json"),
        }
    }

    /// The `[tokens]` section of a service that believes these tokens.
    #[must_use]
    pub fn settings(&self) -> TokenSettings {
        TokenSettings {
            issuer: ISSUER.to_owned(),
            audience: ISSUER.to_owned(),
            jwks_url: self.jwks_url.clone(),
        }
    }

    /// Somebody new, signed in for ten minutes.
    #[must_use]
    pub fn person(&self) -> TestPerson {
        let user = UserId::generate(&self.clock);
        let session = SessionId::generate(&self.clock);
        TestPerson {
            user,
            session,
            token: self.token(user, session, Duration::from_secs(600)),
        }
    }

    /// A token whose life began when its end was `lifetime` away; zero is one that has just expired.
    ///
    /// # Panics
    /// Never: the key signs and the claims are JSON.
    #[must_use]
    pub fn token(&self, user: UserId, session: SessionId, lifetime: Duration) -> String {
        let now = self.clock.unix_ms() / 1_000;
        // Beyond the leeway for clocks that are apart.
        let iat = if lifetime.is_zero() { now - 60 } else { now };
        let exp = iat
            + if lifetime.is_zero() {
                1
            } else {
                lifetime.as_secs()
            };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.key.kid());
        let claims = AccessClaims {
            sub: user,
            sid: session,
            exp,
            iat,
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            nbf: None,
            jti: None,
            client_id: None,
        };
        jsonwebtoken::encode(&header, &claims, &self.key.encoding_key())
            .expect("the key signs and the claims are JSON")
    }
}

impl TestPerson {
    /// A gRPC request with this person's token.
    ///
    /// # Panics
    /// Never: a token is a header value.
    pub fn request<T>(&self, body: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(body);
        let value = format!("Bearer {}", self.token);
        request.metadata_mut().insert(
            "authorization",
            value.parse().expect("a token is a header value"),
        );
        request
    }

    /// The person as a service knows them, to call a peer on their behalf.
    #[must_use]
    pub fn verified(&self) -> auth::Person {
        auth::Person {
            user: self.user,
            session: self.session,
            expires_unix_s: u64::MAX,
            token: self.token.clone(),
        }
    }
}

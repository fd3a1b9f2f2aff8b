//! Access tokens: JWTs of the profile in RFC 9068, verified with the keys that the account service
//! publishes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use clock::Clock;
use ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ended::{EndedSessions, session_ended};
use crate::keys::Jwks;
use crate::person::Person;

/// `typ` of an access token's header (RFC 9068, section 2.1).
pub const TOKEN_TYPE: &str = "at+jwt";

/// How far our clocks may be apart.
const LEEWAY_S: u64 = 5;
/// An unknown key is asked for at most this often, so that faulty tokens are no storm of requests.
const REFETCH_AT_MOST: Duration = Duration::from_secs(5);
/// Known keys are asked for again after this, so that a withdrawn one is forgotten.
const REFRESH_AFTER: Duration = Duration::from_secs(300);
/// Longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 4_096;
/// Verified tokens that are remembered.
const REMEMBERED: u64 = 100_000;

/// The `[tokens]` section of a service's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// `iss` of our tokens.
    pub issuer: String,
    /// `aud` of our tokens.
    pub audience: String,
    /// Where the account service publishes its keys.
    pub jwks_url: String,
}

/// The claims of an access token. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The person.
    pub sub: UserId,
    /// The login session; the token is worth nothing once that has ended.
    pub sid: SessionId,
    pub exp: u64,
    pub iat: u64,
    pub iss: String,
    pub aud: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Names this one token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The program that it was given to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Verifies access tokens. Cheap to clone; clones share keys and memory.
///
/// A signature is checked once: what was found good is remembered by the hash of the token until
/// it expires. Keys that are known stay good while the account service is away.
#[derive(Clone)]
pub struct TokenVerifier {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    audience: String,
    clock: Clock,
    keys: Keys,
    good: moka::sync::Cache<[u8; 32], Arc<AccessClaims>>,
    ended: EndedSessions,
}

impl TokenVerifier {
    /// Fetches the keys when the first token comes.
    #[must_use]
    pub fn new(settings: TokenSettings) -> Self {
        Self::with_clock(settings, Clock::system())
    }

    /// [`TokenVerifier::new`] at a time of one's own.
    #[must_use]
    pub fn with_clock(settings: TokenSettings, clock: Clock) -> Self {
        let keys = Keys::published_at(settings.jwks_url);
        Self::build(settings.issuer, settings.audience, clock, keys)
    }

    /// For the account service itself, which has the keys.
    #[must_use]
    pub fn with_keys(issuer: &str, audience: &str, jwks: &Jwks, clock: Clock) -> Self {
        Self::build(
            issuer.to_owned(),
            audience.to_owned(),
            clock,
            Keys::fixed(jwks),
        )
    }

    /// Takes other keys, where they are not fetched. What was signed with a key that is gone stays
    /// good until it expires if it was seen before.
    pub fn set_keys(&self, jwks: &Jwks) {
        let mut known = self
            .inner
            .keys
            .known
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.by_kid = Arc::new(read(jwks));
    }

    fn build(issuer: String, audience: String, clock: Clock, keys: Keys) -> Self {
        Self {
            inner: Arc::new(Inner {
                issuer,
                audience,
                clock,
                keys,
                good: moka::sync::Cache::builder()
                    .max_capacity(REMEMBERED)
                    .time_to_live(Duration::from_secs(3_600))
                    .build(),
                ended: EndedSessions::default(),
            }),
        }
    }

    /// The sessions whose tokens it refuses. Nobody follows them of itself: see [`EndedSessions::follow`].
    #[must_use]
    pub fn ended_sessions(&self) -> EndedSessions {
        self.inner.ended.clone()
    }

    /// The person whose token this is.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`, `session_ended`, or `unavailable` when its key can't be fetched now.
    pub async fn verify(&self, token: &str) -> Result<Person, Problem> {
        let claims = self.claims(token).await?;
        if self.inner.ended.contains(claims.sid) {
            return Err(session_ended());
        }
        Ok(Person {
            user: claims.sub,
            session: claims.sid,
            expires_unix_s: claims.exp,
            token: token.to_owned(),
        })
    }

    async fn claims(&self, token: &str) -> Result<Arc<AccessClaims>, Problem> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid());
        }
        let inner = &*self.inner;
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(claims) = inner.good.get(&hash) {
            if let Err(problem) = self.check_time(&claims) {
                inner.good.invalidate(&hash);
                return Err(problem);
            }
            return Ok(claims);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        // RFC 7515: an extension that must be understood, and isn't, makes a token invalid.
        let ours = header.alg == Algorithm::EdDSA
            && header.typ.as_deref().is_some_and(is_access_token_type)
            && header.crit.is_none();
        let (true, Some(kid)) = (ours, header.kid) else {
            return Err(invalid());
        };
        let key = inner.keys.find(&kid).await?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&inner.issuer]);
        validation.set_audience(&[&inner.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked below, by our own clock.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &key, &validation)
            .map_err(|error| {
                if matches!(error.kind(), ErrorKind::InvalidSignature) {
                    tracing::debug!(kid, "a token's signature is wrong");
                }
                invalid()
            })?
            .claims;
        self.check_time(&claims)?;
        let claims = Arc::new(claims);
        inner.good.insert(hash, claims.clone());
        Ok(claims)
    }

    fn check_time(&self, claims: &AccessClaims) -> Result<(), Problem> {
        let now = self.inner.clock.unix_ms() / 1_000;
        if claims.exp.saturating_add(LEEWAY_S) <= now {
            return Err(Problem::new(
                Kind::Unauthenticated,
                "token_expired",
                "The access token has expired. Refresh it.",
            ));
        }
        let latest = now + LEEWAY_S;
        if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
            return Err(invalid());
        }
        Ok(())
    }
}

/// Media types are compared without case, and `application/` may be left out (RFC 7515, 4.1.9).
fn is_access_token_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case(TOKEN_TYPE) || typ.eq_ignore_ascii_case("application/at+jwt")
}

fn invalid() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "token_invalid",
        "The access token is not valid.",
    )
}

/// The keys of the account service.
struct Keys {
    known: RwLock<Known>,
    /// Held while fetching: one request at a time, and the others wait for its outcome.
    fetching: Mutex<()>,
    /// `None`: the keys are what they are.
    source: Option<(String, reqwest::Client)>,
}

#[derive(Default)]
struct Known {
    by_kid: Arc<HashMap<String, DecodingKey>>,
    fetched: Option<Instant>,
    /// The last attempt, and whether it succeeded.
    tried: Option<(Instant, bool)>,
}

impl Keys {
    fn fixed(jwks: &Jwks) -> Self {
        Self {
            known: RwLock::new(Known {
                by_kid: Arc::new(read(jwks)),
                ..Known::default()
            }),
            fetching: Mutex::new(()),
            source: None,
        }
    }

    fn published_at(url: String) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            // Keys come from where we were told, not from where somebody sends us.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client without certificates of its own can be built");
        Self {
            known: RwLock::default(),
            fetching: Mutex::new(()),
            source: Some((url, http)),
        }
    }

    async fn find(&self, kid: &str) -> Result<DecodingKey, Problem> {
        let (key, stale) = self.look(kid);
        if let Some(key) = key {
            if stale && let Ok(_one) = self.fetching.try_lock() {
                // Its failure changes nothing: the key is known.
                let _ = self.fetch_unless_tried().await;
                return self.look(kid).0.ok_or_else(invalid);
            }
            return Ok(key);
        }
        let _one = self.fetching.lock().await;
        if let Some(key) = self.look(kid).0 {
            return Ok(key);
        }
        let fetched = self.fetch_unless_tried().await;
        match self.look(kid).0 {
            Some(key) => Ok(key),
            None if fetched => Err(invalid()),
            None => Err(Problem::new(
                Kind::Unavailable,
                "unavailable",
                "The access token can't be checked right now. Try again shortly.",
            )
            .with_retry_after(REFETCH_AT_MOST)),
        }
    }

    fn look(&self, kid: &str) -> (Option<DecodingKey>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let stale = self.source.is_some()
            && known
                .fetched
                .is_none_or(|fetched| fetched.elapsed() > REFRESH_AFTER);
        (known.by_kid.get(kid).cloned(), stale)
    }

    /// Whether the last attempt, now or a moment ago, succeeded.
    async fn fetch_unless_tried(&self) -> bool {
        let Some((url, http)) = &self.source else {
            return true;
        };
        let tried = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tried;
        if let Some((at, succeeded)) = tried
            && at.elapsed() < REFETCH_AT_MOST
        {
            return succeeded;
        }
        let outcome = fetch(http, url).await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.tried = Some((now, outcome.is_ok()));
        match outcome {
            Ok(keys) => {
                known.by_kid = Arc::new(keys);
                known.fetched = Some(now);
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    known = known.by_kid.len(),
                    "the published keys can't be fetched; going on with those that are known"
                );
                false
            }
        }
    }
}

async fn fetch(
    http: &reqwest::Client,
    url: &str,
) -> Result<HashMap<String, DecodingKey>, reqwest::Error> {
    let answer = http.get(url).send().await?.error_for_status()?;
    Ok(read(&answer.json::<Jwks>().await?))
}

fn read(jwks: &Jwks) -> HashMap<String, DecodingKey> {
    jwks.keys
        .iter()
        .filter_map(crate::keys::Jwk::decoding_key)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::get;
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;
    use crate::KeyPair;

    const NOW_S: u64 = 1_800_000_000;

    struct Account {
        key: KeyPair,
        clock: Clock,
        verifier: TokenVerifier,
    }

    fn account() -> Account {
        let key = KeyPair::generate().unwrap();
        let clock = Clock::manual(NOW_S * 1_000);
        let jwks = Jwks {
            keys: vec![key.jwk()],
        };
        Account {
            verifier: TokenVerifier::with_keys("parlance", "parlance", &jwks, clock.clone()),
            key,
            clock,
        }
    }

    impl Account {
        fn claims(&self) -> Value {
            json!({
                "sub": UserId::generate(&self.clock),
                "sid": SessionId::generate(&self.clock),
                "iss": "parlance", "aud": "parlance",
                "iat": NOW_S, "exp": NOW_S + 600,
            })
        }

        fn header(&self) -> Header {
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = Some(TOKEN_TYPE.to_owned());
            header.kid = Some(self.key.kid());
            header
        }

        fn sign(&self, header: &Header, claims: &Value) -> String {
            encode(header, claims, &self.key.encoding_key()).unwrap()
        }

        async fn code(&self, token: &str) -> String {
            match self.verifier.verify(token).await {
                Ok(_) => "good".to_owned(),
                Err(problem) => problem.code.into_owned(),
            }
        }
    }

    #[tokio::test]
    async fn a_good_token_names_its_person_and_session() {
        let account = account();
        let claims = account.claims();
        let token = account.sign(&account.header(), &claims);
        for _ in 0..2 {
            let person = account.verifier.verify(&token).await.unwrap();
            assert_eq!(json!(person.user), claims["sub"]);
            assert_eq!(json!(person.session), claims["sid"]);
            assert_eq!(person.expires_unix_s, NOW_S + 600);
        }
    }

    #[tokio::test]
    async fn a_token_without_a_signature_is_refused() {
        let account = account();
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = part(&account.claims());
        for alg in ["none", "None", "NONE"] {
            let header = part(&json!({"alg": alg, "typ": "at+jwt", "kid": account.key.kid()}));
            assert_eq!(
                account.code(&format!("{header}.{claims}.")).await,
                "token_invalid"
            );
        }
        let stripped = account.sign(&account.header(), &account.claims());
        let stripped = stripped.rsplit_once('.').unwrap().0;
        assert_eq!(account.code(&format!("{stripped}.")).await, "token_invalid");
        assert_eq!(account.code("").await, "token_invalid");
    }

    #[tokio::test]
    async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
        let account = account();
        let mut header = account.header();
        header.alg = Algorithm::HS256;
        let x = account.key.jwk().x.unwrap();
        for secret in [
            account.key.public_pem().into_bytes(),
            BASE64_URL_SAFE_NO_PAD.decode(&x).unwrap(),
            x.into_bytes(),
        ] {
            let token = encode(
                &header,
                &account.claims(),
                &EncodingKey::from_secret(&secret),
            )
            .unwrap();
            assert_eq!(account.code(&token).await, "token_invalid");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_key_or_with_changed_claims_is_refused() {
        let account = account();
        let other = KeyPair::generate().unwrap();
        let forged = encode(&account.header(), &account.claims(), &other.encoding_key()).unwrap();
        assert_eq!(account.code(&forged).await, "token_invalid");

        let good = account.sign(&account.header(), &account.claims());
        let parts: Vec<&str> = good.split('.').collect();
        let claims = BASE64_URL_SAFE_NO_PAD.encode(account.claims().to_string());
        let changed = format!("{}.{}.{}", parts[0], claims, parts[2]);
        assert_eq!(account.code(&changed).await, "token_invalid");
    }

    #[tokio::test]
    async fn a_token_with_a_faulty_header_is_refused() {
        type Change = fn(&mut Header);
        let account = account();
        let claims = account.claims();
        let changes: [(&str, Change); 5] = [
            ("no typ", |h| h.typ = None),
            ("another typ", |h| h.typ = Some("JWT".into())),
            ("no kid", |h| h.kid = None),
            ("unknown kid", |h| h.kid = Some("other".into())),
            ("crit", |h| h.crit = Some(vec!["exp".into()])),
        ];
        for (name, change) in changes {
            let mut header = account.header();
            change(&mut header);
            let token = account.sign(&header, &claims);
            assert_eq!(account.code(&token).await, "token_invalid", "{name}");
        }
    }

    #[tokio::test]
    async fn a_token_with_faulty_claims_is_refused() {
        let account = account();
        for (name, key, value, code) in [
            ("wrong iss", "iss", json!("other"), "token_invalid"),
            ("wrong aud", "aud", json!("other"), "token_invalid"),
            ("no iss", "iss", Value::Null, "token_invalid"),
            ("no aud", "aud", Value::Null, "token_invalid"),
            ("no sub", "sub", Value::Null, "token_invalid"),
            ("sub not an id", "sub", json!("root"), "token_invalid"),
            ("no sid", "sid", Value::Null, "token_invalid"),
            ("no exp", "exp", Value::Null, "token_invalid"),
            ("expired", "exp", json!(NOW_S - 60), "token_expired"),
            ("from the future", "iat", json!(NOW_S + 60), "token_invalid"),
            ("not yet", "nbf", json!(NOW_S + 60), "token_invalid"),
        ] {
            let mut claims = account.claims();
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(key)),
                value => claims[key] = value,
            }
            let token = account.sign(&account.header(), &claims);
            assert_eq!(account.code(&token).await, code, "{name}");
        }
    }

    #[tokio::test]
    async fn a_remembered_token_still_expires() {
        let account = account();
        let token = account.sign(&account.header(), &account.claims());
        assert_eq!(account.code(&token).await, "good");
        account.clock.advance(Duration::from_secs(606));
        assert_eq!(account.code(&token).await, "token_expired");
    }

    /// An account service whose published keys can be changed and whose requests are counted.
    async fn publish(jwks: Arc<RwLock<Option<Jwks>>>) -> (String, Arc<AtomicUsize>) {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let router = Router::new().route(
            "/jwks.json",
            get(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let jwks = jwks.read().unwrap().clone();
                async move { jwks.map(axum::Json).ok_or(http::StatusCode::BAD_GATEWAY) }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, requests)
    }

    fn following(account: &Account, url: String) -> TokenVerifier {
        TokenVerifier::with_clock(
            TokenSettings {
                issuer: "parlance".into(),
                audience: "parlance".into(),
                jwks_url: url,
            },
            account.clock.clone(),
        )
    }

    #[tokio::test]
    async fn keys_are_fetched_once_however_many_tokens_come() {
        let account = account();
        let jwks = Arc::new(RwLock::new(Some(Jwks {
            keys: vec![account.key.jwk()],
        })));
        let (url, requests) = publish(jwks).await;
        let verifier = following(&account, url);
        let mut checks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let token = account.sign(&account.header(), &account.claims());
            let verifier = verifier.clone();
            checks.spawn(async move { verifier.verify(&token).await.unwrap() });
        }
        checks.join_all().await;
        assert_eq!(requests.load(Ordering::SeqCst), 1);

        let mut header = account.header();
        for n in 0..50 {
            header.kid = Some(format!("unknown-{n}"));
            let token = account.sign(&header, &account.claims());
            assert_eq!(
                verifier.verify(&token).await.unwrap_err().code,
                "token_invalid"
            );
        }
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_is_not_invalid_because_its_key_can_not_be_fetched() {
        let account = account();
        let jwks = Arc::new(RwLock::new(None));
        let (url, _) = publish(jwks.clone()).await;
        let verifier = following(&account, url);
        let token = account.sign(&account.header(), &account.claims());
        assert_eq!(
            verifier.verify(&token).await.unwrap_err().code,
            "unavailable"
        );
    }

    #[tokio::test]
    async fn known_keys_stay_good_while_the_account_service_is_away() {
        let account = account();
        let jwks = Arc::new(RwLock::new(Some(Jwks {
            keys: vec![account.key.jwk()],
        })));
        let (url, requests) = publish(jwks.clone()).await;
        let verifier = following(&account, url);
        let token = account.sign(&account.header(), &account.claims());
        verifier.verify(&token).await.unwrap();
        *jwks.write().unwrap() = None;
        // As if the keys were old, and the last attempt too.
        {
            let mut known = verifier.inner.keys.known.write().unwrap();
            known.fetched = None;
            known.tried = None;
        }
        let another = account.sign(&account.header(), &account.claims());
        verifier.verify(&another).await.unwrap();
        assert_eq!(requests.load(Ordering::SeqCst), 2);
    }
}

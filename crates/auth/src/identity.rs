//! Identities of services: who may call an internal port.
//!
//! A caller signs a token of a minute for the service that it calls; that one verifies it with the
//! caller's public key, which its settings name. So a stolen token opens one door for a minute,
//! and a service can only be what its key says.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::keys::{self, KeyError, KeyPair};

/// Metadata key of a calling service's token.
pub const IDENTITY_METADATA: &str = "x-parlance-identity";

/// `typ` of such a token, so that it can't be taken for one of a person, nor the other way round.
const TYPE: &str = "parlance-identity+jwt";
const LIFETIME_S: u64 = 60;
const LEEWAY_S: u64 = 5;

/// The `[identity]` section of a service's settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// The name of this service, as its peers know it.
    #[serde(default)]
    pub service: String,
    /// The Ed25519 key that says so: PKCS#8 in PEM. Empty: this service calls no peer.
    #[serde(default)]
    pub signing_key_file: String,
    /// Public keys (PEM) of the services that may call here, by name. An empty path: not trusted.
    #[serde(default)]
    pub trusted: BTreeMap<String, String>,
}

/// Keys of the settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("`identity.service` is empty")]
    NoName,
    #[error("key file {path:?} can't be read: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("key file {path:?}: {source}")]
    Key { path: PathBuf, source: KeyError },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct IdentityClaims {
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
}

/// What this service is, and whom it knows. Cheap to clone.
#[derive(Clone)]
pub struct ServiceIdentity {
    inner: Arc<Inner>,
}

struct Inner {
    service: String,
    key: Option<EncodingKey>,
    trusted: HashMap<String, DecodingKey>,
    clock: Clock,
    /// By target: the token, and the Unix second from which a new one is made.
    tokens: Mutex<HashMap<&'static str, (String, u64)>>,
    /// By hash of the token: the caller, and when the token expires.
    good: moka::sync::Cache<[u8; 32], (Arc<str>, u64)>,
}

impl ServiceIdentity {
    /// # Errors
    /// When a key file can't be used, or the service has no name.
    pub fn new(settings: IdentitySettings) -> Result<Self, IdentityError> {
        Self::with_clock(settings, Clock::system())
    }

    /// [`ServiceIdentity::new`] at a time of one's own.
    ///
    /// # Errors
    /// As [`ServiceIdentity::new`].
    pub fn with_clock(settings: IdentitySettings, clock: Clock) -> Result<Self, IdentityError> {
        if settings.service.is_empty() {
            return Err(IdentityError::NoName);
        }
        let key = match settings.signing_key_file.as_str() {
            "" => None,
            path => Some(read(path, |pem| {
                KeyPair::from_pem(pem).map(|pair| pair.encoding_key())
            })?),
        };
        let mut trusted = HashMap::new();
        for (name, path) in settings.trusted {
            if !path.is_empty() {
                trusted.insert(name, read(&path, keys::decoding_key_from_pem)?);
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                service: settings.service,
                key,
                trusted,
                clock,
                tokens: Mutex::default(),
                good: moka::sync::Cache::builder()
                    .max_capacity(1_000)
                    .time_to_live(Duration::from_secs(LIFETIME_S))
                    .build(),
            }),
        })
    }

    /// The name of this service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// A token for calls to `target`, used again for half its life. Empty if this service has no
    /// key: its peers will refuse it.
    #[must_use]
    pub fn token_for(&self, target: &'static str) -> String {
        let inner = &*self.inner;
        let Some(key) = &inner.key else {
            tracing::error!(
                target,
                "no signing key: `identity.signing_key_file` is empty"
            );
            return String::new();
        };
        let now = inner.clock.unix_ms() / 1_000;
        let mut tokens = inner.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, renew_at)) = tokens.get(target)
            && now < *renew_at
        {
            return token.clone();
        }
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        let claims = IdentityClaims {
            iss: inner.service.clone(),
            aud: target.to_owned(),
            iat: now,
            exp: now + LIFETIME_S,
        };
        let token = jsonwebtoken::encode(&header, &claims, key)
            .expect("a key that was read signs, and the claims are JSON");
        tokens.insert(target, (token.clone(), now + LIFETIME_S / 2));
        token
    }

    /// The service that calls, if it is one of `allowed`.
    ///
    /// # Errors
    /// `identity_missing`, `identity_invalid`, or `identity_forbidden`.
    pub fn verify(&self, metadata: &MetadataMap, allowed: &[&str]) -> Result<String, Problem> {
        let token = metadata
            .get(IDENTITY_METADATA)
            .and_then(|value| value.to_str().ok())
            .filter(|token| !token.is_empty())
            .ok_or_else(|| {
                Problem::new(
                    Kind::Unauthenticated,
                    "identity_missing",
                    "This port is for services with an identity.",
                )
            })?;
        let caller = self.caller(token)?;
        if !allowed.contains(&&*caller) {
            return Err(Problem::new(
                Kind::PermissionDenied,
                "identity_forbidden",
                "This service may not make that call.",
            ));
        }
        Ok(caller.to_string())
    }

    fn caller(&self, token: &str) -> Result<Arc<str>, Problem> {
        let inner = &*self.inner;
        let now = inner.clock.unix_ms() / 1_000;
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some((caller, exp)) = inner.good.get(&hash)
            && now < exp + LEEWAY_S
        {
            return Ok(caller);
        }
        // Only to choose the key that must have signed it.
        let claimed: IdentityClaims = jsonwebtoken::dangerous::insecure_decode(token)
            .map_err(|_| identity_invalid())?
            .claims;
        let key = inner
            .trusted
            .get(&claimed.iss)
            .ok_or_else(identity_invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&claimed.iss]);
        validation.set_audience(&[&inner.service]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<IdentityClaims>(token, key, &validation)
            .map_err(|_| identity_invalid())?;
        let claims = data.claims;
        let in_time = now < claims.exp + LEEWAY_S
            && claims.iat <= now + LEEWAY_S
            // A long-lived one would be a password.
            && claims.exp <= now + LIFETIME_S + LEEWAY_S;
        if !in_time || data.header.typ.as_deref() != Some(TYPE) || data.header.crit.is_some() {
            return Err(identity_invalid());
        }
        let caller: Arc<str> = claims.iss.into();
        inner.good.insert(hash, (caller.clone(), claims.exp));
        Ok(caller)
    }
}

fn identity_invalid() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "identity_invalid",
        "The calling service's identity is not valid.",
    )
}

fn read<T>(
    path: &str,
    parse: impl FnOnce(&str) -> Result<T, KeyError>,
) -> Result<T, IdentityError> {
    let pem = std::fs::read_to_string(path).map_err(|source| IdentityError::File {
        path: path.into(),
        source,
    })?;
    parse(&pem).map_err(|source| IdentityError::Key {
        path: path.into(),
        source,
    })
}

/// The service that made an internal call, in the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(pub String);

/// Lets only `allowed` services in; a handler finds [`Caller`] in the extensions.
#[must_use]
pub fn internal_interceptor(
    identity: ServiceIdentity,
    allowed: &'static [&'static str],
) -> InternalInterceptor {
    InternalInterceptor { identity, allowed }
}

/// Made by [`internal_interceptor`].
#[derive(Clone)]
pub struct InternalInterceptor {
    identity: ServiceIdentity,
    allowed: &'static [&'static str],
}

impl Interceptor for InternalInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let caller = self.identity.verify(request.metadata(), self.allowed)?;
        request.extensions_mut().insert(Caller(caller));
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Peers {
        _folder: tempfile::TempDir,
        clock: Clock,
        gateway_key: KeyPair,
        gateway: ServiceIdentity,
        message: ServiceIdentity,
        account: ServiceIdentity,
    }

    fn peers() -> Peers {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(1_800_000_000_000);
        let keys: BTreeMap<&str, KeyPair> = ["chat-gateway", "message", "account"]
            .into_iter()
            .map(|name| (name, KeyPair::generate().unwrap()))
            .collect();
        let file = |name: String, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let identity = |service: &str, trusted: &[&str]| {
            let settings = IdentitySettings {
                service: service.to_owned(),
                signing_key_file: file(format!("{service}.key.pem"), keys[service].private_pem()),
                trusted: trusted
                    .iter()
                    .map(|name| {
                        let path = file(format!("{name}.pub.pem"), keys[*name].public_pem());
                        ((*name).to_owned(), path)
                    })
                    .collect(),
            };
            ServiceIdentity::with_clock(settings, clock.clone()).unwrap()
        };
        Peers {
            gateway: identity("chat-gateway", &[]),
            message: identity("message", &[]),
            account: identity("account", &["chat-gateway", "message"]),
            gateway_key: keys["chat-gateway"].clone(),
            clock,
            _folder: folder,
        }
    }

    fn metadata(token: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(IDENTITY_METADATA, token.parse().unwrap());
        metadata
    }

    const ALLOWED: &[&str] = &["chat-gateway"];

    impl Peers {
        fn code(&self, token: &str) -> String {
            match self.account.verify(&metadata(token), ALLOWED) {
                Ok(caller) => caller,
                Err(problem) => problem.code.into_owned(),
            }
        }

        fn sign(&self, typ: &str, claims: &serde_json::Value) -> String {
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = Some(typ.to_owned());
            jsonwebtoken::encode(&header, claims, &self.gateway_key.encoding_key()).unwrap()
        }
    }

    #[test]
    fn a_trusted_service_is_known_by_its_signature() {
        let peers = peers();
        let token = peers.gateway.token_for("account");
        assert_eq!(peers.code(&token), "chat-gateway");
        assert_eq!(peers.code(&token), "chat-gateway");
    }

    #[test]
    fn a_call_without_identity_or_with_a_bare_user_id_is_refused() {
        let peers = peers();
        let refused = peers.account.verify(&MetadataMap::new(), ALLOWED);
        assert_eq!(refused.unwrap_err().code, "identity_missing");
        let mut bare = MetadataMap::new();
        bare.insert("x-user-id", "0190".parse().unwrap());
        bare.insert("x-parlance-service", "chat-gateway".parse().unwrap());
        let refused = peers.account.verify(&bare, ALLOWED);
        assert_eq!(refused.unwrap_err().code, "identity_missing");
        assert_eq!(peers.code("chat-gateway"), "identity_invalid");
    }

    #[test]
    fn a_trusted_service_that_is_not_allowed_here_is_refused() {
        let peers = peers();
        assert_eq!(
            peers.code(&peers.message.token_for("account")),
            "identity_forbidden"
        );
    }

    #[test]
    fn a_token_for_another_service_is_refused() {
        let peers = peers();
        assert_eq!(
            peers.code(&peers.gateway.token_for("message")),
            "identity_invalid"
        );
    }

    #[test]
    fn a_service_can_not_pose_as_another() {
        let peers = peers();
        let now = peers.clock.unix_ms() / 1_000;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        let stranger = KeyPair::generate().unwrap();
        let claims = json!({"iss": "chat-gateway", "aud": "account", "iat": now, "exp": now + 60});
        let forged = jsonwebtoken::encode(&header, &claims, &stranger.encoding_key()).unwrap();
        assert_eq!(peers.code(&forged), "identity_invalid");
        let unknown = json!({"iss": "billing", "aud": "account", "iat": now, "exp": now + 60});
        assert_eq!(peers.code(&peers.sign(TYPE, &unknown)), "identity_invalid");
    }

    #[test]
    fn a_token_that_lives_too_long_or_is_of_another_kind_is_refused() {
        let peers = peers();
        let now = peers.clock.unix_ms() / 1_000;
        let claims =
            |exp: u64| json!({"iss": "chat-gateway", "aud": "account", "iat": now, "exp": exp});
        assert_eq!(
            peers.code(&peers.sign(TYPE, &claims(now + 60))),
            "chat-gateway"
        );
        assert_eq!(
            peers.code(&peers.sign(TYPE, &claims(now + 3_600))),
            "identity_invalid"
        );
        assert_eq!(
            peers.code(&peers.sign("at+jwt", &claims(now + 60))),
            "identity_invalid"
        );
    }

    #[test]
    fn a_token_is_used_again_for_half_its_life_and_then_expires() {
        let peers = peers();
        let first = peers.gateway.token_for("account");
        peers.clock.advance(Duration::from_secs(29));
        assert_eq!(peers.gateway.token_for("account"), first);
        peers.clock.advance(Duration::from_secs(1));
        assert_ne!(peers.gateway.token_for("account"), first);
        assert_eq!(peers.code(&first), "chat-gateway");
        peers.clock.advance(Duration::from_secs(35));
        assert_eq!(peers.code(&first), "identity_invalid");
    }

    #[test]
    fn the_interceptor_names_the_caller() {
        let peers = peers();
        let mut interceptor = internal_interceptor(peers.account.clone(), ALLOWED);
        let refused = interceptor.call(Request::new(())).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unauthenticated);
        let mut request = Request::new(());
        *request.metadata_mut() = metadata(&peers.gateway.token_for("account"));
        let passed = interceptor.call(request).unwrap();
        assert_eq!(
            passed.extensions().get::<Caller>(),
            Some(&Caller("chat-gateway".to_owned()))
        );
    }
}

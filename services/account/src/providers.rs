//! Other providers that people sign in by: OpenID Connect, authorization code with PKCE (RFC 7636).
//!
//! What a provider says of itself (its endpoints and keys) is fetched when it is first needed, and
//! again now and then, so that one that is away hinders nobody else.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _,
};
use problem::{Kind, Problem};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config;
use crate::domain::{Email, RandomToken};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer of a provider that is read.
const MAX_ANSWER_BYTES: usize = 1_048_576;
const REFRESH_AFTER: Duration = Duration::from_secs(600);
/// After an unknown key, what is known is fetched again at most this often.
const REFETCH_AT_MOST: Duration = Duration::from_secs(30);

/// Signatures that are taken: those with a public key. `none` and those with our own secret prove
/// nothing of the provider.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 6] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

pub struct Providers {
    by_name: BTreeMap<String, Provider>,
    http: Http,
}

/// One provider of the settings.
pub struct Provider {
    name: String,
    display_name: String,
    issuer: IssuerUrl,
    client_id: ClientId,
    secret: Option<ClientSecret>,
    scopes: Vec<Scope>,
    redirect: RedirectUrl,
    /// Held while fetching: one request at a time.
    known: Mutex<Option<Known>>,
}

struct Known {
    metadata: Arc<CoreProviderMetadata>,
    fetched: Instant,
}

/// A way to a provider, and what is remembered until its answer.
pub struct Departure {
    pub url: String,
    pub state: RandomToken,
    pub nonce: String,
    pub pkce_verifier: String,
}

/// Who somebody is at a provider, proved.
pub struct Arrival {
    /// Lasting and unique at the provider.
    pub subject: String,
    /// If the provider says that it has verified it.
    pub verified_email: Option<Email>,
    /// As the provider has it, verified or not; for people to read.
    pub email: String,
    pub name: Option<String>,
    /// When the person last proved it to the provider, in Unix seconds.
    pub authenticated_unix_s: Option<i64>,
}

/// Whether the provider must ask the person again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Who is signed in there already may be let through.
    AsNeeded,
    Again,
}

impl Providers {
    pub fn new(settings: &config::Oidc, public_url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // Answers come from where the settings say, not from where somebody sends us.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("make an HTTP client")?;
        let mut by_name = BTreeMap::new();
        for (name, settings) in &settings.providers {
            let provider = Provider::new(name, settings, public_url)
                .with_context(|| format!("`oidc.providers.{name}`"))?;
            by_name.insert(name.clone(), provider);
        }
        Ok(Self {
            by_name,
            http: Http(http),
        })
    }

    /// Names, and what people read for them.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name
            .values()
            .map(|provider| (provider.name.as_str(), provider.display_name.as_str()))
    }

    fn find(&self, name: &str) -> Result<&Provider, Problem> {
        self.by_name.get(name).ok_or_else(|| {
            Problem::new(
                Kind::NotFound,
                "provider_unknown",
                "There is no provider of this name.",
            )
        })
    }

    /// Where to send the browser.
    pub async fn depart(&self, name: &str, asked: Asked) -> Result<Departure, Problem> {
        let provider = self.find(name)?;
        let metadata = provider.metadata(&self.http, REFRESH_AFTER).await?;
        let client = provider.client(&metadata);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = RandomToken::generate();
        let text = state.expose();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(text),
                Nonce::new_random,
            )
            .add_scopes(provider.scopes.iter().cloned())
            .set_pkce_challenge(challenge);
        if asked == Asked::Again {
            request = request
                .add_prompt(CoreAuthPrompt::Login)
                .set_max_age(Duration::ZERO);
        }
        let (url, _, nonce) = request.url();
        Ok(Departure {
            url: url.into(),
            state,
            nonce: nonce.secret().clone(),
            pkce_verifier: verifier.secret().clone(),
        })
    }

    /// Exchanges the code for what it stands for, and checks that.
    ///
    /// `issuer` is the answer's `iss` (RFC 9207), if it has one.
    pub async fn arrive(
        &self,
        name: &str,
        code: &str,
        issuer: Option<&str>,
        nonce: &str,
        pkce_verifier: &str,
    ) -> Result<Arrival, Problem> {
        let provider = self.find(name)?;
        if issuer.is_some_and(|issuer| issuer != provider.issuer.as_str()) {
            return Err(failed("the answer is of another issuer"));
        }
        let metadata = provider.metadata(&self.http, REFRESH_AFTER).await?;
        let client = provider.client(&metadata);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| failed("the provider has no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier.to_owned()))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(error) => unavailable(name, &error),
                RequestTokenError::ServerResponse(answer) => {
                    tracing::warn!(provider = name, error = %answer.error(), "a code was refused");
                    failed("the code was refused")
                }
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    failed("the answer of the token endpoint can't be read")
                }
            })?;
        let id_token = tokens.id_token().ok_or_else(|| failed("no ID token"))?;
        let nonce = Nonce::new(nonce.to_owned());
        // A key that is not known may be a new one.
        let metadata = match id_token.claims(
            &client.id_token_verifier().set_allowed_algs(ALGORITHMS),
            &nonce,
        ) {
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                provider.metadata(&self.http, REFETCH_AT_MOST).await?
            }
            _ => metadata.clone(),
        };
        let client = provider.client(&metadata);
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let claims = id_token.claims(&verifier, &nonce).map_err(|error| {
            tracing::warn!(
                provider = name,
                error = &error as &dyn std::error::Error,
                "an ID token was refused"
            );
            failed("the ID token is not valid")
        })?;
        if let Some(expected) = claims.access_token_hash() {
            let signing = id_token
                .signing_alg()
                .ok()
                .zip(id_token.signing_key(&verifier).ok());
            let actual = signing.and_then(|(algorithm, key)| {
                AccessTokenHash::from_token(tokens.access_token(), algorithm, key).ok()
            });
            if actual.as_ref() != Some(expected) {
                return Err(failed("the access token is not the ID token's"));
            }
        }
        let mut arrival = Arrival {
            subject: claims.subject().as_str().to_owned(),
            verified_email: None,
            email: String::new(),
            name: claims
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.as_str().to_owned()),
            authenticated_unix_s: claims.auth_time().map(|time| time.timestamp()),
        };
        if arrival.subject.is_empty() || arrival.subject.len() > 255 {
            return Err(failed("the subject is empty or too long"));
        }
        arrival.take_email(
            claims.email().map(|email| email.as_str()),
            claims.email_verified(),
        );
        if arrival.email.is_empty()
            && let Ok(request) = client.user_info(
                tokens.access_token().clone(),
                // Another person's would be refused.
                Some(claims.subject().clone()),
            )
        {
            let info: CoreUserInfoClaims =
                request.request_async(&self.http).await.map_err(|error| {
                    tracing::warn!(
                        provider = name,
                        error = &error as &dyn std::error::Error,
                        "the person's claims can't be read"
                    );
                    failed("the person's claims can't be read")
                })?;
            arrival.take_email(
                info.email().map(|email| email.as_str()),
                info.email_verified(),
            );
            if arrival.name.is_none() {
                arrival.name = info
                    .name()
                    .and_then(|name| name.get(None))
                    .map(|name| name.as_str().to_owned());
            }
        }
        Ok(arrival)
    }
}

impl Arrival {
    fn take_email(&mut self, email: Option<&str>, verified: Option<bool>) {
        let Some(email) = email.and_then(|email| Email::parse(email).ok()) else {
            return;
        };
        self.email = email.as_str().to_owned();
        self.verified_email = (verified == Some(true)).then_some(email);
    }
}

/// What the metadata of a provider makes of a client.
type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

impl Provider {
    fn new(name: &str, settings: &config::Provider, public_url: &str) -> anyhow::Result<Self> {
        ensure!(
            (1..=32).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "a name has 1 to 32 characters of a-z, 0-9 and `-`"
        );
        let issuer = IssuerUrl::new(settings.issuer.clone()).context("`issuer` is no URL")?;
        let loopback = matches!(
            issuer.url().host_str(),
            Some("localhost" | "127.0.0.1" | "[::1]")
        );
        ensure!(
            issuer.url().scheme() == "https" || loopback,
            "`issuer` must be reached by https"
        );
        let secret = match (&settings.client_secret, &settings.client_secret_file) {
            (Some(secret), None) => Some(secret.expose().to_owned()),
            (None, Some(path)) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("read {path:?}"))?
                    .trim_end()
                    .to_owned(),
            ),
            (None, None) => None,
            (Some(_), Some(_)) => anyhow::bail!("`client_secret` and `client_secret_file`"),
        };
        let redirect = format!(
            "{}/api/account/oidc/{name}/callback",
            public_url.trim_end_matches('/')
        );
        Ok(Self {
            name: name.to_owned(),
            display_name: match settings.display_name.as_str() {
                "" => name.to_owned(),
                text => text.to_owned(),
            },
            issuer,
            client_id: ClientId::new(settings.client_id.clone()),
            secret: secret.filter(|s| !s.is_empty()).map(ClientSecret::new),
            scopes: settings.scopes.iter().cloned().map(Scope::new).collect(),
            redirect: RedirectUrl::new(redirect).context("`accounts.public_url` is no URL")?,
            known: Mutex::new(None),
        })
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Client {
        CoreClient::from_provider_metadata(
            metadata.clone(),
            self.client_id.clone(),
            self.secret.clone(),
        )
        .set_redirect_uri(self.redirect.clone())
    }

    /// What the provider says of itself, not older than `max_age` where it can be reached.
    async fn metadata(
        &self,
        http: &Http,
        max_age: Duration,
    ) -> Result<Arc<CoreProviderMetadata>, Problem> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known
            && known.fetched.elapsed() < max_age
        {
            return Ok(known.metadata.clone());
        }
        match CoreProviderMetadata::discover_async(self.issuer.clone(), http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Some(Known {
                    metadata: metadata.clone(),
                    fetched: Instant::now(),
                });
                Ok(metadata)
            }
            Err(error) => match &*known {
                Some(known) => {
                    tracing::warn!(
                        provider = self.name,
                        error = &error as &dyn std::error::Error,
                        "a provider can't be asked again; going on with what is known"
                    );
                    Ok(known.metadata.clone())
                }
                None => Err(unavailable(&self.name, &error)),
            },
        }
    }
}

fn unavailable(provider: &str, error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::warn!(provider, error = &error, "a provider can't be reached");
    Problem::new(
        Kind::Unavailable,
        "provider_unavailable",
        "The provider can't be reached right now. Try again shortly.",
    )
    .with_retry_after(Duration::from_secs(5))
}

fn failed(why: &'static str) -> Problem {
    tracing::info!(why, "a sign-in by another provider failed");
    Problem::new(
        Kind::Unauthenticated,
        "oidc_failed",
        "The provider did not prove who you are. Try again.",
    )
}

/// The HTTP client, as the library calls it.
struct Http(reqwest::Client);

/// Why a provider's answer was not had.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("the provider can't be reached")]
    Request(#[from] reqwest::Error),
    #[error("the answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the answer is no HTTP")]
    Http(#[from] http::Error),
}

impl<'c> openidconnect::AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut answer = self.0.execute(request.try_into()?).await?;
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                    return Err(HttpError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = http::Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                response = response.header(name, value);
            }
            Ok(response.body(body)?)
        })
    }
}

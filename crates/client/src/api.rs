//! The two handles: [`Api`] knows a server, [`Client`] a server and a person.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use ids::UserId;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{Error, Refusal, Result};
use crate::tokens::{Credentials, Tokens, Vault};

/// A server, before anybody signed in. Clones share connections.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    origin: Arc<str>,
    clock: Clock,
}

impl Api {
    /// The server at `origin`, such as `https://chat.example.org` or `http://localhost:8080`.
    ///
    /// # Errors
    /// [`Error::Address`] for anything else, [`Error::NoAnswer`] when TLS can't be set up.
    pub fn new(origin: &str) -> Result<Self> {
        let bad = || Error::Address(origin.to_owned());
        let url = reqwest::Url::parse(origin).map_err(|_| bad())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.path() != "/" {
            return Err(bad());
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("parlance-rust/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(Error::NoAnswer)?;
        Ok(Self {
            http,
            origin: origin.trim_end_matches('/').into(),
            clock: Clock::system(),
        })
    }

    /// Without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A request for `path`, which begins with a slash.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin))
    }

    /// The person of earlier credentials, renewed in memory alone.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Client {
        Client::new(self.clone(), credentials, None)
    }

    /// The person of credentials that other processes use too.
    #[must_use]
    pub fn with_vault(&self, credentials: Credentials, vault: Arc<dyn Vault>) -> Client {
        Client::new(self.clone(), credentials, Some(vault))
    }
}

/// A person on a server. Clones share her tokens, which renew themselves.
#[derive(Clone)]
pub struct Client {
    api: Api,
    user: UserId,
    tokens: Arc<Tokens>,
}

impl Client {
    pub(crate) fn new(api: Api, credentials: Credentials, vault: Option<Arc<dyn Vault>>) -> Self {
        Self {
            api,
            user: credentials.user.user_id,
            tokens: Arc::new(Tokens::new(credentials, vault)),
        }
    }

    /// The server.
    #[must_use]
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// Who this is.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.user
    }

    /// The tokens held now; they may be about to expire.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.tokens.current()
    }

    /// Credentials that are good now. `distrusted` is an access token that was not accepted.
    ///
    /// # Errors
    /// As [`Api::refresh`].
    pub async fn fresh_credentials(&self, distrusted: Option<&str>) -> Result<Credentials> {
        self.tokens.fresh(&self.api, distrusted).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, |request| request).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl serde::Serialize + Sync),
    ) -> Result<T> {
        self.call(Method::POST, path, |request| request.json(body))
            .await
    }

    /// Sends a request with the person's token, a second time if the token was not accepted.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<T> {
        let mut token = self.fresh_credentials(None).await?.access_token;
        let mut renewed = false;
        loop {
            let request = fill(self.api.request(method.clone(), path)).bearer_auth(&token);
            match read(request.send().await).await {
                Err(Error::Refused(refusal))
                    if refusal.status == StatusCode::UNAUTHORIZED.as_u16() && !renewed =>
                {
                    renewed = true;
                    token = self.fresh_credentials(Some(&token)).await?.access_token;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Reads an answer; an empty one as `null`.
pub(crate) async fn read<T: DeserializeOwned>(
    response: reqwest::Result<reqwest::Response>,
) -> Result<T> {
    let response = response.map_err(Error::NoAnswer)?;
    if !response.status().is_success() {
        return Err(Error::Refused(Box::new(Refusal::of(response).await)));
    }
    let bytes = response.bytes().await.map_err(Error::NoAnswer)?;
    let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
    serde_json::from_slice(json).map_err(|error| Error::Unreadable(error.into()))
}

/// One segment of a path, with everything escaped that is not unreserved (RFC 3986, section 2.3).
pub(crate) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Any JSON, for calls whose answer says nothing.
#[derive(serde::Deserialize)]
#[serde(from = "serde::de::IgnoredAny")]
pub(crate) struct Done;

impl From<serde::de::IgnoredAny> for Done {
    fn from(_: serde::de::IgnoredAny) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        assert_eq!(
            Api::new("http://localhost:8080/").unwrap().origin(),
            "http://localhost:8080"
        );
        for bad in ["localhost:8080", "ftp://host", "http://host/path", ""] {
            assert!(matches!(Api::new(bad), Err(Error::Address(_))), "{bad}");
        }
    }

    #[test]
    fn a_segment_can_t_leave_its_place() {
        assert_eq!(segment("a.b_c-d"), "a.b_c-d");
        assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
        assert_eq!(segment("ä"), "%C3%A4");
    }
}

//! A certified provider of OpenID Connect in a process of its own, and a browser that goes there.

use std::collections::BTreeMap;

use account::config;
use local_stack::ports;
use local_stack::servers::OpenIdProvider;
use reqwest::StatusCode;
use reqwest::header::{LOCATION, SET_COOKIE};

/// As the settings of the service call it.
pub const NAME: &str = OpenIdProvider::NAME;

pub struct Provider {
    pub process: OpenIdProvider,
    _logs: tempfile::TempDir,
}

impl Provider {
    pub async fn start(public_url: &str) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let port = ports::free().unwrap();
        let process = OpenIdProvider::start(logs.path(), port, public_url).await;
        Self {
            process: process.unwrap(),
            _logs: logs,
        }
    }

    pub fn settings(&self) -> config::Provider {
        config::Provider {
            issuer: self.process.issuer(),
            client_id: OpenIdProvider::CLIENT_ID.to_owned(),
            client_secret: Some(OpenIdProvider::CLIENT_SECRET.into()),
            client_secret_file: None,
            display_name: "Test".to_owned(),
            scopes: vec!["email".to_owned(), "profile".to_owned()],
        }
    }
}

/// A browser, as far as redirects, forms and cookies go.
pub struct Browser {
    http: reqwest::Client,
    /// By host and port, then by name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    pub fn new() -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            cookies: BTreeMap::new(),
        }
    }

    pub fn cookie(&self, url: &str) -> String {
        let jar = self.cookies.get(&host(url)).cloned().unwrap_or_default();
        let pairs: Vec<String> = jar
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    pub async fn send(
        &mut self,
        url: &str,
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
        method: reqwest::Method,
    ) -> reqwest::Response {
        let request = self
            .http
            .request(method, url)
            .header("cookie", self.cookie(url));
        let answer = change(request).send().await.unwrap();
        let jar = self.cookies.entry(host(url)).or_default();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || text.contains("Max-Age=0") || text.contains("1970") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, url: &str) -> reqwest::Response {
        self.send(url, |request| request, reqwest::Method::GET)
            .await
    }

    /// Follows redirects and fills in the provider's forms as `login`, until it is sent to
    /// `until`; returns that address.
    pub async fn sign_in_at_provider(&mut self, start: &str, login: &str, until: &str) -> String {
        let mut url = start.to_owned();
        let mut answer = self.get(&url).await;
        for _ in 0..20 {
            if answer.status().is_redirection() {
                let location = answer.headers()[LOCATION].to_str().unwrap();
                url = absolute(&url, location);
                if url.starts_with(until) {
                    return url;
                }
                answer = self.get(&url).await;
                continue;
            }
            assert_eq!(answer.status(), StatusCode::OK, "{url}");
            let page = answer.text().await.unwrap();
            let action = between(&page, "action=\"", "\"").expect("a form");
            let prompt = between(&page, "name=\"prompt\" value=\"", "\"").expect("a prompt");
            url = absolute(&url, &action);
            let form = [
                ("prompt", prompt.as_str()),
                ("login", login),
                ("password", "x"),
            ];
            answer = self
                .send(&url, |request| request.form(&form), reqwest::Method::POST)
                .await;
        }
        panic!("the provider asks for ever");
    }
}

fn host(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    rest.split('/').next().unwrap().to_owned()
}

fn absolute(base: &str, location: &str) -> String {
    if location.contains("://") {
        location.to_owned()
    } else {
        format!("http://{}{location}", host(base))
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0.to_owned())
}

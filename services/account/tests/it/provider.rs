//! A certified provider of OpenID Connect in a process of its own, and a browser that goes there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use account::config;
use local_stack::install::{self, Program};
use local_stack::process::{Process, Spec};
use reqwest::StatusCode;
use reqwest::header::{LOCATION, SET_COOKIE};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

const CLIENT_ID: &str = "parlance";
const CLIENT_SECRET: &str = "only for tests";
/// As the settings of the service call it.
pub const NAME: &str = "test";

pub struct Provider {
    pub process: Process,
    pub issuer: String,
    _logs: tempfile::TempDir,
}

impl Provider {
    pub async fn start(public_url: &str) -> Self {
        static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();
        let folder = INSTALLED
            .get_or_init(async || tokio::task::spawn_blocking(install).await.unwrap())
            .await;
        let logs = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Process::new(Spec {
            name: "OpenID provider".into(),
            program: Program::Node.find().unwrap(),
            arguments: vec![
                folder.join("provider.mjs").into(),
                port.to_string().into(),
                CLIENT_ID.into(),
                CLIENT_SECRET.into(),
                format!("{public_url}/api/account/oidc/{NAME}/callback").into(),
            ],
            environment: Vec::new(),
            log: logs.path().join("provider.log"),
            run_as: None,
            ports: vec![port],
            stop_signal: rustix::process::Signal::TERM,
            stop_grace: Duration::from_secs(2),
            ready: Arc::new(move || {
                Box::pin(async move {
                    TcpStream::connect(("127.0.0.1", port)).await?;
                    Ok(())
                })
            }),
            ready_within: Duration::from_secs(60),
        });
        process.start().await.unwrap();
        Self {
            process,
            issuer: format!("http://127.0.0.1:{port}"),
            _logs: logs,
        }
    }

    pub fn settings(&self) -> config::Provider {
        config::Provider {
            issuer: self.issuer.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: Some(CLIENT_SECRET.into()),
            client_secret_file: None,
            display_name: "Test".to_owned(),
            scopes: vec!["email".to_owned(), "profile".to_owned()],
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Installs the provider's packages into the cache, once for what is here now.
fn install() -> PathBuf {
    install::ensure_installed(&Program::WEB).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc-provider");
    let files = [
        "package.json",
        "package-lock.json",
        ".npmrc",
        "provider.mjs",
    ]
    .map(|name| (name, std::fs::read(source.join(name)).unwrap()));
    let digest = files
        .iter()
        .flat_map(|(_, content)| content)
        .fold(0_u64, |digest, byte| {
            digest.wrapping_mul(1_099_511_628_211) ^ u64::from(*byte)
        });
    let folder = install::cache_dir()
        .unwrap()
        .join(format!("oidc-provider-{digest:016x}"));
    if folder.exists() {
        return folder;
    }
    // Whole or not at all, whoever else does the same.
    let draft = folder.with_extension(format!("draft-{}", std::process::id()));
    std::fs::create_dir_all(&draft).unwrap();
    for (name, content) in files {
        std::fs::write(draft.join(name), content).unwrap();
    }
    let installed = std::process::Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&draft)
        .status()
        .unwrap();
    assert!(installed.success());
    if std::fs::rename(&draft, &folder).is_err() {
        std::fs::remove_dir_all(&draft).unwrap();
    }
    folder
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

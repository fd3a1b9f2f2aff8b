//! One account service, in this process, on databases of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use account::config::Config;
use auth::{IdentitySettings, KeyPair, ServiceIdentity};
use lifecycle::Lifecycle;
use local_stack::servers::{Server, TestServers};
use mail_catcher::Mailbox;
use reqwest::StatusCode;
use serde_json::{Value, json};
use serving::{Addresses, Listeners};
use sqlx::PgPool;
use test_support::Link;
use tokio::sync::OnceCell;

use crate::conversation::Conversation;

pub const PASSWORD: &str = "two old boats";

/// The servers that most tests share; each test has a database of its own.
pub async fn servers() -> &'static TestServers {
    static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
    SERVERS
        .get_or_init(async || {
            TestServers::start(&[Server::Postgres, Server::Redis, Server::Kafka])
                .await
                .unwrap()
        })
        .await
}

pub struct Service {
    pub config: Config,
    pub at: Addresses,
    pub http: reqwest::Client,
    pub folder: tempfile::TempDir,
    pub peer_keys: BTreeMap<&'static str, KeyPair>,
    pub conversation: Conversation,
    pub mails: Mailbox,
    /// The way to the mail server.
    pub mail_link: Link,
    lifecycle: Lifecycle,
    _mail_server: Lifecycle,
}

/// Somebody who has registered.
#[derive(Debug, Clone)]
pub struct Person {
    pub user: String,
    pub handle: String,
    pub email: String,
    pub token: String,
}

/// What an answer said.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.code()),
            (status, code),
            "{}",
            self.body
        );
    }

    /// All that a caller could tell two refusals apart by.
    pub fn without_trace(&self) -> Value {
        let mut body = self.body.clone();
        body.as_object_mut().unwrap().remove("trace_id");
        body
    }
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    pub fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap().to_owned()
    }
}

impl Service {
    pub async fn start() -> Self {
        Self::start_with(servers().await, |_| {}).await
    }

    /// With the limit of tries that people meet; whoever tries is to have an address of their own.
    pub async fn start_strict() -> Self {
        Self::start_with(servers().await, |config| {
            config.limits.tries_per_account_and_address = 5;
        })
        .await
    }

    pub async fn start_with(servers: &TestServers, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config: Config =
            settings::load_from("account", account::config::DEFAULTS, []).unwrap();
        config.telemetry = telemetry::TelemetrySettings::default();
        config.database.url = servers
            .postgres()
            .create_own_database()
            .await
            .unwrap()
            .into();
        config.redis.url = servers.redis().url().into();
        config.kafka.brokers = servers.kafka().brokers();
        config.signing.key_dir = folder.path().join("keys");
        let mut peer_keys = BTreeMap::new();
        for peer in ["chat-gateway", "conversation", "message", "file-upload"] {
            let key = KeyPair::generate().unwrap();
            let path = folder.path().join(format!("{peer}.pub.pem"));
            std::fs::write(&path, key.public_pem()).unwrap();
            config
                .identity
                .trusted
                .insert(peer.to_owned(), path.to_str().unwrap().to_owned());
            peer_keys.insert(peer, key);
        }
        let own = KeyPair::generate().unwrap();
        let own_file = folder.path().join("account.key.pem");
        std::fs::write(&own_file, own.private_pem()).unwrap();
        config.identity.signing_key_file = own_file.to_str().unwrap().to_owned();
        let own_public = folder.path().join("account.pub.pem");
        std::fs::write(&own_public, own.public_pem()).unwrap();
        let conversation = Conversation::start(&own_public).await;
        config.peers.conversation = conversation.url();
        config.contacts.searches_per_address_and_minute = 10_000;
        let any = "127.0.0.1:0".parse().unwrap();
        let mail_listeners = mail_catcher::Listeners::bind(any, any).await.unwrap();
        let mail_link = Link::to(mail_listeners.smtp.local_addr().unwrap()).await;
        let mail_server = Lifecycle::new();
        let mails = mail_catcher::run(mail_listeners, &mail_server, clock::Clock::system());
        config.mail.smtp_url = format!("smtp://{}", mail_link.address()).into();
        // Whoever runs many tests from one address is not an attacker.
        config.limits.tries_per_address = 10_000;
        config.limits.mails_per_address = 10_000;
        // The counters in Redis are everybody's, and every test has an Ada.
        config.limits.tries_per_account_and_address = 10_000;
        config.limits.tries_per_account = 10_000;
        config.limits.mails_per_recipient = 10_000;
        change(&mut config);
        kafka::create_topics(&config.kafka).await.unwrap();
        account::migrate(&config).await.unwrap();
        let (at, lifecycle) = run(&config).await;
        Self {
            config,
            at,
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            folder,
            peer_keys,
            conversation,
            mails,
            mail_link,
            lifecycle,
            _mail_server: mail_server,
        }
    }

    /// Registers somebody of that name, under an address of their own.
    pub async fn person(&self, display_name: &str) -> Person {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let handle = format!("h{}", &unique[..20]);
        let email = format!("{unique}@example.org");
        let answer = self
            .post(
                "register",
                &json!({"email": email, "password": PASSWORD, "display_name": display_name,
                        "handle": handle}),
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        Person {
            user: answer.body["user"]["user_id"].as_str().unwrap().to_owned(),
            handle,
            email,
            token: answer.text("access_token"),
        }
    }

    /// The token of the newest link to `page` that was mailed to `to`, as soon as there is one; `but`
    /// is one that is known.
    pub async fn mailed_token(&self, to: &str, page: &str, but: Option<&str>) -> String {
        test_support::eventually("a link by mail", async || {
            let mail = self
                .mails
                .mails(Some(to))
                .into_iter()
                .find(|mail| mail.text.contains(&format!("/{page}#")))?;
            let (_, rest) = mail.text.split_once(&format!("/{page}#"))?;
            let token = rest.split_whitespace().next()?.to_owned();
            (but != Some(token.as_str())).then_some(token)
        })
        .await
    }

    pub async fn post_as(&self, path: &str, token: &str, body: &Value) -> Answer {
        let request = self.http.post(self.url(path)).bearer_auth(token);
        self.send(request.json(body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(self.http.delete(self.url(path)).bearer_auth(token))
            .await
    }

    pub async fn patch(&self, token: &str, body: &Value) -> Answer {
        let request = self.http.patch(self.url("me")).bearer_auth(token);
        self.send(request.json(body)).await
    }

    /// As if every session had begun, and been proved, an hour ago.
    pub async fn age_proofs(&self) {
        sqlx::query(
            "UPDATE sessions SET created_unix_ms = created_unix_ms - 3600000,
                 proved_unix_ms = proved_unix_ms - 3600000",
        )
        .execute(&self.database().await)
        .await
        .unwrap();
    }

    /// Kinds of what happened to the account, newest first.
    pub async fn events(&self, token: &str) -> Vec<String> {
        let answer = self.get("security-events", token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let events = answer.body["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["kind"].as_str().unwrap().to_owned())
            .collect()
    }

    pub async fn restart(&mut self) {
        self.lifecycle.stop();
        self.lifecycle
            .run_until_stopped(Duration::from_secs(10))
            .await
            .unwrap();
        (self.at, self.lifecycle) = run(&self.config).await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/api/account/{path}", self.at.http)
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let headers = answer.headers().clone();
        let text = answer.text().await.unwrap();
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(
                headers["content-type"], "application/problem+json",
                "{text}"
            );
        }
        Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.http.post(self.url(path)).json(body)).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(self.http.get(self.url(path)).bearer_auth(token))
            .await
    }

    pub async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        person: &Person,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self
            .http
            .request(method, self.url(path))
            .bearer_auth(&person.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    pub async fn register(&self, email: &str) -> Answer {
        let answer = self
            .post("register", &json!({"email": email, "password": PASSWORD}))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("sign-in", &json!({"email": email, "password": password}))
            .await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("refresh", &json!({"refresh_token": token})).await
    }

    pub async fn ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.at.ops);
        let answer = self.http.get(url).send().await.unwrap();
        answer.status() == StatusCode::OK
    }

    pub async fn database(&self) -> PgPool {
        PgPool::connect(self.config.database.url.expose())
            .await
            .unwrap()
    }

    /// As if the refresh tokens had been used `by_ms` earlier.
    pub async fn age_used_tokens(&self, by_ms: i64) {
        sqlx::query("UPDATE refresh_tokens SET used_unix_ms = used_unix_ms - $1")
            .bind(by_ms)
            .execute(&self.database().await)
            .await
            .unwrap();
    }

    /// A peer, as it would run beside this service.
    pub fn peer(&self, name: &'static str) -> ServiceIdentity {
        let key = self.folder.path().join(format!("{name}.key.pem"));
        let pair = self
            .peer_keys
            .get(name)
            .cloned()
            .unwrap_or_else(|| KeyPair::generate().unwrap());
        std::fs::write(&key, pair.private_pem()).unwrap();
        ServiceIdentity::new(IdentitySettings {
            service: name.to_owned(),
            signing_key_file: key.to_str().unwrap().to_owned(),
            trusted: BTreeMap::new(),
        })
        .unwrap()
    }
}

async fn run(config: &Config) -> (Addresses, Lifecycle) {
    let listeners = Listeners::loopback().await.unwrap();
    let at = listeners.addresses().unwrap();
    let lifecycle = Lifecycle::new();
    let telemetry = telemetry::init("account", &config.telemetry);
    account::run(config.clone(), listeners, lifecycle.clone(), &telemetry)
        .await
        .unwrap();
    (at, lifecycle)
}

/// Asks again until it is so; a test that waits in vain says what for.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let asked = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked)
        .await
        .unwrap_or_else(|_| panic!("in vain: {what}"));
}

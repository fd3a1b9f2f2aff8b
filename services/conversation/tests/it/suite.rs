//! The service on real servers, with a database of its own for each test.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use auth::{PeerChannel, TokenVerifier};
use conversation::config::{Config, DEFAULTS};
use ids::{ConversationId, UserId};
use lifecycle::Lifecycle;
use local_stack::servers::{Server, TestServers};
use proto::conversation::conversation_internal_service_client::ConversationInternalServiceClient;
use proto::conversation::conversation_service_client::ConversationServiceClient;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use serving::{Addresses, Listeners};
use sqlx::PgPool;
use test_support::{Identities, Link, People, TestPerson};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tonic::transport::Channel;

use crate::peers::{Account, Log};

pub const GRACE: Duration = Duration::from_secs(20);

pub async fn servers() -> &'static TestServers {
    static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
    SERVERS.get_or_init(|| Box::pin(own_servers())).await
}

/// Servers that no other test uses.
pub async fn own_servers() -> TestServers {
    Box::pin(TestServers::start(&[
        Server::Kafka,
        Server::Postgres,
        Server::Redis,
    ]))
    .await
    .unwrap()
}

pub struct Suite {
    pub people: People,
    pub identities: Identities,
    pub account: Account,
    pub account_link: Link,
    pub log: Log,
    pub message_link: Link,
    /// Between the service and Postgres; `pool` goes past it.
    pub postgres_link: Link,
    pub pool: PgPool,
    pub config: Config,
    pub addresses: Addresses,
    pub service: Lifecycle,
    peers: Lifecycle,
    http: reqwest::Client,
}

impl Suite {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With settings changed before the service starts.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Box::pin(Self::start_on(servers().await, change)).await
    }

    /// On servers of one's own, which may be broken.
    pub async fn start_on(servers: &TestServers, change: impl FnOnce(&mut Config)) -> Self {
        let people = People::start().await;
        let identities = Identities::of(&[
            "account",
            "chat-gateway",
            "conversation",
            "file-upload",
            "message",
        ]);
        let peers = Lifecycle::new();

        let postgres = servers.postgres();
        let url = postgres.create_own_database().await.unwrap();
        let postgres_at = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
        let postgres_link = Link::to(postgres_at).await;
        let linked_url = url.replacen(
            &postgres_at.to_string(),
            &postgres_link.address().to_string(),
            1,
        );
        assert_ne!(url, linked_url);

        let mut config: Config = settings::load_from("conversation", DEFAULTS, []).unwrap();
        config.tokens = people.settings();
        config.identity = identities.settings("conversation");
        config.database.url = linked_url.as_str().into();
        config.redis.url = servers.redis().url().as_str().into();
        config.kafka.brokers = servers.kafka().brokers();
        config.kafka.log_partitions = 4;
        config.kafka.deliveries_partitions = 4;
        config.kafka.message_partition_base = 2;
        config.relay.poll_interval_ms = 100;
        config.reports.count_after_ms = 0;
        config.reports.poll_interval_ms = 100;

        let account = Account::default();
        let account_link = serve(
            &peers,
            "account",
            account.routes(identities.identity("account")),
        )
        .await;
        config.peers.account = format!("http://{}", account_link.address());

        Box::pin(conversation::migrate(&config)).await.unwrap();
        let log = Log::read(&config.kafka, TokenVerifier::new(people.settings()), &peers);
        let message_link = serve(
            &peers,
            "message",
            log.routes(identities.identity("message")),
        )
        .await;
        config.peers.message = format!("http://{}", message_link.address());

        change(&mut config);
        let (service, addresses) = run(&config).await;
        Self {
            pool: PgPool::connect(&url).await.unwrap(),
            people,
            identities,
            account,
            account_link,
            log,
            message_link,
            postgres_link,
            config,
            addresses,
            service,
            peers,
            http: reqwest::Client::new(),
        }
    }

    /// Stops everything, as a process would; nothing may have failed.
    pub async fn stop(&self) {
        for lifecycle in [&self.service, &self.peers] {
            lifecycle.stop();
            lifecycle.run_until_stopped(GRACE).await.unwrap();
        }
    }

    pub async fn call(
        &self,
        person: &TestPerson,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self
            .http
            .request(method, format!("http://{}{path}", self.addresses.http))
            .bearer_auth(&person.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
        };
        (status, value)
    }

    pub async fn get(&self, person: &TestPerson, path: &str) -> (StatusCode, Value) {
        self.call(person, Method::GET, path, None).await
    }

    pub async fn post(&self, person: &TestPerson, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(person, Method::POST, path, Some(body)).await
    }

    pub async fn open_direct(&self, person: &TestPerson, peer: UserId) -> (StatusCode, Value) {
        self.post(
            person,
            "/api/conversations/direct",
            json!({ "user_id": peer }),
        )
        .await
    }

    pub async fn create(
        &self,
        person: &TestPerson,
        name: &str,
        members: &[UserId],
    ) -> (StatusCode, Value) {
        self.post(
            person,
            "/api/conversations/groups",
            json!({ "name": name, "member_ids": members }),
        )
        .await
    }

    /// A new group under a name of its own; also the name.
    pub async fn group(&self, owner: &TestPerson, members: &[UserId]) -> (ConversationId, String) {
        let name = format!("g-{}", owner.session);
        let name = format!("{name}-{}", rand::random_range(0..1_000_000));
        let (status, body) = self.create(owner, &name, members).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        (id_of(&body), name)
    }

    pub async fn join(&self, person: &TestPerson, name: &str) -> (StatusCode, Value) {
        self.call(
            person,
            Method::POST,
            &format!("/api/conversations/groups/{name}/join"),
            None,
        )
        .await
    }

    pub async fn leave(&self, person: &TestPerson, id: ConversationId) -> (StatusCode, Value) {
        self.call(
            person,
            Method::POST,
            &format!("/api/conversations/{id}/leave"),
            None,
        )
        .await
    }

    pub async fn remove(
        &self,
        person: &TestPerson,
        id: ConversationId,
        user: UserId,
    ) -> (StatusCode, Value) {
        self.call(
            person,
            Method::DELETE,
            &format!("/api/conversations/{id}/members/{user}"),
            None,
        )
        .await
    }

    pub async fn view(&self, person: &TestPerson, id: ConversationId) -> (StatusCode, Value) {
        self.get(person, &format!("/api/conversations/{id}")).await
    }

    /// Members and their roles as a member sees them.
    pub async fn roles(&self, person: &TestPerson, id: ConversationId) -> Vec<(UserId, String)> {
        let (status, body) = self.view(person, id).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| {
                (
                    member["user_id"].as_str().unwrap().parse().unwrap(),
                    member["role"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    pub async fn set_role(
        &self,
        person: &TestPerson,
        id: ConversationId,
        user: UserId,
        role: &str,
    ) -> (StatusCode, Value) {
        self.call(
            person,
            Method::PUT,
            &format!("/api/conversations/{id}/members/{user}/role"),
            Some(json!({ "role": role })),
        )
        .await
    }

    pub async fn make_admin(&self, owner: &TestPerson, id: ConversationId, user: UserId) {
        let (status, body) = self.set_role(owner, id, user, "admin").await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    }

    pub async fn change(
        &self,
        person: &TestPerson,
        id: ConversationId,
        changes: Value,
    ) -> (StatusCode, Value) {
        self.call(
            person,
            Method::PATCH,
            &format!("/api/conversations/{id}"),
            Some(changes),
        )
        .await
    }

    pub async fn delete(&self, person: &TestPerson, path: &str) -> (StatusCode, Value) {
        self.call(person, Method::DELETE, path, None).await
    }

    /// A new invitation; its token and its id.
    pub async fn invitation(
        &self,
        person: &TestPerson,
        id: ConversationId,
        wanted: Value,
    ) -> (String, String) {
        let path = format!("/api/conversations/{id}/invitations");
        let (status, body) = self.post(person, &path, wanted).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        (
            body["token"].as_str().unwrap().to_owned(),
            body["invitation"]["invitation_id"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    }

    pub async fn join_by(&self, person: &TestPerson, token: &str) -> (StatusCode, Value) {
        self.post(
            person,
            "/api/conversations/invitations/join",
            json!({ "token": token }),
        )
        .await
    }

    pub async fn settings(
        &self,
        person: &TestPerson,
        id: ConversationId,
        changes: Value,
    ) -> (StatusCode, Value) {
        self.call(
            person,
            Method::PATCH,
            &format!("/api/conversations/{id}/settings"),
            Some(changes),
        )
        .await
    }

    /// Who is in a conversation as Postgres has it.
    pub async fn members(&self, id: ConversationId) -> BTreeSet<UserId> {
        let users: Vec<uuid::Uuid> = sqlx::query_scalar(
            "SELECT user_id FROM members WHERE conversation_id = $1 AND left_version IS NULL",
        )
        .bind(id.as_uuid())
        .fetch_all(&self.pool)
        .await
        .unwrap();
        users.into_iter().map(UserId::from_uuid).collect()
    }

    pub async fn outbox_len(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub async fn grpc(&self) -> ConversationServiceClient<Channel> {
        ConversationServiceClient::connect(format!("http://{}", self.addresses.grpc))
            .await
            .unwrap()
    }

    pub async fn internal(&self) -> ConversationInternalServiceClient<Channel> {
        ConversationInternalServiceClient::connect(format!("http://{}", self.addresses.internal))
            .await
            .unwrap()
    }

    /// The internal port as a peer reaches it.
    pub fn peer(&self, service: &'static str) -> PeerChannel {
        PeerChannel::new(
            "conversation",
            &format!("http://{}", self.addresses.internal),
            self.identities.identity(service),
        )
        .unwrap()
    }
}

/// Runs the service on free ports.
pub async fn run(config: &Config) -> (Lifecycle, Addresses) {
    let telemetry = telemetry::init("conversation", &telemetry::TelemetrySettings::default());
    let lifecycle = Lifecycle::new();
    let listeners = Listeners::loopback().await.unwrap();
    let addresses = listeners.addresses().unwrap();
    conversation::run(config.clone(), listeners, lifecycle.clone(), &telemetry)
        .await
        .unwrap();
    (lifecycle, addresses)
}

async fn serve(lifecycle: &Lifecycle, name: &'static str, routes: tonic::service::Routes) -> Link {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serving::serve_grpc(lifecycle, name, listener, routes);
    Link::to(address).await
}

/// The id of the conversation in an answer.
pub fn id_of(body: &Value) -> ConversationId {
    body["conversation"]["conversation_id"]
        .as_str()
        .unwrap_or_else(|| panic!("no conversation in {body}"))
        .parse()
        .unwrap()
}

/// The stable code of a problem.
pub fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

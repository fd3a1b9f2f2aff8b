//! What the tests share: real Kafka and Redis, keys, peers, and gateways started in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use auth::{AccessClaims, Jwks, KeyPair, TOKEN_TYPE};
use chat_gateway::config::{Config, DEFAULTS, SERVICE};
use clock::Clock;
use events::{DELIVERIES_TOPIC, Delivery, DeliveryBatch, LOG_TOPIC, LogRecord, decode_log_record};
use ids::{ConversationId, SessionId, UserId};
use lifecycle::Lifecycle;
use local_stack::servers::{Server, TestServers};
use proto::Message as _;
use proto::account::account_internal_service_server::{
    AccountInternalService, AccountInternalServiceServer,
};
use proto::account::last_seen_internal_service_server::{
    LastSeenInternalService, LastSeenInternalServiceServer,
};
use proto::account::permission_internal_service_server::{
    PermissionInternalService, PermissionInternalServiceServer,
};
use proto::account::{
    CheckPermissionsRequest, CheckPermissionsResponse, CheckSessionRequest, CheckSessionResponse,
    GetLastSeenRequest, GetLastSeenResponse, LastSeen, NoteLastSeenRequest, NoteLastSeenResponse,
    Permission, PermissionsTowards,
};
use proto::conversation::co_member_internal_service_server::{
    CoMemberInternalService, CoMemberInternalServiceServer,
};
use proto::conversation::conversation_internal_service_server::{
    ConversationInternalService, ConversationInternalServiceServer,
};
use proto::conversation::{
    CheckMemberRequest, CheckMemberResponse, FilterCoMembersRequest, FilterCoMembersResponse,
    GetAudienceRequest, GetAudienceResponse, ListCoMembersRequest, ListCoMembersResponse,
};
use proto::message::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use proto::message::{
    AwaitMembershipVersionRequest, AwaitMembershipVersionResponse, CountMessagesRequest,
    CountMessagesResponse, GetChangesRequest, GetChangesResponse, GetHeadsRequest,
    GetHeadsResponse, GetMembershipRequest, GetMembershipResponse, GetSummariesRequest,
    GetSummariesResponse,
};
use proto::socket::ConversationState;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::Message as _;
use rdkafka::producer::FutureRecord;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serving::{Addresses, Listeners};
use test_support::Identities;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

pub const LOG_PARTITIONS: i32 = 4;
pub const SOON: Duration = Duration::from_secs(10);

/// Kafka and Redis of this run of the tests, with the topics.
pub async fn servers() -> &'static TestServers {
    static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
    SERVERS
        .get_or_init(async || {
            let servers = TestServers::start(&[Server::Kafka, Server::Redis])
                .await
                .unwrap();
            kafka::create_topics(&kafka_settings(&servers.kafka().brokers()))
                .await
                .unwrap();
            servers
        })
        .await
}

pub fn kafka_settings(brokers: &str) -> kafka::KafkaSettings {
    config(&[("KAFKA__BROKERS", brokers)]).kafka
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    test_support::eventually(what, async || holds().await.then_some(())).await;
}

/// The key that signs access tokens here; also such as have expired.
static SIGNING: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// Where the public key is served.
async fn jwks_url() -> String {
    let jwks = Jwks {
        keys: vec![SIGNING.jwk()],
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route(
        "/jwks.json",
        axum::routing::get(async move || axum::Json(jwks)),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/jwks.json")
}

/// Somebody who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Somebody {
    pub user: UserId,
    pub session: SessionId,
}

impl Somebody {
    pub fn new() -> Self {
        let clock = Clock::system();
        Self {
            user: UserId::generate(&clock),
            session: SessionId::generate(&clock),
        }
    }

    pub fn token(self) -> String {
        self.token_for(600)
    }

    pub fn token_for(self, seconds: i64) -> String {
        let now = Clock::system().unix_ms() / 1_000;
        let claims = AccessClaims {
            sub: self.user,
            sid: self.session,
            exp: now.saturating_add_signed(seconds),
            iat: now - 100,
            iss: "parlance".into(),
            aud: "parlance".into(),
            nbf: None,
            jti: None,
            client_id: None,
        };
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.into());
        header.kid = Some(SIGNING.kid());
        jsonwebtoken::encode(&header, &claims, &SIGNING.encoding_key()).unwrap()
    }
}

/// The peers, as far as the gateway asks them.
#[derive(Clone, Default)]
pub struct Peers {
    pub ended: Arc<Mutex<Vec<SessionId>>>,
    pub outsiders: Arc<Mutex<Vec<UserId>>>,
    /// What changed since any cursor; none: the index doesn't reach back.
    pub changed: Arc<Mutex<Option<Vec<ConversationState>>>>,
    /// Members of conversations.
    pub members: Arc<Mutex<BTreeMap<ConversationId, Vec<UserId>>>>,
    /// Questions for members.
    pub audiences_asked: Arc<AtomicU32>,
    /// Between whom nothing passes.
    pub blocks: Arc<Mutex<Vec<[UserId; 2]>>>,
    /// Whose presence nobody sees.
    pub private: Arc<Mutex<Vec<UserId>>>,
    /// What the gateways had kept.
    pub last_seen: Arc<Mutex<BTreeMap<UserId, Vec<i64>>>>,
}

impl Peers {
    /// Makes a conversation, or changes who is in it.
    pub fn set_members(&self, conversation: ConversationId, members: &[Somebody]) {
        let members = members.iter().map(|member| member.user).collect();
        self.members.lock().unwrap().insert(conversation, members);
    }

    fn are_together(&self, one: UserId, other: UserId) -> bool {
        let conversations = self.members.lock().unwrap();
        let mut conversations = conversations.values();
        conversations.any(|members| members.contains(&one) && members.contains(&other))
    }

    fn person<T>(request: &Request<T>) -> UserId {
        let bearer = request.metadata().get("authorization").unwrap();
        let token = bearer.to_str().unwrap().strip_prefix("Bearer ").unwrap();
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<AccessClaims>(token);
        claims.unwrap().sub
    }
}

fn texts(users: impl Iterator<Item = UserId>) -> Vec<String> {
    users.map(|user| user.to_string()).collect()
}

#[tonic::async_trait]
impl CoMemberInternalService for Peers {
    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> Result<Response<GetAudienceResponse>, Status> {
        self.audiences_asked.fetch_add(1, Ordering::Relaxed);
        let person = Self::person(&request);
        let request = request.into_inner();
        let conversations = self.members.lock().unwrap();
        let members = conversations
            .get(&request.conversation_id.parse().unwrap())
            .filter(|members| members.contains(&person))
            .ok_or_else(|| Status::not_found(""))?;
        let few = members.len() <= request.max_members as usize;
        let members = members.iter().copied().filter(|_| few);
        Ok(Response::new(GetAudienceResponse {
            user_ids: texts(members),
        }))
    }

    async fn filter_co_members(
        &self,
        request: Request<FilterCoMembersRequest>,
    ) -> Result<Response<FilterCoMembersResponse>, Status> {
        let person = Self::person(&request);
        let asked = request.into_inner().user_ids.into_iter();
        let asked = asked.map(|id| id.parse::<UserId>().unwrap());
        let found = asked.filter(|user| self.are_together(person, *user));
        Ok(Response::new(FilterCoMembersResponse {
            user_ids: texts(found),
        }))
    }

    async fn list_co_members(
        &self,
        request: Request<ListCoMembersRequest>,
    ) -> Result<Response<ListCoMembersResponse>, Status> {
        let person = Self::person(&request);
        let request = request.into_inner();
        let after = request.after_user_id.parse::<UserId>().ok();
        let everybody: std::collections::BTreeSet<UserId> = {
            let conversations = self.members.lock().unwrap();
            conversations.values().flatten().copied().collect()
        };
        let found = everybody
            .into_iter()
            .filter(|user| *user != person && self.are_together(person, *user))
            .filter(|user| after.is_none_or(|after| *user > after))
            .take(request.limit as usize);
        Ok(Response::new(ListCoMembersResponse {
            user_ids: texts(found),
        }))
    }
}

#[tonic::async_trait]
impl PermissionInternalService for Peers {
    async fn check_permissions(
        &self,
        request: Request<CheckPermissionsRequest>,
    ) -> Result<Response<CheckPermissionsResponse>, Status> {
        let request = request.into_inner();
        let person: UserId = request.user_id.parse().unwrap();
        let others = request.other_ids.into_iter().map(|user_id| {
            let other: UserId = user_id.parse().unwrap();
            let blocks = self.blocks.lock().unwrap();
            let blocked = blocks.contains(&[person, other]) || blocks.contains(&[other, person]);
            let private = self.private.lock().unwrap().contains(&other);
            let of = |refused, otherwise: Permission| {
                if refused {
                    Permission::Refused
                } else {
                    otherwise
                }
            };
            PermissionsTowards {
                user_id,
                typing: of(blocked, Permission::Allowed).into(),
                see_presence: of(blocked || private, Permission::IfSharedConversation).into(),
                ..PermissionsTowards::default()
            }
        });
        Ok(Response::new(CheckPermissionsResponse {
            others: others.collect(),
        }))
    }
}

#[tonic::async_trait]
impl LastSeenInternalService for Peers {
    async fn note_last_seen(
        &self,
        request: Request<NoteLastSeenRequest>,
    ) -> Result<Response<NoteLastSeenResponse>, Status> {
        let mut last_seen = self.last_seen.lock().unwrap();
        for seen in request.into_inner().people {
            let user = seen.user_id.parse().unwrap();
            last_seen.entry(user).or_default().push(seen.unix_ms);
        }
        Ok(Response::new(NoteLastSeenResponse {}))
    }

    async fn get_last_seen(
        &self,
        request: Request<GetLastSeenRequest>,
    ) -> Result<Response<GetLastSeenResponse>, Status> {
        let last_seen = self.last_seen.lock().unwrap();
        let people = request.into_inner().user_ids.into_iter();
        let people = people.filter_map(|user_id| {
            let user = user_id.parse().unwrap();
            let unix_ms = *last_seen.get(&user)?.iter().max()?;
            Some(LastSeen { user_id, unix_ms })
        });
        Ok(Response::new(GetLastSeenResponse {
            people: people.collect(),
        }))
    }
}

#[tonic::async_trait]
impl AccountInternalService for Peers {
    async fn check_session(
        &self,
        request: Request<CheckSessionRequest>,
    ) -> Result<Response<CheckSessionResponse>, Status> {
        let session = SessionId::parse(&request.get_ref().session_id).unwrap();
        let active = !self.ended.lock().unwrap().contains(&session);
        Ok(Response::new(CheckSessionResponse { active }))
    }
}

#[tonic::async_trait]
impl ConversationInternalService for Peers {
    async fn check_member(
        &self,
        request: Request<CheckMemberRequest>,
    ) -> Result<Response<CheckMemberResponse>, Status> {
        let user = UserId::parse(&request.get_ref().user_id).unwrap();
        let member = !self.outsiders.lock().unwrap().contains(&user);
        Ok(Response::new(CheckMemberResponse { member }))
    }
}

#[tonic::async_trait]
impl MessageInternalService for Peers {
    async fn await_membership_version(
        &self,
        _: Request<AwaitMembershipVersionRequest>,
    ) -> Result<Response<AwaitMembershipVersionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_membership(
        &self,
        _: Request<GetMembershipRequest>,
    ) -> Result<Response<GetMembershipResponse>, Status> {
        Err(Status::unimplemented("nobody compares here"))
    }

    async fn get_heads(
        &self,
        _: Request<GetHeadsRequest>,
    ) -> Result<Response<GetHeadsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_summaries(
        &self,
        _: Request<GetSummariesRequest>,
    ) -> Result<Response<GetSummariesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn count_messages(
        &self,
        _: Request<CountMessagesRequest>,
    ) -> Result<Response<CountMessagesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_changes(
        &self,
        request: Request<GetChangesRequest>,
    ) -> Result<Response<GetChangesResponse>, Status> {
        assert!(request.metadata().get("authorization").is_some());
        let changed = self.changed.lock().unwrap().clone();
        Ok(Response::new(GetChangesResponse {
            complete: changed.is_some(),
            changed: changed.unwrap_or_default(),
            cursor: "1".into(),
        }))
    }
}

impl Peers {
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(AccountInternalServiceServer::new(self.clone()))
            .add_service(LastSeenInternalServiceServer::new(self.clone()))
            .add_service(PermissionInternalServiceServer::new(self.clone()))
            .add_service(CoMemberInternalServiceServer::new(self.clone()))
            .add_service(ConversationInternalServiceServer::new(self.clone()))
            .add_service(MessageInternalServiceServer::new(self.clone()))
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
        tokio::spawn(server);
        format!("http://{address}")
    }
}

/// The defaults with some settings changed, named without the prefix.
pub fn config(settings: &[(&str, &str)]) -> Config {
    let mut all = for_tests();
    for (name, value) in settings {
        all.insert((*name).to_owned(), (*value).to_owned());
    }
    load(&all)
}

type Variables = BTreeMap<String, String>;

fn for_tests() -> Variables {
    [
        ("KAFKA__LOG_PARTITIONS", LOG_PARTITIONS.to_string()),
        ("KAFKA__DELIVERIES_PARTITIONS", "64".into()),
        ("KAFKA__MESSAGE_PARTITION_BASE", "60".into()),
        ("GATEWAY__DRAIN_MS", "400".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn prefixed(variables: &Variables) -> impl Iterator<Item = (String, String)> {
    variables
        .iter()
        .map(|(name, value)| (format!("CHAT_GATEWAY__{name}"), value.clone()))
}

fn load(variables: &Variables) -> Config {
    settings::load_from(SERVICE, DEFAULTS, prefixed(variables)).unwrap()
}

/// What a gateway finds around it: servers, keys, peers, a partition of its own.
pub struct Environment {
    pub ordinal: u32,
    pub peers: Peers,
    pub identities: Identities,
    variables: Variables,
}

impl Environment {
    pub async fn new() -> Self {
        Self::beside(Peers::default()).await
    }

    /// With peers that others share.
    pub async fn beside(peers: Peers) -> Self {
        static ORDINALS: AtomicU32 = AtomicU32::new(0);
        let ordinal = ORDINALS.fetch_add(1, Ordering::Relaxed);
        let servers = servers().await;
        let identities = Identities::of(&["account", SERVICE]);
        let identity = identities.settings(SERVICE);
        let peer = peers.serve().await;
        let mut variables = for_tests();
        variables.extend(
            [
                ("KAFKA__BROKERS", servers.kafka().brokers()),
                ("REDIS__URL", servers.redis().url()),
                ("TOKENS__JWKS_URL", jwks_url().await),
                ("IDENTITY__SIGNING_KEY_FILE", identity.signing_key_file),
                (
                    "IDENTITY__TRUSTED__ACCOUNT",
                    identity.trusted["account"].clone(),
                ),
                ("PEERS__ACCOUNT", peer.clone()),
                ("PEERS__CONVERSATION", peer.clone()),
                ("PEERS__MESSAGE", peer),
                ("GATEWAY__ORDINAL", ordinal.to_string()),
                ("LISTEN__HTTP", free_address()),
                ("LISTEN__GRPC", free_address()),
                ("LISTEN__INTERNAL", free_address()),
                ("LISTEN__OPS", free_address()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Self {
            ordinal,
            peers,
            identities,
            variables,
        }
    }

    /// For a process.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        prefixed(&self.variables)
    }

    pub fn addresses(&self) -> Addresses {
        let listen = load(&self.variables).listen;
        Addresses {
            http: listen.http,
            grpc: listen.grpc,
            internal: listen.internal,
            ops: listen.ops,
        }
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A gateway of its own partition, in this process.
pub struct Gateway {
    pub environment: Environment,
    pub addresses: Addresses,
    pub lifecycle: Lifecycle,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With settings changed, and ready.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let gateway = Self::spawn(settings).await;
        gateway.until_ready().await;
        gateway
    }

    /// Beside another one: it has the same peers.
    pub async fn start_beside(other: &Self, settings: &[(&str, &str)]) -> Self {
        let environment = Environment::beside(other.environment.peers.clone()).await;
        let gateway = Self::spawn_in(environment, settings).await;
        gateway.until_ready().await;
        gateway
    }

    /// Without waiting for anything.
    pub async fn spawn(settings: &[(&str, &str)]) -> Self {
        Self::spawn_in(Environment::new().await, settings).await
    }

    async fn spawn_in(environment: Environment, settings: &[(&str, &str)]) -> Self {
        let mut variables = environment.variables.clone();
        for (name, value) in settings {
            variables.insert((*name).to_owned(), (*value).to_owned());
        }
        let listeners = Listeners::loopback().await.unwrap();
        let addresses = listeners.addresses().unwrap();
        let lifecycle = Lifecycle::new();
        let telemetry = telemetry::init(SERVICE, &telemetry::TelemetrySettings::default());
        chat_gateway::run(load(&variables), listeners, lifecycle.clone(), &telemetry)
            .await
            .unwrap();
        let stopping = lifecycle.clone();
        let running =
            tokio::spawn(async move { stopping.run_until_stopped(Duration::from_secs(20)).await });
        Self {
            environment,
            addresses,
            lifecycle,
            running,
        }
    }

    pub async fn is_ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.addresses.ops);
        reqwest::get(url)
            .await
            .is_ok_and(|answer| answer.status().is_success())
    }

    pub async fn until_ready(&self) {
        eventually("the gateway is ready", async || self.is_ready().await).await;
    }

    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.addresses.ops);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    pub fn socket_address(&self) -> SocketAddr {
        self.addresses.http
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) {
        self.lifecycle.stop();
        self.running.await.unwrap().unwrap();
    }

    /// Writes a record to its partition of the deliveries.
    pub async fn deliver(&self, deliveries: Vec<Delivery>) {
        self.deliver_bytes(&DeliveryBatch { deliveries }.encode_to_vec())
            .await;
    }

    pub async fn deliver_bytes(&self, payload: &[u8]) {
        let record = FutureRecord::<(), _>::to(DELIVERIES_TOPIC)
            .partition(self.environment.ordinal as i32)
            .payload(payload);
        producer().await.send(record, SOON).await.unwrap();
    }
}

pub async fn producer() -> kafka::Producer {
    static PRODUCER: OnceCell<kafka::Producer> = OnceCell::const_new();
    PRODUCER
        .get_or_init(async || {
            let settings = kafka_settings(&servers().await.kafka().brokers());
            kafka::producer(&settings, "tests", kafka::LOG_TIMEOUT).unwrap()
        })
        .await
        .clone()
}

/// Reads the first `count` records of a conversation in the log.
pub async fn log_of(brokers: &str, conversation: ConversationId, count: usize) -> Vec<LogRecord> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "tests")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..LOG_PARTITIONS {
        assignment
            .add_partition_offset(LOG_TOPIC, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut found = Vec::new();
    let read = async {
        while found.len() < count {
            let message = consumer.recv().await.unwrap();
            let (key, record) = decode_log_record(message.key(), message.payload()).unwrap();
            if key == conversation {
                found.push(record);
            }
        }
    };
    tokio::time::timeout(3 * SOON, read)
        .await
        .unwrap_or_else(|_| panic!("the log holds fewer than {count}"));
    found
}

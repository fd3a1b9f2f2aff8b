//! The service on real servers, with a database and a bucket of its own for each test.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{PeerChannel, TokenVerifier, person_from_metadata};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::Clock;
use file_upload::config::{Config, DEFAULTS};
use ids::{ConversationId, FileId, UserId};
use lifecycle::Lifecycle;
use local_stack::servers::{Server, TestServers};
use proto::account::picture_internal_service_server::{
    PictureInternalService, PictureInternalServiceServer,
};
use proto::account::{GetPicturesRequest, GetPicturesResponse, ProfilePicture};
use proto::conversation::conversation_internal_service_server::{
    ConversationInternalService, ConversationInternalServiceServer,
};
use proto::conversation::{CheckMemberRequest, CheckMemberResponse};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use serving::{Addresses, Listeners};
use sha2::{Digest as _, Sha256};
use test_support::{Identities, Link, People, TestPerson};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

pub const GRACE: Duration = Duration::from_secs(20);

async fn servers() -> &'static TestServers {
    static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
    SERVERS
        .get_or_init(|| {
            Box::pin(async {
                TestServers::start(&[Server::Postgres, Server::LocalAws])
                    .await
                    .unwrap()
            })
        })
        .await
}

/// Who is in which conversation.
#[derive(Clone)]
pub struct Members {
    tokens: TokenVerifier,
    members: Arc<Mutex<HashSet<(ConversationId, UserId)>>>,
}

impl Members {
    pub fn add(&self, conversation: ConversationId, user: UserId) {
        self.members.lock().unwrap().insert((conversation, user));
    }

    pub fn remove(&self, conversation: ConversationId, user: UserId) {
        self.members.lock().unwrap().remove(&(conversation, user));
    }
}

#[tonic::async_trait]
impl ConversationInternalService for Members {
    async fn check_member(
        &self,
        request: Request<CheckMemberRequest>,
    ) -> Result<Response<CheckMemberResponse>, Status> {
        let person = person_from_metadata(&self.tokens, request.metadata()).await?;
        let request = request.into_inner();
        assert_eq!(request.user_id, person.user.to_string());
        let key = (request.conversation_id.parse().unwrap(), person.user);
        let member = self.members.lock().unwrap().contains(&key);
        Ok(Response::new(CheckMemberResponse { member }))
    }
}

/// Which file each profile names as its picture.
#[derive(Clone, Default)]
pub struct Profiles(Arc<Mutex<HashMap<String, String>>>);

impl Profiles {
    /// As the person would, by what came back when the upload was completed.
    pub fn name(&self, user: UserId, picture: &str) {
        let file = picture.strip_prefix("file:").unwrap().to_owned();
        self.0.lock().unwrap().insert(user.to_string(), file);
    }

    pub fn take_off(&self, user: UserId) {
        self.0.lock().unwrap().remove(&user.to_string());
    }
}

#[tonic::async_trait]
impl PictureInternalService for Profiles {
    async fn get_pictures(
        &self,
        request: Request<GetPicturesRequest>,
    ) -> Result<Response<GetPicturesResponse>, Status> {
        let asked = request.into_inner().user_ids;
        let profiles = self.0.lock().unwrap();
        let pictures = asked.into_iter().filter_map(|user_id| {
            let file_id = profiles.get(&user_id)?.clone();
            Some(ProfilePicture { user_id, file_id })
        });
        Ok(Response::new(GetPicturesResponse {
            pictures: pictures.collect(),
        }))
    }
}

pub struct Suite {
    pub people: People,
    pub identities: Identities,
    pub members: Members,
    pub profiles: Profiles,
    pub account_link: Link,
    pub conversation_link: Link,
    pub postgres_link: Link,
    pub s3_link: Link,
    pub config: Config,
    pub addresses: Addresses,
    pub http: reqwest::Client,
    service: Lifecycle,
    peers: Lifecycle,
}

impl Suite {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With settings changed before the service starts.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Box::pin(Self::start_changed(change)).await
    }

    async fn start_changed(change: impl FnOnce(&mut Config)) -> Self {
        let people = People::start().await;
        let identities = Identities::of(&["account", "conversation", "file-upload", "message"]);
        let peers = Lifecycle::new();
        let members = Members {
            tokens: TokenVerifier::new(people.settings()),
            members: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let conversation_link = Link::to(listener.local_addr().unwrap()).await;
        let routes = Routes::new(InterceptedService::new(
            ConversationInternalServiceServer::new(members.clone()),
            auth::internal_interceptor(identities.identity("conversation"), &["file-upload"]),
        ));
        serving::serve_grpc(&peers, "conversation", listener, routes);
        let profiles = Profiles::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let account_link = Link::to(listener.local_addr().unwrap()).await;
        let routes = Routes::new(InterceptedService::new(
            PictureInternalServiceServer::new(profiles.clone()),
            auth::internal_interceptor(identities.identity("account"), &["file-upload"]),
        ));
        serving::serve_grpc(&peers, "account", listener, routes);

        let postgres = servers().await.postgres();
        let url = postgres.create_own_database().await.unwrap();
        let postgres_at = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
        let postgres_link = Link::to(postgres_at).await;
        let linked_url = url.replacen(
            &postgres_at.to_string(),
            &postgres_link.address().to_string(),
            1,
        );
        let s3_url = servers().await.local_aws().s3_url();
        let s3_at = s3_url.trim_start_matches("http://").parse().unwrap();
        let s3_link = Link::to(s3_at).await;

        let mut config: Config = settings::load_from("file-upload", DEFAULTS, []).unwrap();
        config.tokens = people.settings();
        config.identity = identities.settings("file-upload");
        config.database.url = linked_url.as_str().into();
        config.peers.account = format!("http://{}", account_link.address());
        config.peers.conversation = format!("http://{}", conversation_link.address());
        // As in production: the service's way to S3 is not that of clients.
        config.aws.s3_endpoint = Some(format!("http://{}", s3_link.address()));
        config.aws.s3_public_endpoint = Some(s3_url);
        for (name, value) in servers().await.local_aws().environment() {
            match name.as_str() {
                "AWS_ACCESS_KEY_ID" => config.aws.access_key_id = value,
                "AWS_SECRET_ACCESS_KEY" => config.aws.secret_access_key = value.into(),
                _ => {}
            }
        }
        config.files.bucket = format!("test-{}", FileId::generate(&Clock::system()));
        change(&mut config);
        Box::pin(file_upload::migrate(&config)).await.unwrap();

        let telemetry = telemetry::init("file-upload", &telemetry::TelemetrySettings::default());
        let service = Lifecycle::new();
        let listeners = Listeners::loopback().await.unwrap();
        let addresses = listeners.addresses().unwrap();
        Box::pin(file_upload::run(
            config.clone(),
            listeners,
            service.clone(),
            &telemetry,
        ))
        .await
        .unwrap();
        Self {
            people,
            identities,
            members,
            profiles,
            account_link,
            conversation_link,
            postgres_link,
            s3_link,
            config,
            addresses,
            http: reqwest::Client::new(),
            service,
            peers,
        }
    }

    /// Stops everything, as a process would; nothing may have failed.
    pub async fn stop(&self) {
        for lifecycle in [&self.service, &self.peers] {
            lifecycle.stop();
            lifecycle.run_until_stopped(GRACE).await.unwrap();
        }
    }

    /// A conversation with these members.
    pub fn conversation(&self, people: &[&TestPerson]) -> ConversationId {
        let id = ConversationId::generate(&Clock::system());
        for person in people {
            self.members.add(id, person.user);
        }
        id
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
        (status, response.json().await.unwrap())
    }

    pub async fn announce(&self, person: &TestPerson, said: &Value) -> (StatusCode, Value) {
        self.call(person, Method::POST, "/api/files", Some(said.clone()))
            .await
    }

    pub async fn complete(&self, person: &TestPerson, id: &str) -> (StatusCode, Value) {
        let path = format!("/api/files/{id}/complete");
        self.call(person, Method::POST, &path, None).await
    }

    pub async fn download(&self, person: &TestPerson, id: &str) -> (StatusCode, Value) {
        let path = format!("/api/files/{id}/download");
        self.call(person, Method::GET, &path, None).await
    }

    /// Puts bytes where an answer to [`Suite::announce`] says.
    pub async fn put(&self, upload: &Value, bytes: &[u8]) -> StatusCode {
        let mut request = self.http.put(upload["upload_url"].as_str().unwrap());
        for (name, value) in upload["upload_headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.body(bytes.to_vec()).send().await.unwrap().status()
    }

    /// A whole upload; returns the file's id.
    pub async fn upload(
        &self,
        person: &TestPerson,
        conversation: ConversationId,
        name: &str,
        content_type: &str,
        bytes: &[u8],
    ) -> String {
        let (status, upload) = self
            .announce(person, &said(conversation, name, content_type, bytes))
            .await;
        assert_eq!(status, StatusCode::OK, "{upload}");
        assert_eq!(self.put(&upload, bytes).await, StatusCode::OK);
        let id = upload["file_id"].as_str().unwrap().to_owned();
        let (status, body) = self.complete(person, &id).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        id
    }

    /// A picture of a profile is announced; the answer.
    pub async fn announce_picture(
        &self,
        person: &TestPerson,
        content_type: &str,
        bytes: &[u8],
    ) -> (StatusCode, Value) {
        let said = json!({
            "content_type": content_type,
            "size_bytes": bytes.len(),
            "sha256_base64": STANDARD.encode(Sha256::digest(bytes)),
        });
        self.call(person, Method::POST, "/api/files/pictures", Some(said))
            .await
    }

    pub async fn complete_picture(&self, person: &TestPerson, id: &str) -> (StatusCode, Value) {
        let path = format!("/api/files/pictures/{id}/complete");
        self.call(person, Method::POST, &path, None).await
    }

    /// A whole upload of a picture; returns its file's id and what a profile names it by.
    pub async fn upload_picture(&self, person: &TestPerson, bytes: &[u8]) -> (String, String) {
        let (status, upload) = self.announce_picture(person, "image/png", bytes).await;
        assert_eq!(status, StatusCode::OK, "{upload}");
        assert_eq!(self.put(&upload, bytes).await, StatusCode::OK);
        let id = upload["file_id"].as_str().unwrap().to_owned();
        let (status, body) = self.complete_picture(person, &id).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        (id, body["picture"].as_str().unwrap().to_owned())
    }

    pub async fn picture(&self, by: &TestPerson, owner: UserId, id: &str) -> (StatusCode, Value) {
        let path = format!("/api/files/people/{owner}/pictures/{id}");
        self.call(by, Method::GET, &path, None).await
    }

    /// The internal port as a peer reaches it.
    pub fn peer(&self, service: &'static str) -> PeerChannel {
        PeerChannel::new(
            "file-upload",
            &format!("http://{}", self.addresses.internal),
            self.identities.identity(service),
        )
        .unwrap()
    }
}

/// What an honest client announces.
pub fn said(conversation: ConversationId, name: &str, content_type: &str, bytes: &[u8]) -> Value {
    json!({
        "conversation_id": conversation,
        "file_name": name,
        "content_type": content_type,
        "size_bytes": bytes.len(),
        "sha256_base64": STANDARD.encode(Sha256::digest(bytes)),
    })
}

/// The stable code of a problem.
pub fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

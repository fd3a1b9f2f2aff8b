//! The conversation service as this one meets it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use auth::{IdentitySettings, ServiceIdentity};
use lifecycle::Lifecycle;
use proto::conversation::block_internal_service_server::{
    BlockInternalService, BlockInternalServiceServer,
};
use proto::conversation::person_internal_service_server::{
    PersonInternalService, PersonInternalServiceServer,
};
use proto::conversation::{
    RemovePersonRequest, RemovePersonResponse, SetBlockRequest, SetBlockResponse,
};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Keeps what it is told, or refuses everything.
#[derive(Clone, Default)]
struct Told {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    told: Vec<SetBlockRequest>,
    /// Calls about each person.
    removals: BTreeMap<String, u32>,
    away: bool,
}

pub struct Conversation {
    at: SocketAddr,
    told: Told,
    _lifecycle: Lifecycle,
}

impl Conversation {
    /// Believes who has the key.
    pub async fn start(account_key: &Path) -> Self {
        let identity = ServiceIdentity::new(IdentitySettings {
            service: "conversation".to_owned(),
            signing_key_file: String::new(),
            trusted: BTreeMap::from([(
                "account".to_owned(),
                account_key.to_str().unwrap().to_owned(),
            )]),
        })
        .unwrap();
        let told = Told::default();
        let account = auth::internal_interceptor(identity, &["account"]);
        let routes = Routes::new(BlockInternalServiceServer::with_interceptor(
            told.clone(),
            account.clone(),
        ))
        .add_service(PersonInternalServiceServer::with_interceptor(
            told.clone(),
            account,
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let lifecycle = Lifecycle::new();
        serving::serve_grpc(&lifecycle, "conversation", listener, routes);
        Self {
            at,
            told,
            _lifecycle: lifecycle,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Whether calls are refused as they are when the log can't be reached.
    pub fn be_away(&self, away: bool) {
        self.told.state.lock().unwrap().away = away;
    }

    /// How often it was asked to take this person out of their conversations. The first answer is that
    /// there are more.
    pub fn removals(&self, user: &str) -> u32 {
        let state = self.told.state.lock().unwrap();
        state.removals.get(user).copied().unwrap_or_default()
    }

    /// What was taken, in the order in which it came: blocker, blocked, version, state.
    pub fn told(&self) -> Vec<SetBlockRequest> {
        self.told.state.lock().unwrap().told.clone()
    }
}

#[tonic::async_trait]
impl BlockInternalService for Told {
    async fn set_block(
        &self,
        request: Request<SetBlockRequest>,
    ) -> Result<Response<SetBlockResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        if state.away {
            return Err(Status::unavailable("away"));
        }
        state.told.push(request.into_inner());
        Ok(Response::new(SetBlockResponse {}))
    }
}

#[tonic::async_trait]
impl PersonInternalService for Told {
    async fn remove_person(
        &self,
        request: Request<RemovePersonRequest>,
    ) -> Result<Response<RemovePersonResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        if state.away {
            return Err(Status::unavailable("away"));
        }
        let removals = state
            .removals
            .entry(request.into_inner().user_id)
            .or_default();
        *removals += 1;
        Ok(Response::new(RemovePersonResponse {
            more: *removals == 1,
        }))
    }
}

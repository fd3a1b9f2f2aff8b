//! gRPC: the same as REST for people and programs, and the internal port for peers.

mod account;
mod internal;

use std::sync::Arc;

use auth::ServiceIdentity;
use proto::account::account_internal_service_server::AccountInternalServiceServer;
use proto::account::account_service_server::AccountServiceServer;
use tonic::service::Routes;

use crate::app::App;

/// Who may ask about sessions.
const PEERS: &[&str] = &["chat-gateway", "conversation", "message", "file-upload"];

pub fn public_routes(app: Arc<App>) -> Routes {
    Routes::new(AccountServiceServer::new(account::Account(app)))
}

pub fn internal_routes(app: Arc<App>, identity: ServiceIdentity) -> Routes {
    Routes::new(AccountInternalServiceServer::with_interceptor(
        internal::Internal(app),
        auth::internal_interceptor(identity, PEERS),
    ))
}

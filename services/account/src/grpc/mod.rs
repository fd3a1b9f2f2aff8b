//! gRPC: the same as REST for people and programs, and the internal port for peers.

mod account;
mod internal;
mod last_seen;

use std::sync::Arc;

use auth::ServiceIdentity;
use proto::account::account_internal_service_server::AccountInternalServiceServer;
use proto::account::account_service_server::AccountServiceServer;
use proto::account::last_seen_internal_service_server::LastSeenInternalServiceServer;
use tonic::service::Routes;

use crate::app::App;

/// Services that may call the internal port.
const PEERS: &[&str] = &["chat-gateway", "conversation", "message", "file-upload"];

/// The port for people and programs.
pub fn public_routes(app: Arc<App>) -> Routes {
    Routes::new(AccountServiceServer::new(account::Account(app)))
}

/// The port for peers: all services, each behind an identity.
pub fn internal_routes(app: Arc<App>, identity: ServiceIdentity) -> Routes {
    let known = auth::internal_interceptor(identity.clone(), PEERS);
    let gateways = auth::internal_interceptor(identity, &["chat-gateway"]);
    Routes::new(AccountServiceServer::with_interceptor(
        account::Account(app.clone()),
        known.clone(),
    ))
    .add_service(LastSeenInternalServiceServer::with_interceptor(
        last_seen::Times(app.clone()),
        gateways,
    ))
    .add_service(AccountInternalServiceServer::with_interceptor(
        internal::Internal(app),
        known,
    ))
}

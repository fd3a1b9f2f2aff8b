//! gRPC: the same as REST for people and programs, and the internal port for peers.

mod account;
mod contacts;
mod internal;
mod last_seen;
mod pictures;
mod sessions;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use auth::{Person, ServiceIdentity};
use problem::Problem;
use proto::account::account_internal_service_server::AccountInternalServiceServer;
use proto::account::account_service_server::AccountServiceServer;
use proto::account::contact_service_server::ContactServiceServer;
use proto::account::id_internal_service_server::IdInternalServiceServer;
use proto::account::last_seen_internal_service_server::LastSeenInternalServiceServer;
use proto::account::permission_internal_service_server::PermissionInternalServiceServer;
use proto::account::picture_internal_service_server::PictureInternalServiceServer;
use proto::account::session_internal_service_server::SessionInternalServiceServer;
use serving::client_address;
use tonic::Request;
use tonic::service::Routes;

use crate::app::App;

/// Services that may call the internal port.
const PEERS: &[&str] = &["chat-gateway", "conversation", "message", "file-upload"];

/// The port for people and programs.
pub fn public_routes(app: Arc<App>) -> Routes {
    Routes::new(AccountServiceServer::new(account::Account(app.clone())))
        .add_service(ContactServiceServer::new(contacts::Contacts(app)))
}

/// The port for peers: each service behind an identity.
pub fn internal_routes(app: Arc<App>, identity: ServiceIdentity) -> Routes {
    let known = auth::internal_interceptor(identity.clone(), PEERS);
    let gateways = auth::internal_interceptor(identity.clone(), &["chat-gateway"]);
    let files = auth::internal_interceptor(identity, &["file-upload"]);
    Routes::new(AccountServiceServer::with_interceptor(
        account::Account(app.clone()),
        known.clone(),
    ))
    .add_service(LastSeenInternalServiceServer::with_interceptor(
        last_seen::Times(app.clone()),
        gateways,
    ))
    .add_service(PictureInternalServiceServer::with_interceptor(
        pictures::Pictures(app.clone()),
        files,
    ))
    .add_service(SessionInternalServiceServer::with_interceptor(
        sessions::Sessions(app.clone()),
        known.clone(),
    ))
    .add_service(AccountInternalServiceServer::with_interceptor(
        internal::Internal(app.clone()),
        known.clone(),
    ))
    .add_service(PermissionInternalServiceServer::with_interceptor(
        internal::Internal(app.clone()),
        known.clone(),
    ))
    .add_service(IdInternalServiceServer::with_interceptor(
        internal::Internal(app),
        known,
    ))
}

fn caller_address<T>(app: &App, request: &Request<T>) -> IpAddr {
    let peer = request
        .remote_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let headers = request.metadata().clone().into_headers();
    client_address(peer, &headers, &app.accounts.trusted_proxies)
}

async fn person<T>(app: &App, request: &Request<T>) -> Result<Person, Problem> {
    let person = auth::person_from_metadata(&app.verifier, request.metadata()).await?;
    app.active(person).await
}

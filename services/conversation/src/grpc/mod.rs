//! gRPC. Protos become domain types here, and nowhere else.

mod blocks;
mod co_members;
mod departures;
mod internal;
mod people;

use proto::conversation::block_internal_service_server::BlockInternalServiceServer;
use proto::conversation::co_member_internal_service_server::CoMemberInternalServiceServer;
use proto::conversation::conversation_internal_service_server::ConversationInternalServiceServer;
use proto::conversation::conversation_service_server::ConversationServiceServer;
use proto::conversation::person_internal_service_server::PersonInternalServiceServer;
use tonic::service::{Routes, interceptor::InterceptedService};

use crate::app::App;

/// Services that may call the internal port.
const CALLERS: &[&str] = &["chat-gateway", "file-upload", "message"];

/// Services that may say who blocks whom, and whose account was deleted.
const DECIDERS: &[&str] = &["account"];

/// The port for people and programs.
pub fn public(app: App) -> ConversationServiceServer<people::People> {
    ConversationServiceServer::new(people::People(app))
}

/// The port for peers: each service behind an identity.
pub fn internal(app: App) -> Routes {
    let known = auth::internal_interceptor(app.identity.clone(), CALLERS);
    let deciders = auth::internal_interceptor(app.identity.clone(), DECIDERS);
    let co_members = co_members::CoMembers::new(app.clone());
    Routes::new(InterceptedService::new(public(app.clone()), known.clone()))
        .add_service(InterceptedService::new(
            CoMemberInternalServiceServer::new(co_members),
            known.clone(),
        ))
        .add_service(InterceptedService::new(
            ConversationInternalServiceServer::new(internal::Internal(app.clone())),
            known,
        ))
        .add_service(InterceptedService::new(
            BlockInternalServiceServer::new(blocks::Blocks(app.clone())),
            deciders.clone(),
        ))
        .add_service(InterceptedService::new(
            PersonInternalServiceServer::new(departures::Departures(app)),
            deciders,
        ))
}

//! gRPC. Protos become domain types here, and nowhere else.

mod internal;
mod people;

use proto::conversation::conversation_internal_service_server::ConversationInternalServiceServer;
use proto::conversation::conversation_service_server::ConversationServiceServer;
use tonic::service::{Routes, interceptor::InterceptedService};

use crate::app::App;

/// Services that may call the internal port.
const CALLERS: &[&str] = &["chat-gateway", "file-upload", "message"];

/// The port for people and programs.
pub fn public(app: App) -> ConversationServiceServer<people::People> {
    ConversationServiceServer::new(people::People(app))
}

/// The port for peers: both services, each behind an identity.
pub fn internal(app: App) -> Routes {
    let known = auth::internal_interceptor(app.identity.clone(), CALLERS);
    Routes::new(InterceptedService::new(public(app.clone()), known.clone())).add_service(
        InterceptedService::new(
            ConversationInternalServiceServer::new(internal::Internal(app)),
            known,
        ),
    )
}

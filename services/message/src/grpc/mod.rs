//! gRPC. Protos become domain types here, and nowhere else.

mod internal;
mod people;

use proto::message::message_internal_service_server::MessageInternalServiceServer;
use proto::message::message_service_server::MessageServiceServer;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

use crate::app::App;

/// Services that may call the internal port.
const CALLERS: &[&str] = &["chat-gateway", "conversation", "file-upload"];

/// The port for people and programs.
pub fn public(app: App) -> MessageServiceServer<people::People> {
    MessageServiceServer::new(people::People(app))
}

/// The port for peers: both services, each behind an identity.
pub fn internal(app: App) -> Routes {
    let known = auth::internal_interceptor(app.identity.clone(), CALLERS);
    Routes::new(InterceptedService::new(public(app.clone()), known.clone())).add_service(
        InterceptedService::new(
            MessageInternalServiceServer::new(internal::Internal(app)),
            known,
        ),
    )
}

fn conversation_id(text: &str) -> problem::Result<ids::ConversationId> {
    ids::ConversationId::parse(text).map_err(|_| {
        problem::Problem::new(
            problem::Kind::InvalidInput,
            "conversation_id_invalid",
            "The conversation id is not a UUID.",
        )
    })
}

fn conversation_ids(texts: &[String], at_most: usize) -> problem::Result<Vec<ids::ConversationId>> {
    if texts.len() > at_most {
        return Err(problem::Problem::new(
            problem::Kind::InvalidInput,
            "too_many_ids",
            format!("At most {at_most} ids at once."),
        ));
    }
    texts.iter().map(|text| conversation_id(text)).collect()
}

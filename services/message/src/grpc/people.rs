use auth::person_from_metadata;
use proto::message::message_service_server::MessageService;
use proto::message::{
    GetStatesRequest, GetStatesResponse, ListEntriesRequest, ListEntriesResponse, MarkReadRequest,
    MarkReadResponse, SendMessageRequest, SendMessageResponse, list_entries_request,
    send_message_response,
};
use tonic::{Request, Response, Status};

use super::{conversation_id, conversation_ids};
use crate::app::App;
use crate::history::{MAX_IDS, Place};
use crate::sending::Draft;

/// For people and programs, by their access token.
pub struct People(pub App);

#[tonic::async_trait]
impl MessageService for People {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let draft = Draft {
            client_message_id: request.client_message_id,
            text: request.text,
            attachment_ids: request.attachment_ids,
            reply_to_number: request.reply_to_number,
        };
        let outcome = match self
            .0
            .sending
            .send(person.user, conversation, draft)
            .await?
        {
            Ok(accepted) => send_message_response::Outcome::Accepted(accepted),
            Err(refused) => send_message_response::Outcome::Refused(refused),
        };
        Ok(Response::new(SendMessageResponse {
            outcome: Some(outcome),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let place = match request.position {
            Some(list_entries_request::Position::After(number)) => Place::After(number),
            Some(list_entries_request::Position::Before(number)) => Place::Before(number),
            None => Place::Newest,
        };
        let page = self
            .0
            .history
            .page(person.user, conversation, place, request.limit)
            .await?;
        Ok(Response::new(ListEntriesResponse {
            entries: page.entries,
            covered_from: page.covered_from,
            covered_to: page.covered_to,
            state: Some(page.state),
        }))
    }

    async fn mark_read(
        &self,
        request: Request<MarkReadRequest>,
    ) -> Result<Response<MarkReadResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let state = self
            .0
            .sending
            .mark_read(person.user, conversation, request.number)
            .await?;
        Ok(Response::new(MarkReadResponse { state: Some(state) }))
    }

    async fn get_states(
        &self,
        request: Request<GetStatesRequest>,
    ) -> Result<Response<GetStatesResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let ids = conversation_ids(&request.into_inner().conversation_ids, MAX_IDS)?;
        let states = self.0.history.states(person.user, ids).await?;
        Ok(Response::new(GetStatesResponse { states }))
    }
}

use auth::person_from_metadata;
use ids::UserId;
use problem::{Kind, Problem};
use proto::message::message_service_server::MessageService;
use proto::message::{
    ChangeMessageRequest, ChangeMessageResponse, GetReceiptsRequest, GetReceiptsResponse,
    GetStatesRequest, GetStatesResponse, HideEntryRequest, HideEntryResponse, ListEntriesRequest,
    ListEntriesResponse, ListHiddenRequest, ListHiddenResponse, ListMarksRequest,
    ListMarksResponse, ListRevisionsRequest, ListRevisionsResponse, MarkDeliveredRequest,
    MarkDeliveredResponse, MarkReadRequest, MarkReadResponse, MarkUnreadRequest,
    MarkUnreadResponse, SendMessageRequest, SendMessageResponse, change_message_response,
    list_entries_request, send_message_response,
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

    async fn change_message(
        &self,
        request: Request<ChangeMessageRequest>,
    ) -> Result<Response<ChangeMessageResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let change = request.into_inner().change.unwrap_or_default();
        let conversation = conversation_id(&change.conversation_id)?;
        let outcome = match self
            .0
            .sending
            .change(person.user, conversation, change)
            .await?
        {
            Ok(accepted) => change_message_response::Outcome::Accepted(accepted),
            Err(refused) => change_message_response::Outcome::Refused(refused),
        };
        Ok(Response::new(ChangeMessageResponse {
            outcome: Some(outcome),
        }))
    }

    async fn mark_delivered(
        &self,
        request: Request<MarkDeliveredRequest>,
    ) -> Result<Response<MarkDeliveredResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        self.0
            .sending
            .mark_delivered(person.user, conversation, request.number)
            .await?;
        Ok(Response::new(MarkDeliveredResponse {}))
    }

    async fn mark_unread(
        &self,
        request: Request<MarkUnreadRequest>,
    ) -> Result<Response<MarkUnreadResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let conversation = conversation_id(&request.into_inner().conversation_id)?;
        let state = self
            .0
            .sending
            .mark_unread(person.user, conversation)
            .await?;
        Ok(Response::new(MarkUnreadResponse { state: Some(state) }))
    }

    async fn hide_entry(
        &self,
        request: Request<HideEntryRequest>,
    ) -> Result<Response<HideEntryResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let state = self
            .0
            .sending
            .hide(person.user, conversation, request.number)
            .await?;
        Ok(Response::new(HideEntryResponse { state: Some(state) }))
    }

    async fn list_hidden(
        &self,
        request: Request<ListHiddenRequest>,
    ) -> Result<Response<ListHiddenResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let numbers = self
            .0
            .history
            .hidden(person.user, conversation, request.after)
            .await?;
        Ok(Response::new(ListHiddenResponse { numbers }))
    }

    async fn get_receipts(
        &self,
        request: Request<GetReceiptsRequest>,
    ) -> Result<Response<GetReceiptsResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let after = match request.after_user_id.as_str() {
            "" => None,
            id => Some(UserId::parse(id).map_err(|_| {
                Problem::new(
                    Kind::InvalidInput,
                    "user_id_invalid",
                    "The user id is not a UUID.",
                )
            })?),
        };
        let (receipts, next) = self
            .0
            .history
            .receipts(
                person.user,
                conversation,
                request.number,
                request.limit,
                after,
            )
            .await?;
        Ok(Response::new(GetReceiptsResponse {
            receipts,
            next_after_user_id: next.map(|user| user.to_string()).unwrap_or_default(),
        }))
    }

    async fn list_marks(
        &self,
        request: Request<ListMarksRequest>,
    ) -> Result<Response<ListMarksResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let conversation = conversation_id(&request.into_inner().conversation_id)?;
        let marks = self.0.history.marks(person.user, conversation).await?;
        Ok(Response::new(ListMarksResponse { marks }))
    }

    async fn list_revisions(
        &self,
        request: Request<ListRevisionsRequest>,
    ) -> Result<Response<ListRevisionsResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let revisions = self
            .0
            .history
            .revisions(person.user, conversation, request.number)
            .await?;
        Ok(Response::new(ListRevisionsResponse { revisions }))
    }
}

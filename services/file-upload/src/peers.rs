//! What other services are asked.

use std::collections::HashSet;

use auth::{PeerChannel, Person};
use ids::{ConversationId, FileId, UserId};
use problem::{Problem, Result};
use proto::account::GetPicturesRequest;
use proto::account::picture_internal_service_client::PictureInternalServiceClient;
use proto::conversation::CheckMemberRequest;
use proto::conversation::conversation_internal_service_client::ConversationInternalServiceClient;

#[derive(Clone)]
pub struct Peers {
    pub account: PeerChannel,
    pub conversation: PeerChannel,
}

impl Peers {
    /// Whether a person is a member now. Asked each time: who was removed gets no file more.
    ///
    /// # Errors
    /// When the conversation service fails.
    pub async fn is_member(&self, person: &Person, conversation: ConversationId) -> Result<bool> {
        let request = CheckMemberRequest {
            conversation_id: conversation.to_string(),
            user_id: person.user.to_string(),
        };
        Ok(
            ConversationInternalServiceClient::new(self.conversation.channel())
                .check_member(self.conversation.request(request, Some(person)))
                .await
                .map_err(|status| Problem::from_peer("conversation", &status))?
                .into_inner()
                .member,
        )
    }

    /// The files that the profiles of these people name as their picture now; at most 500 people.
    ///
    /// # Errors
    /// When the account service fails.
    pub async fn pictures_of(&self, people: &[UserId]) -> Result<HashSet<(UserId, FileId)>> {
        let request = GetPicturesRequest {
            user_ids: people.iter().map(ToString::to_string).collect(),
        };
        let answer = PictureInternalServiceClient::new(self.account.channel())
            .get_pictures(self.account.request(request, None))
            .await
            .map_err(|status| Problem::from_peer("account", &status))?;
        answer
            .into_inner()
            .pictures
            .iter()
            .map(|picture| {
                let read = UserId::parse(&picture.user_id)
                    .ok()
                    .zip(FileId::parse(&picture.file_id).ok());
                // Taken for no picture, it would be deleted.
                read.ok_or_else(|| Problem::internal(&MalformedAnswer))
            })
            .collect()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the account service answered with what is no id")]
struct MalformedAnswer;

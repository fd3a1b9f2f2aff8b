//! What the conversation service is asked.

use auth::{PeerChannel, Person};
use ids::ConversationId;
use problem::{Problem, Result};
use proto::conversation::CheckMemberRequest;
use proto::conversation::conversation_internal_service_client::ConversationInternalServiceClient;

#[derive(Clone)]
pub struct Peers {
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
}

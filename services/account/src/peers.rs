//! What other services are told.

use auth::PeerChannel;
use ids::UserId;
use problem::Problem;
use proto::conversation::block_internal_service_client::BlockInternalServiceClient;
use proto::conversation::person_internal_service_client::PersonInternalServiceClient;
use proto::conversation::{
    self as wire, RemovePersonRequest, RemovePersonResponse, SetBlockRequest,
};

use crate::store::blocks::{BlockState, Decision};

pub struct Peers {
    pub conversation: PeerChannel,
}

impl Peers {
    /// Makes a decision hold between two people. Idempotent. Returns when the log has applied it.
    pub async fn set_block(&self, decision: Decision) -> Result<(), Problem> {
        let state = match decision.state {
            BlockState::Blocked => wire::BlockState::Blocked,
            BlockState::NotBlocked => wire::BlockState::NotBlocked,
        };
        let request = SetBlockRequest {
            blocker_id: decision.blocker.to_string(),
            blocked_id: decision.blocked.to_string(),
            version: decision.version as u64,
            state: state.into(),
        };
        BlockInternalServiceClient::new(self.conversation.channel())
            .set_block(self.conversation.request(request, None))
            .await
            .map_err(|status| Problem::from_peer("conversation", &status))?;
        Ok(())
    }

    /// Takes somebody without an account out of conversations; the answer says whether there are more.
    /// Idempotent.
    pub async fn remove_person(&self, user: UserId) -> Result<RemovePersonResponse, Problem> {
        let request = RemovePersonRequest {
            user_id: user.to_string(),
        };
        let answer = PersonInternalServiceClient::new(self.conversation.channel())
            .remove_person(self.conversation.request(request, None))
            .await
            .map_err(|status| Problem::from_peer("conversation", &status))?;
        Ok(answer.into_inner())
    }
}

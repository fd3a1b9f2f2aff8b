use auth::{PeerChannel, Person};
use ids::UserId;
use proto::conversation::co_member_internal_service_client::CoMemberInternalServiceClient;
use proto::conversation::{FilterCoMembersRequest, ListCoMembersRequest};

use super::{PeerAway, peer_failed};

/// Who is in conversations with whom.
pub struct CoMembers {
    pub(super) peer: PeerChannel,
}

impl CoMembers {
    /// Those of `others`, at most 500, who are in any conversation with the person.
    ///
    /// # Errors
    /// [`PeerAway`] when the conversation service doesn't answer.
    pub async fn filter(
        &self,
        person: &Person,
        others: &[UserId],
    ) -> Result<Vec<UserId>, PeerAway> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let request = FilterCoMembersRequest {
            user_ids: others.iter().map(UserId::to_string).collect(),
        };
        let request = self.peer.request(request, Some(person));
        let mut peer = CoMemberInternalServiceClient::new(self.peer.channel());
        let answer = peer.filter_co_members(request).await;
        users(answer.map(|answer| answer.into_inner().user_ids))
    }

    /// The first `limit` people after `after`, by id, who are in any conversation with the person.
    ///
    /// # Errors
    /// As [`CoMembers::filter`].
    pub async fn list(
        &self,
        person: &Person,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, PeerAway> {
        let request = ListCoMembersRequest {
            after_user_id: after.map(|user| user.to_string()).unwrap_or_default(),
            limit,
        };
        let request = self.peer.request(request, Some(person));
        let mut peer = CoMemberInternalServiceClient::new(self.peer.channel());
        let answer = peer.list_co_members(request).await;
        users(answer.map(|answer| answer.into_inner().user_ids))
    }
}

fn users(answer: Result<Vec<String>, tonic::Status>) -> Result<Vec<UserId>, PeerAway> {
    match answer {
        Ok(ids) => Ok(ids.iter().filter_map(|id| id.parse().ok()).collect()),
        Err(status) => {
            peer_failed("conversation", &status);
            Err(PeerAway("conversation"))
        }
    }
}

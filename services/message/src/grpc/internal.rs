use std::time::Duration;

use auth::{Caller, person_from_metadata};
use problem::{Kind, Problem};
use proto::message::message_internal_service_server::MessageInternalService;
use proto::message::{
    AwaitMembershipVersionRequest, AwaitMembershipVersionResponse, CountMessagesRequest,
    CountMessagesResponse, DailyCount, GetChangesRequest, GetChangesResponse, GetHeadsRequest,
    GetHeadsResponse, GetMembershipRequest, GetMembershipResponse, GetSummariesRequest,
    GetSummariesResponse, Head, LoggedMember, Summary,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::{conversation_id, conversation_ids};
use crate::app::App;
use crate::history::{MAX_HEAD_IDS, MAX_IDS};

/// Between two looks at a head that isn't there yet: doubled up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// For peers, whose identity was verified before a call comes here.
pub struct Internal(pub App);

/// Refuses peers other than the one that owns membership.
fn only_conversation<T>(request: &Request<T>) -> problem::Result<()> {
    match request.extensions().get::<Caller>() {
        Some(Caller(caller)) if caller == "conversation" => Ok(()),
        _ => Err(Problem::new(
            Kind::PermissionDenied,
            "identity_forbidden",
            "This call is not for this service.",
        )),
    }
}

#[tonic::async_trait]
impl MessageInternalService for Internal {
    async fn await_membership_version(
        &self,
        request: Request<AwaitMembershipVersionRequest>,
    ) -> Result<Response<AwaitMembershipVersionResponse>, Status> {
        only_conversation(&request)?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let wait = Duration::from_millis(request.timeout_ms.into()).min(LONGEST_WAIT);
        let until = Instant::now() + wait;
        let mut pause = FIRST_LOOK;
        loop {
            if self.0.history.membership_version(conversation).await? >= request.version {
                return Ok(Response::new(AwaitMembershipVersionResponse {}));
            }
            if Instant::now() + pause > until {
                return Err(Problem::new(
                    Kind::Timeout,
                    "membership_pending",
                    "The log has not applied the change yet.",
                )
                .into());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    async fn get_heads(
        &self,
        request: Request<GetHeadsRequest>,
    ) -> Result<Response<GetHeadsResponse>, Status> {
        only_conversation(&request)?;
        let ids = conversation_ids(&request.into_inner().conversation_ids, MAX_HEAD_IDS)?;
        let heads = self
            .0
            .history
            .heads(&ids)
            .await?
            .into_iter()
            .map(|(conversation, head)| Head {
                conversation_id: conversation.to_string(),
                number: head.last_number,
                time_unix_ms: head.last_time_unix_ms,
            })
            .collect();
        Ok(Response::new(GetHeadsResponse { heads }))
    }

    async fn get_summaries(
        &self,
        request: Request<GetSummariesRequest>,
    ) -> Result<Response<GetSummariesResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let ids = conversation_ids(&request.into_inner().conversation_ids, MAX_IDS)?;
        let summaries = self
            .0
            .history
            .summaries(person.user, ids)
            .await?
            .into_iter()
            .map(|summary| Summary {
                state: Some(summary.state),
                last_entry: summary.last_entry,
            })
            .collect();
        Ok(Response::new(GetSummariesResponse { summaries }))
    }

    async fn get_changes(
        &self,
        request: Request<GetChangesRequest>,
    ) -> Result<Response<GetChangesResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let (complete, changed, cursor) = self
            .0
            .history
            .changes(person.user, &request.into_inner().cursor)
            .await?;
        Ok(Response::new(GetChangesResponse {
            complete,
            changed,
            cursor,
        }))
    }

    async fn count_messages(
        &self,
        request: Request<CountMessagesRequest>,
    ) -> Result<Response<CountMessagesResponse>, Status> {
        only_conversation(&request)?;
        let request = request.into_inner();
        let conversation = conversation_id(&request.conversation_id)?;
        let counted = self
            .0
            .history
            .count_messages(conversation, request.after_number)
            .await?;
        Ok(Response::new(CountMessagesResponse {
            counts: counted
                .messages
                .into_iter()
                .map(|((day, sender), messages)| DailyCount {
                    day,
                    sender_id: sender.to_string(),
                    messages,
                })
                .collect(),
            through_number: counted.through_number,
            head_number: counted.head.last_number,
            applied_offset: counted.head.position.offset,
        }))
    }
    async fn get_membership(
        &self,
        request: Request<GetMembershipRequest>,
    ) -> Result<Response<GetMembershipResponse>, Status> {
        only_conversation(&request)?;
        let conversation = conversation_id(&request.into_inner().conversation_id)?;
        let Some(known) = self.0.history.membership(conversation).await? else {
            return Ok(Response::new(GetMembershipResponse::default()));
        };
        let members = known.members.iter().map(|(user, member)| LoggedMember {
            user_id: user.to_string(),
            role: events::Role::from(member.role).into(),
            sees_from_number: member.sees_from,
        });
        Ok(Response::new(GetMembershipResponse {
            version: known.membership_version,
            members: members.collect(),
            blocker_ids: known.blockers().map(|user| user.to_string()).collect(),
        }))
    }
}

use auth::person_from_metadata;
use problem::{Kind, Problem};
use proto::conversation::conversation_internal_service_server::ConversationInternalService;
use proto::conversation::{CheckMemberRequest, CheckMemberResponse};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::requests;

/// For peers, whose identity was verified before a call comes here.
pub struct Internal(pub App);

#[tonic::async_trait]
impl ConversationInternalService for Internal {
    async fn check_member(
        &self,
        request: Request<CheckMemberRequest>,
    ) -> Result<Response<CheckMemberResponse>, Status> {
        let person = person_from_metadata(&self.0.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let user = requests::user_id(&request.user_id)?;
        if user != person.user {
            // A peer asks on behalf of somebody, never about anybody.
            return Err(Problem::new(
                Kind::PermissionDenied,
                "person_mismatch",
                "The access token is another person's.",
            )
            .into());
        }
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let member = self.0.memberships.is_member(conversation, user).await?;
        Ok(Response::new(CheckMemberResponse { member }))
    }
}

use auth::person_from_metadata;
use ids::UserId;
use problem::{Kind, Problem, Result};
use proto::conversation::co_member_internal_service_server::CoMemberInternalService;
use proto::conversation::{
    FilterCoMembersRequest, FilterCoMembersResponse, GetAudienceRequest, GetAudienceResponse,
    ListCoMembersRequest, ListCoMembersResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::problems;
use crate::requests;
use crate::store::co_members::CoMembers as Store;

/// Most people in one question or answer.
const MAX: u32 = 500;

/// For peers, whose identity was verified before a call comes here.
pub struct CoMembers {
    app: App,
    store: Store,
}

impl CoMembers {
    pub fn new(app: App) -> Self {
        let store = Store::new(app.pool.clone());
        Self { app, store }
    }
}

#[tonic::async_trait]
impl CoMemberInternalService for CoMembers {
    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> std::result::Result<Response<GetAudienceResponse>, Status> {
        let person = person_from_metadata(&self.app.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let max = limit(request.max_members)?;
        let memberships = &self.app.memberships;
        if !memberships.is_member(conversation, person.user).await? {
            return Err(problems::conversation_unknown().into());
        }
        let members = self.store.of(conversation, max + 1).await;
        let mut members = members.map_err(|error| postgres::problem(&error))?;
        if members.len() > max as usize {
            members.clear();
        }
        Ok(Response::new(GetAudienceResponse {
            user_ids: texts(&members),
        }))
    }

    async fn filter_co_members(
        &self,
        request: Request<FilterCoMembersRequest>,
    ) -> std::result::Result<Response<FilterCoMembersResponse>, Status> {
        let person = person_from_metadata(&self.app.tokens, request.metadata()).await?;
        let asked = request.into_inner().user_ids;
        if asked.len() > MAX as usize {
            return Err(Problem::new(
                Kind::InvalidInput,
                "too_many_ids",
                format!("At most {MAX} ids at once."),
            )
            .into());
        }
        let others = requests::user_ids(&asked)?;
        let found = self.store.filter(person.user, &others).await;
        Ok(Response::new(FilterCoMembersResponse {
            user_ids: texts(&found.map_err(|error| postgres::problem(&error))?),
        }))
    }

    async fn list_co_members(
        &self,
        request: Request<ListCoMembersRequest>,
    ) -> std::result::Result<Response<ListCoMembersResponse>, Status> {
        let person = person_from_metadata(&self.app.tokens, request.metadata()).await?;
        let request = request.into_inner();
        let after = match request.after_user_id.as_str() {
            "" => None,
            id => Some(requests::user_id(id)?),
        };
        let limit = limit(request.limit)?;
        let found = self.store.list(person.user, after, limit).await;
        Ok(Response::new(ListCoMembersResponse {
            user_ids: texts(&found.map_err(|error| postgres::problem(&error))?),
        }))
    }
}

fn limit(asked: u32) -> Result<u32> {
    if (1..=MAX).contains(&asked) {
        return Ok(asked);
    }
    Err(Problem::new(
        Kind::InvalidInput,
        "limit_invalid",
        format!("1 to {MAX}."),
    ))
}

fn texts(users: &[UserId]) -> Vec<String> {
    users.iter().map(UserId::to_string).collect()
}

use ids::UserId;
use problem::{Fields, Problem};
use proto::conversation::block_internal_service_server::BlockInternalService;
use proto::conversation::{self as wire, SetBlockRequest, SetBlockResponse};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::block::{Block, BlockState};

/// For the account service, whose identity was verified before a call comes here.
pub struct Blocks(pub App);

#[tonic::async_trait]
impl BlockInternalService for Blocks {
    async fn set_block(
        &self,
        request: Request<SetBlockRequest>,
    ) -> Result<Response<SetBlockResponse>, Status> {
        let block = read(request.get_ref())?;
        self.0.memberships.set_block(block).await?;
        Ok(Response::new(SetBlockResponse {}))
    }
}

fn read(request: &SetBlockRequest) -> Result<Block, Problem> {
    let mut fields = Fields::default();
    let mut user = |field: &'static str, text: &str| {
        fields.parse(field, "user_id_invalid", UserId::parse(text))
    };
    let blocker = user("blocker_id", &request.blocker_id);
    let blocked = user("blocked_id", &request.blocked_id);
    let version = (1..=i64::MAX as u64).contains(&request.version);
    if !version {
        fields.refuse("version", "version_invalid", "Versions begin with 1.");
    }
    let state = match request.state() {
        wire::BlockState::Blocked => Some(BlockState::Blocked),
        wire::BlockState::NotBlocked => Some(BlockState::NotBlocked),
        wire::BlockState::Unspecified => {
            fields.refuse("state", "value_unknown", "Not a value of this enumeration.");
            None
        }
    };
    let (Some(blocker), Some(blocked), true, Some(state)) = (blocker, blocked, version, state)
    else {
        return Err(fields.into_problem());
    };
    Ok(Block::new(blocker, blocked, request.version, state)?)
}

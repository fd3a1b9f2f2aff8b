use std::sync::Arc;

use ids::UserId;
use problem::{Kind, Problem};
use proto::account::last_seen_internal_service_server::LastSeenInternalService;
use proto::account::{
    GetLastSeenRequest, GetLastSeenResponse, LastSeen, NoteLastSeenRequest, NoteLastSeenResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::store::last_seen;

/// Most people in one call.
const MAX: usize = 500;

pub struct Times(pub Arc<App>);

#[tonic::async_trait]
impl LastSeenInternalService for Times {
    async fn note_last_seen(
        &self,
        request: Request<NoteLastSeenRequest>,
    ) -> Result<Response<NoteLastSeenResponse>, Status> {
        let told = request.into_inner().people;
        check_count(told.len())?;
        // A clock that is wrong must not make somebody seen in the future for years.
        let now = self.0.clock.unix_ms() as i64;
        let people = told
            .iter()
            .map(|seen| Ok((user(&seen.user_id)?, seen.unix_ms.min(now))))
            .collect::<Result<Vec<_>, Problem>>()?;
        last_seen::note(&self.0.database, &people).await?;
        Ok(Response::new(NoteLastSeenResponse {}))
    }

    async fn get_last_seen(
        &self,
        request: Request<GetLastSeenRequest>,
    ) -> Result<Response<GetLastSeenResponse>, Status> {
        let asked = request.into_inner().user_ids;
        check_count(asked.len())?;
        let people = asked.iter().map(|id| user(id));
        let people = people.collect::<Result<Vec<_>, Problem>>()?;
        let found = last_seen::of(&self.0.database, &people).await?;
        Ok(Response::new(GetLastSeenResponse {
            people: found
                .into_iter()
                .map(|(user, unix_ms)| LastSeen {
                    user_id: user.to_string(),
                    unix_ms,
                })
                .collect(),
        }))
    }
}

fn user(id: &str) -> Result<UserId, Problem> {
    UserId::parse(id)
        .map_err(|error| Problem::new(Kind::InvalidInput, "user_id_invalid", error.to_string()))
}

fn check_count(count: usize) -> Result<(), Problem> {
    if count <= MAX {
        return Ok(());
    }
    Err(Problem::new(
        Kind::InvalidInput,
        "too_many_ids",
        format!("At most {MAX} people at once."),
    ))
}

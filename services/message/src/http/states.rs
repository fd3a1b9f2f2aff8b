use auth::Person;
use axum::extract::State;
use problem::{Kind, Problem, ProblemBody, Result};
use proto::socket::ConversationState;
use serde::{Deserialize, Serialize};
use serving::{Json, Query};
use utoipa::{IntoParams, ToSchema};

use super::conversation_id;
use crate::app::App;
use crate::history::MAX_IDS;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatesQuery {
    /// Conversation ids, separated by commas; at most 100.
    ids: String,
}

/// Where you stand in the conversations that you asked for; those you were never in are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct States {
    states: Vec<ConversationState>,
}

/// Head, read mark and unread count of conversations.
#[utoipa::path(
    get,
    path = "/api/messages/states",
    operation_id = "get_states",
    tag = "messages",
    params(StatesQuery),
    responses(
        (status = 200, body = States),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_id_invalid, too_many_ids"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(app): State<App>,
    person: Person,
    Query(query): Query<StatesQuery>,
) -> Result<Json<States>> {
    let ids = query
        .ids
        .split(',')
        .filter(|id| !id.is_empty())
        .map(conversation_id)
        .collect::<Result<Vec<_>>>()?;
    if ids.len() > MAX_IDS {
        return Err(Problem::new(
            Kind::InvalidInput,
            "too_many_ids",
            format!("At most {MAX_IDS} ids at once."),
        ));
    }
    let states = app.history.states(person.user, ids).await?;
    Ok(Json(States { states }))
}

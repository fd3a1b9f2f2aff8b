use auth::Person;
use axum::extract::State;
use problem::{Kind, Problem, ProblemBody, Result};
use proto::socket::{ConversationState, Entry};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::conversation_id;
use crate::app::App;
use crate::history::Place;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Entries with greater numbers, ascending.
    after: Option<u64>,
    /// Entries with smaller numbers, the nearest, ascending.
    before: Option<u64>,
    /// 1 to 100; 50 if absent.
    #[serde(default)]
    limit: u32,
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryPage {
    entries: Vec<Entry>,
    /// All that you may see from here to `covered_to` is in `entries`.
    covered_from: u64,
    covered_to: u64,
    state: ConversationState,
}

/// Reads a conversation.
///
/// Without `after` and `before`: the newest entries.
#[utoipa::path(
    get,
    path = "/api/messages/conversations/{conversation_id}/entries",
    operation_id = "list_entries",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid), PageQuery),
    responses(
        (status = 200, body = EntryPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "position_ambiguous"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<EntryPage>> {
    let conversation = conversation_id(&conversation)?;
    let place = match (query.after, query.before) {
        (Some(after), None) => Place::After(after),
        (None, Some(before)) => Place::Before(before),
        (None, None) => Place::Newest,
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                Kind::InvalidInput,
                "position_ambiguous",
                "Either `after` or `before`.",
            ));
        }
    };
    let page = app
        .history
        .page(person.user, conversation, place, query.limit)
        .await?;
    Ok(Json(EntryPage {
        entries: page.entries,
        covered_from: page.covered_from,
        covered_to: page.covered_to,
        state: page.state,
    }))
}

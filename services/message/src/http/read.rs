use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use proto::socket::ConversationState;
use serde::Deserialize;
use serving::{Json, Path};
use utoipa::ToSchema;

use super::conversation_id;
use crate::app::App;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// The last entry that was seen; a lower one than before changes nothing.
    number: u64,
}

/// Moves your read mark up.
///
/// Answers where you stand then, on all your devices. Idempotent.
#[utoipa::path(
    post,
    path = "/api/messages/conversations/{conversation_id}/read",
    operation_id = "mark_read",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid)),
    request_body = ReadBody,
    responses(
        (status = 200, body = ConversationState),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "not_a_member"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, body = ProblemBody, content_type = "application/problem+json",
         description = "outcome_unknown"),
    )
)]
pub async fn mark(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<ReadBody>,
) -> Result<Json<ConversationState>> {
    let conversation = conversation_id(&conversation)?;
    let state = app
        .sending
        .mark_read(person.user, conversation, body.number)
        .await?;
    Ok(Json(state))
}

use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use proto::socket::Accepted;
use serde::Deserialize;
use serving::{Json, Path};
use utoipa::ToSchema;

use super::conversation_id;
use crate::app::App;
use crate::sending::{Draft, refusal};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// UUID of version 7, made by the sender: the same again gives the first answer again.
    #[schema(format = Uuid)]
    client_message_id: String,
    /// At most 8,192 bytes of UTF-8.
    #[serde(default)]
    text: String,
    /// Ids of uploaded files, at most 10.
    #[serde(default)]
    attachment_ids: Vec<String>,
    /// Number of the entry that this one answers; 0: none.
    #[serde(default)]
    reply_to_number: u64,
}

/// Sends a message.
///
/// Answers when it is numbered and stored. After 503 or 504 the outcome is unknown: send it again with
/// the same `client_message_id`.
#[utoipa::path(
    post,
    path = "/api/messages/conversations/{conversation_id}/messages",
    operation_id = "send_message",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid)),
    request_body = SendBody,
    responses(
        (status = 200, body = Accepted),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "message_invalid, client_message_id_invalid, client_message_id_expired, client_message_id_in_future, text_empty, text_too_long, attachment_invalid, reply_to_invalid"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "not_a_member, not_allowed"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "client_message_id_conflict, conversation_closed"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, body = ProblemBody, content_type = "application/problem+json",
         description = "outcome_unknown"),
    )
)]
pub async fn send(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<SendBody>,
) -> Result<Json<Accepted>> {
    let conversation = conversation_id(&conversation)?;
    let draft = Draft {
        client_message_id: body.client_message_id,
        text: body.text,
        attachment_ids: body.attachment_ids,
        reply_to_number: body.reply_to_number,
    };
    match app.sending.send(person.user, conversation, draft).await? {
        Ok(accepted) => Ok(Json(accepted)),
        Err(refused) => Err(refusal(refused)),
    }
}

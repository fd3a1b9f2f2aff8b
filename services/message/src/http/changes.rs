use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use proto::socket::{Accepted, Change, ConversationState, Delete, Edit, React, change, react};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::conversation_id;
use crate::app::App;
use crate::sending::refusal;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// UUID of version 7 of this change, made by the sender: the same again gives the first answer again.
    #[schema(format = Uuid)]
    client_message_id: String,
    #[serde(flatten)]
    change: MessageChange,
}

/// One of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageChange {
    /// Another text: 1 to 8,192 bytes of UTF-8. Only who wrote the message may.
    Edit(String),
    /// Gone for everybody. Who wrote it may, and in a group its owner and admins.
    Delete {},
    /// An emoji that you put to the message.
    AddReaction(String),
    /// An emoji that you take away again.
    RemoveReaction(String),
}

/// Edits or deletes a message, or reacts to it.
///
/// Answers when the change is numbered and stored. After 503 or 504 the outcome is unknown: send it again
/// with the same `client_message_id`.
#[utoipa::path(
    post,
    path = "/api/messages/conversations/{conversation_id}/entries/{number}/changes",
    operation_id = "change_message",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid), ("number" = u64, Path)),
    request_body = ChangeBody,
    responses(
        (status = 200, body = Accepted),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "change_invalid, client_message_id_invalid, client_message_id_expired, client_message_id_in_future, text_empty, text_too_long, reaction_invalid, too_many_changes"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "not_a_member, not_the_author, not_allowed"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, target_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "client_message_id_conflict, conversation_closed, target_deleted"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, body = ProblemBody, content_type = "application/problem+json",
         description = "outcome_unknown"),
    )
)]
pub async fn change(
    State(app): State<App>,
    person: Person,
    Path((conversation, number)): Path<(String, u64)>,
    Json(body): Json<ChangeBody>,
) -> Result<Json<Accepted>> {
    let conversation = conversation_id(&conversation)?;
    let react = |reaction| {
        change::Change::React(React {
            reaction: Some(reaction),
        })
    };
    let asked = match body.change {
        MessageChange::Edit(text) => change::Change::Edit(Edit { text }),
        MessageChange::Delete {} => change::Change::Delete(Delete {}),
        MessageChange::AddReaction(emoji) => react(react::Reaction::Add(emoji)),
        MessageChange::RemoveReaction(emoji) => react(react::Reaction::Remove(emoji)),
    };
    let asked = Change {
        client_message_id: body.client_message_id,
        conversation_id: conversation.to_string(),
        number,
        change: Some(asked),
        ..Change::default()
    };
    match app.sending.change(person.user, conversation, asked).await? {
        Ok(accepted) => Ok(Json(accepted)),
        Err(refused) => Err(refusal(refused)),
    }
}

/// A text that a message has had.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revision {
    text: String,
    /// The server's time.
    time_unix_ms: i64,
}

/// Every text that a message has had, the first one first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revisions {
    revisions: Vec<Revision>,
}

/// The history of a message.
#[utoipa::path(
    get,
    path = "/api/messages/conversations/{conversation_id}/entries/{number}/revisions",
    operation_id = "list_revisions",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid), ("number" = u64, Path)),
    responses(
        (status = 200, body = Revisions),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, entry_unknown"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn revisions(
    State(app): State<App>,
    person: Person,
    Path((conversation, number)): Path<(String, u64)>,
) -> Result<Json<Revisions>> {
    let conversation = conversation_id(&conversation)?;
    let revisions = app
        .history
        .revisions(person.user, conversation, number)
        .await?;
    Ok(Json(Revisions {
        revisions: revisions
            .into_iter()
            .map(|revision| Revision {
                text: revision.text,
                time_unix_ms: revision.time_unix_ms,
            })
            .collect(),
    }))
}

/// Deletes an entry for you alone.
///
/// On all your devices. There is no way back. Idempotent.
#[utoipa::path(
    post,
    path = "/api/messages/conversations/{conversation_id}/entries/{number}/hide",
    operation_id = "hide_entry",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid), ("number" = u64, Path)),
    responses(
        (status = 200, body = ConversationState),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "not_a_member"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, entry_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "too_many_hidden"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, body = ProblemBody, content_type = "application/problem+json",
         description = "outcome_unknown"),
    )
)]
pub async fn hide(
    State(app): State<App>,
    person: Person,
    Path((conversation, number)): Path<(String, u64)>,
) -> Result<Json<ConversationState>> {
    let conversation = conversation_id(&conversation)?;
    let state = app.sending.hide(person.user, conversation, number).await?;
    Ok(Json(state))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HiddenQuery {
    /// How many you know of; absent: none.
    #[serde(default)]
    after: u64,
}

/// Numbers of entries that you have hidden, in the order of hiding.
#[derive(Debug, Serialize, ToSchema)]
pub struct HiddenEntries {
    numbers: Vec<u64>,
}

/// What you have hidden in a conversation.
#[utoipa::path(
    get,
    path = "/api/messages/conversations/{conversation_id}/hidden",
    operation_id = "list_hidden",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid), HiddenQuery),
    responses(
        (status = 200, body = HiddenEntries),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn hidden(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Query(query): Query<HiddenQuery>,
) -> Result<Json<HiddenEntries>> {
    let conversation = conversation_id(&conversation)?;
    let numbers = app
        .history
        .hidden(person.user, conversation, query.after)
        .await?;
    Ok(Json(HiddenEntries { numbers }))
}

use auth::Person;
use axum::extract::State;
use ids::UserId;
use problem::{Kind, Problem, ProblemBody, Result};
use proto::socket::{ConversationState, Receipt};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveredBody {
    /// The last entry that a device of yours has stored; a lower one than before changes nothing.
    number: u64,
}

/// Says how far a device of yours has got.
///
/// Authors see it as "delivered". Idempotent.
#[utoipa::path(
    post,
    path = "/api/messages/conversations/{conversation_id}/delivered",
    operation_id = "mark_delivered",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid)),
    request_body = DeliveredBody,
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
pub async fn delivered(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<DeliveredBody>,
) -> Result<Json<ConversationState>> {
    let conversation = conversation_id(&conversation)?;
    let state = app
        .sending
        .mark_delivered(person.user, conversation, body.number)
        .await?;
    Ok(Json(state))
}

/// Marks a conversation as unread, for you.
///
/// On all your devices, until you read to its end. Moves no read mark back. Idempotent.
#[utoipa::path(
    post,
    path = "/api/messages/conversations/{conversation_id}/unread",
    operation_id = "mark_unread",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid)),
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
pub async fn unread(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
) -> Result<Json<ConversationState>> {
    let conversation = conversation_id(&conversation)?;
    let state = app.sending.mark_unread(person.user, conversation).await?;
    Ok(Json(state))
}

/// How far each member has got.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarkList {
    /// Who has moved no mark yet is left out.
    marks: Vec<Receipt>,
}

/// How far each member has got.
///
/// In conversations of up to 100 members; in larger ones ask for the receipts of a message.
#[utoipa::path(
    get,
    path = "/api/messages/conversations/{conversation_id}/marks",
    operation_id = "list_marks",
    tag = "messages",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = MarkList),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "not_a_member"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "too_many_members"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn marks(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
) -> Result<Json<MarkList>> {
    let conversation = conversation_id(&conversation)?;
    let marks = app.history.marks(person.user, conversation).await?;
    Ok(Json(MarkList { marks }))
}

/// When one member got and read a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberReceipt {
    user_id: String,
    /// The server's time; absent: not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_time_unix_ms: Option<i64>,
    /// The server's time; absent: not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_time_unix_ms: Option<i64>,
}

/// Members who were there when the message was written, but its author; by user id.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageReceipts {
    receipts: Vec<MemberReceipt>,
    /// For `after` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReceiptsQuery {
    /// A user id: those above it.
    after: Option<String>,
    /// 1 to 100; 50 if absent.
    #[serde(default)]
    limit: u32,
}

/// Who got a message and who read it, and when.
#[utoipa::path(
    get,
    path = "/api/messages/conversations/{conversation_id}/entries/{number}/receipts",
    operation_id = "get_receipts",
    tag = "messages",
    params(
        ("conversation_id" = String, Path, format = Uuid),
        ("number" = u64, Path),
        ReceiptsQuery,
    ),
    responses(
        (status = 200, body = MessageReceipts),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "user_id_invalid"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "not_a_member"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, entry_unknown"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn receipts(
    State(app): State<App>,
    person: Person,
    Path((conversation, number)): Path<(String, u64)>,
    Query(query): Query<ReceiptsQuery>,
) -> Result<Json<MessageReceipts>> {
    let conversation = conversation_id(&conversation)?;
    let after = query.after.as_deref().map(user_id).transpose()?;
    let (receipts, next) = app
        .history
        .receipts(person.user, conversation, number, query.limit, after)
        .await?;
    let reached = |unix_ms: i64| (unix_ms != 0).then_some(unix_ms);
    Ok(Json(MessageReceipts {
        receipts: receipts
            .into_iter()
            .map(|receipt| MemberReceipt {
                user_id: receipt.user_id,
                delivered_time_unix_ms: reached(receipt.delivered_time_unix_ms),
                read_time_unix_ms: reached(receipt.read_time_unix_ms),
            })
            .collect(),
        next_after: next.map(|user| user.to_string()),
    }))
}

fn user_id(text: &str) -> Result<UserId> {
    UserId::parse(text).map_err(|_| {
        Problem::new(
            Kind::InvalidInput,
            "user_id_invalid",
            "The user id is not a UUID.",
        )
    })
}

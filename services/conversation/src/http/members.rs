use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{Fields, ProblemBody, Result};
use serving::Path;

use crate::app::App;
use crate::memberships::parse_conversation;

/// Leaves a group. Idempotent.
///
/// An owner hands the group to the admin, else the member, who has been in it longest. The last one
/// leaves it empty; it keeps its name and can be joined again.
#[utoipa::path(
    post,
    path = "/api/conversations/{conversation_id}/leave",
    operation_id = "leave_group",
    tag = "conversations",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 204, description = "Not a member any more"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, also for who never was in it"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "direct_conversation_fixed"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn leave(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
) -> Result<StatusCode> {
    let conversation = parse_conversation(&conversation)?;
    app.memberships.leave(&person, conversation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a member from a group. Idempotent.
///
/// An owner may remove anybody, an admin plain members. Removing oneself is leaving.
#[utoipa::path(
    delete,
    path = "/api/conversations/{conversation_id}/members/{user_id}",
    operation_id = "remove_member",
    tag = "conversations",
    params(
        ("conversation_id" = String, Path, format = Uuid),
        ("user_id" = String, Path, format = Uuid),
    ),
    responses(
        (status = 204, description = "Not a member any more"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "direct_conversation_fixed"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn remove(
    State(app): State<App>,
    person: Person,
    Path((conversation, user)): Path<(String, String)>,
) -> Result<StatusCode> {
    let mut fields = Fields::default();
    let conversation = fields.parse(
        "conversation_id",
        "conversation_id_invalid",
        conversation.parse(),
    );
    let user = fields.parse("user_id", "user_id_invalid", user.parse());
    let (Some(conversation), Some(user)) = (conversation, user) else {
        return Err(fields.into_problem());
    };
    app.memberships.remove(&person, conversation, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{ProblemBody, Result};
use serde::Deserialize;
use serving::{Json, Path};
use utoipa::ToSchema;

use super::bodies::RoleBody;
use crate::app::App;
use crate::requests;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddMembersBody {
    /// At most 100. All of them are added, or none.
    #[schema(max_items = 100)]
    user_ids: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRoleBody {
    role: RoleBody,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenHistoryBody {
    /// Number of the first entry that they may see from now on; 1: all.
    #[schema(minimum = 1)]
    from_number: u64,
}

/// Leaves a group. Idempotent.
///
/// The last owner hands the group to the admin, else the member, who has been in it longest. The last one
/// leaves a public group empty; it keeps its name and can be joined again. A private one is gone.
#[utoipa::path(
    post,
    path = "/api/conversations/{conversation_id}/leave",
    operation_id = "leave_group",
    tag = "members",
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
    let conversation = requests::conversation_id(&conversation)?;
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
    tag = "members",
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
    let (conversation, user) = requests::member(&conversation, &user)?;
    app.memberships.remove(&person, conversation, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts people into a group. For owners and admins. Idempotent.
///
/// They see what is written from then on.
#[utoipa::path(
    post,
    path = "/api/conversations/{conversation_id}/members",
    operation_id = "add_members",
    tag = "members",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 204, description = "They are in it"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid: user_id_invalid, user_unknown, too_many_members"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_full, direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn add(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<AddMembersBody>,
) -> Result<StatusCode> {
    let conversation = requests::conversation_id(&conversation)?;
    let users = requests::user_ids(&body.user_ids)?;
    app.memberships
        .add_members(&person, conversation, &users)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a member a role. For owners; anybody may step down. Idempotent.
///
/// A group can have several owners, and always has one.
#[utoipa::path(
    put,
    path = "/api/conversations/{conversation_id}/members/{user_id}/role",
    operation_id = "set_role",
    tag = "members",
    params(
        ("conversation_id" = String, Path, format = Uuid),
        ("user_id" = String, Path, format = Uuid),
    ),
    responses(
        (status = 204, description = "They have this role"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, member_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "owner_required, direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn set_role(
    State(app): State<App>,
    person: Person,
    Path((conversation, user)): Path<(String, String)>,
    Json(body): Json<SetRoleBody>,
) -> Result<StatusCode> {
    let (conversation, user) = requests::member(&conversation, &user)?;
    app.memberships
        .set_role(&person, conversation, user, body.role.into())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a member see what was written before they came. For owners. Idempotent.
///
/// It never closes what is open; who leaves and comes back begins anew.
#[utoipa::path(
    put,
    path = "/api/conversations/{conversation_id}/members/{user_id}/history",
    operation_id = "open_history",
    tag = "members",
    params(
        ("conversation_id" = String, Path, format = Uuid),
        ("user_id" = String, Path, format = Uuid),
    ),
    responses(
        (status = 204, description = "They may see it"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid: from_number_invalid"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, member_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn open_history(
    State(app): State<App>,
    person: Person,
    Path((conversation, user)): Path<(String, String)>,
    Json(body): Json<OpenHistoryBody>,
) -> Result<StatusCode> {
    let (conversation, user) = requests::member(&conversation, &user)?;
    app.memberships
        .open_history(&person, conversation, user, body.from_number)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

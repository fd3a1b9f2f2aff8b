use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{ProblemBody, Result};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::bodies::{GroupCardBody, OpenedBody, VisibilityBody};
use super::conversations::PAGE;
use crate::app::App;
use crate::domain::conversation::Visibility;
use crate::domain::page::NameCursor;
use crate::requests;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroupBody {
    /// Unique: 3 to 64 of a-z, 0-9, '-', '_' and '.', a letter or digit first.
    #[schema(
        min_length = 3,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9._-]{2,63}$"
    )]
    name: String,
    /// Who is in it from the start, besides the caller: at most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    member_ids: Vec<String>,
    /// Absent: public.
    #[serde(default)]
    visibility: Option<VisibilityBody>,
    #[serde(default)]
    #[schema(max_length = 500)]
    description: String,
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeGroupBody {
    /// Unique; the old one is free at once.
    #[serde(default)]
    #[schema(
        min_length = 3,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9._-]{2,63}$"
    )]
    name: Option<String>,
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
    /// A file that was uploaded into this group; empty: no picture.
    #[serde(default)]
    picture_id: Option<String>,
    /// For owners.
    #[serde(default)]
    visibility: Option<VisibilityBody>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PublicGroupsQuery {
    /// The beginning of the names; absent: all.
    #[param(max_length = 64)]
    prefix: Option<String>,
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of groups, in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupsBody {
    items: Vec<GroupCardBody>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundGroupBody {
    group: GroupCardBody,
}

/// Creates a group that the caller owns.
///
/// The same call again, by the same person, returns the same group.
#[utoipa::path(
    post,
    path = "/api/conversations/groups",
    operation_id = "create_group",
    tag = "groups",
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid, with every faulty field"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_name_taken"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn create(
    State(app): State<App>,
    person: Person,
    Json(body): Json<CreateGroupBody>,
) -> Result<Json<OpenedBody>> {
    let group = requests::new_group(
        &body.name,
        body.visibility.map(Visibility::from),
        &body.description,
        &body.member_ids,
    )?;
    let conversation = app.memberships.create_group(&person, &group).await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}

/// Joins a public group by its name. Idempotent.
///
/// Who joins sees what is written from then on. The first in an empty group owns it.
#[utoipa::path(
    post,
    path = "/api/conversations/groups/{name}/join",
    operation_id = "join_group",
    tag = "groups",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown, also for a private one"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_full"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn join(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> Result<Json<OpenedBody>> {
    let name = requests::group_name(&name)?;
    let conversation = app.memberships.join(&person, &name).await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}

/// Public groups by the beginning of their names, in the order of names.
#[utoipa::path(
    get,
    path = "/api/conversations/groups",
    operation_id = "list_public_groups",
    tag = "groups",
    params(PublicGroupsQuery),
    responses(
        (status = 200, body = GroupsBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid: prefix_invalid, cursor_invalid, limit_invalid"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list_public(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PublicGroupsQuery>,
) -> Result<Json<GroupsBody>> {
    let (prefix, cursor, size) = PAGE.groups(
        query.prefix.as_deref().unwrap_or_default(),
        query.cursor.as_deref(),
        query.limit,
    )?;
    let page = app
        .memberships
        .public_groups(&person, &prefix, cursor.as_ref(), size)
        .await?;
    Ok(Json(GroupsBody {
        items: page.cards.iter().map(GroupCardBody::from).collect(),
        next_cursor: page.next.as_ref().map(NameCursor::encode),
    }))
}

/// A group by its name: a public one, or one that the caller is in.
#[utoipa::path(
    get,
    path = "/api/conversations/groups/{name}",
    operation_id = "get_group",
    tag = "groups",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = FoundGroupBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown, also for a private one that the caller is not in"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get_by_name(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> Result<Json<FoundGroupBody>> {
    let name = requests::group_name(&name)?;
    let card = app.memberships.group_by_name(&person, &name).await?;
    Ok(Json(FoundGroupBody {
        group: (&card).into(),
    }))
}

/// Changes a group: name, description and picture for owners and admins, visibility for owners.
///
/// Idempotent.
#[utoipa::path(
    patch,
    path = "/api/conversations/{conversation_id}",
    operation_id = "change_group",
    tag = "groups",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid, with every faulty field"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_name_taken, direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn change(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<ChangeGroupBody>,
) -> Result<Json<OpenedBody>> {
    let conversation = requests::conversation_id(&conversation)?;
    let changes = requests::group_changes(
        body.name.as_deref(),
        body.description.as_deref(),
        body.picture_id.as_deref(),
        body.visibility.map(Visibility::from),
    )?;
    let conversation = app
        .memberships
        .change_group(&person, conversation, &changes)
        .await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}

/// Deletes a group. For owners. Idempotent.
///
/// Its name is free, its invitations end, its members keep what they saw.
#[utoipa::path(
    delete,
    path = "/api/conversations/{conversation_id}",
    operation_id = "delete_group",
    tag = "groups",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 204, description = "Nobody is in it any more"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn delete(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
) -> Result<StatusCode> {
    let conversation = requests::conversation_id(&conversation)?;
    app.memberships.delete_group(&person, conversation).await?;
    Ok(StatusCode::NO_CONTENT)
}

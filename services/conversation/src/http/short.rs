//! The same by short addresses: groups by their names, people to write to. Thin: what they do is done by
//! the code behind `/api/conversations`.

use auth::Person;
use axum::extract::State;
use http::StatusCode;
use ids::{ConversationId, UserId};
use problem::{ProblemBody, Result};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::bodies::OpenedBody;
use super::conversations::{LineBody, ListBody, MembersQuery, PAGE, ViewBody};
use super::groups::{self, CreateGroupBody, FoundGroupBody};
use super::members::{self, AddMembersBody};
use crate::app::App;
use crate::domain::conversation::Kind;
use crate::domain::page::Cursor;
use crate::domain::settings::Filter;
use crate::requests;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// How many conversations are looked at: 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// People with whom the caller has a one-to-one conversation, newest activity first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatUsersBody {
    items: Vec<ChatUserBody>,
    /// Absent on the last page. A page can be shorter than its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Somebody with whom the caller has a one-to-one conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatUser)]
pub struct ChatUserBody {
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    #[schema(value_type = String, format = Uuid)]
    conversation_id: ConversationId,
    unread_count: u64,
}

/// The group of a name, as the address of the other routes.
async fn id_of(app: &App, person: &Person, name: &str) -> Result<Path<String>> {
    let name = requests::group_name(name)?;
    let card = app.memberships.group_by_name(person, &name).await?;
    Ok(Path(card.id.to_string()))
}

/// People with whom the caller has a one-to-one conversation, newest activity first.
#[utoipa::path(
    get,
    path = "/chat/users",
    operation_id = "list_chat_users",
    tag = "short",
    params(PageQuery),
    responses(
        (status = 200, body = ChatUsersBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn chat_users(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PageQuery>,
) -> Result<Json<ChatUsersBody>> {
    let (cursor, size) = PAGE.conversations(query.cursor.as_deref(), query.limit)?;
    let page = app.listing.page(&person, Filter::All, cursor, size).await?;
    Ok(Json(ChatUsersBody {
        items: page
            .lines
            .into_iter()
            .filter_map(|line| match line.conversation.kind {
                Kind::Direct(pair) => Some(ChatUserBody {
                    user_id: pair.peer_of(person.user),
                    conversation_id: line.conversation.id,
                    unread_count: line.state.unread_count,
                }),
                Kind::Group(_) => None,
            })
            .collect(),
        next_cursor: page.next.map(Cursor::encode),
    }))
}

/// The caller's groups, newest activity first. A page can be shorter than its limit.
#[utoipa::path(
    get,
    path = "/group",
    operation_id = "list_own_groups",
    tag = "short",
    params(PageQuery),
    responses(
        (status = 200, body = ListBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn own_groups(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PageQuery>,
) -> Result<Json<ListBody>> {
    let (cursor, size) = PAGE.conversations(query.cursor.as_deref(), query.limit)?;
    let page = app.listing.page(&person, Filter::All, cursor, size).await?;
    Ok(Json(ListBody {
        items: page
            .lines
            .into_iter()
            .filter(|line| matches!(line.conversation.kind, Kind::Group(_)))
            .map(|line| LineBody::seen_by(person.user, line))
            .collect(),
        next_cursor: page.next.map(Cursor::encode),
    }))
}

/// Creates a group, as `POST /api/conversations/groups`.
#[utoipa::path(
    post,
    path = "/group",
    operation_id = "create_group_short",
    tag = "short",
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_name_taken"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn create_group(
    State(app): State<App>,
    person: Person,
    body: Json<CreateGroupBody>,
) -> Result<Json<OpenedBody>> {
    groups::create(State(app), person, body).await
}

/// A group, as `GET /api/conversations/groups/{name}`.
#[utoipa::path(
    get,
    path = "/group/{name}",
    operation_id = "get_group_short",
    tag = "short",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = FoundGroupBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn group(
    State(app): State<App>,
    person: Person,
    name: Path<String>,
) -> Result<Json<FoundGroupBody>> {
    groups::get_by_name(State(app), person, name).await
}

/// Joins a public group, as `POST /api/conversations/groups/{name}/join`.
#[utoipa::path(
    post,
    path = "/group/{name}/join",
    operation_id = "join_group_short",
    tag = "short",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_full"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn join(
    State(app): State<App>,
    person: Person,
    name: Path<String>,
) -> Result<Json<OpenedBody>> {
    groups::join(State(app), person, name).await
}

/// Leaves a group, as `POST /api/conversations/{conversation_id}/leave`.
#[utoipa::path(
    post,
    path = "/group/{name}/leave",
    operation_id = "leave_group_short",
    tag = "short",
    params(("name" = String, Path)),
    responses(
        (status = 204, description = "Not a member any more"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown, conversation_unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn leave(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let conversation = id_of(&app, &person, &name).await?;
    members::leave(State(app), person, conversation).await
}

/// A group with a page of its members, as `GET /api/conversations/{conversation_id}`.
#[utoipa::path(
    get,
    path = "/group/{name}/members",
    operation_id = "list_members_short",
    tag = "short",
    params(("name" = String, Path), MembersQuery),
    responses(
        (status = 200, body = ViewBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown, conversation_unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn members(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
    query: Query<MembersQuery>,
) -> Result<Json<ViewBody>> {
    let conversation = id_of(&app, &person, &name).await?;
    super::conversations::get(State(app), person, conversation, query).await
}

/// Puts people into a group, as `POST /api/conversations/{conversation_id}/members`.
#[utoipa::path(
    post,
    path = "/group/{name}/members",
    operation_id = "add_members_short",
    tag = "short",
    params(("name" = String, Path)),
    responses(
        (status = 204, description = "They are in it"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown, conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_full"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn add_members(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
    body: Json<AddMembersBody>,
) -> Result<StatusCode> {
    let conversation = id_of(&app, &person, &name).await?;
    members::add(State(app), person, conversation, body).await
}

/// Removes a member, as `DELETE /api/conversations/{conversation_id}/members/{user_id}`.
#[utoipa::path(
    delete,
    path = "/group/{name}/members/{user_id}",
    operation_id = "remove_member_short",
    tag = "short",
    params(
        ("name" = String, Path),
        ("user_id" = String, Path, format = Uuid),
    ),
    responses(
        (status = 204, description = "Not a member any more"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown, conversation_unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn remove_member(
    State(app): State<App>,
    person: Person,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode> {
    let Path(conversation) = id_of(&app, &person, &name).await?;
    members::remove(State(app), person, Path((conversation, user))).await
}

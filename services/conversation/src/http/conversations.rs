use auth::Person;
use axum::extract::State;
use ids::UserId;
use problem::{ProblemBody, Result};
use proto::socket::{ConversationState, Entry};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::bodies::{ConversationBody, MemberBody, RoleBody, SettingsBody};
use crate::app::App;
use crate::domain::page::{Cursor, MemberCursor};
use crate::domain::settings::Filter;
use crate::listing::Line;
use crate::requests::PageFields;
use crate::store::conversations::View;

/// What a page is asked for by.
pub const PAGE: PageFields = PageFields {
    cursor: "cursor",
    size: "limit",
};

/// Which conversations are shown.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConversationFilter)]
pub enum FilterBody {
    All,
    /// Not archived.
    Active,
    Archived,
    /// On one page, in the order of the pins.
    Pinned,
}

impl From<FilterBody> for Filter {
    fn from(filter: FilterBody) -> Self {
        match filter {
            FilterBody::All => Self::All,
            FilterBody::Active => Self::Active,
            FilterBody::Archived => Self::Archived,
            FilterBody::Pinned => Self::Pinned,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Absent: all.
    #[param(inline)]
    filter: Option<FilterBody>,
}

/// Which members are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MembersQuery {
    /// `next_cursor` of the page before; absent: the first members.
    cursor: Option<String>,
    /// How many members: 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of the caller's conversations.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListBody {
    pub items: Vec<LineBody>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A conversation and where the caller stands in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineBody {
    conversation: ConversationBody,
    /// Head, read mark and unread count, always together.
    state: ConversationState,
    /// Absent when the caller may see none.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_entry: Option<Entry>,
    /// The caller's own.
    settings: SettingsBody,
}

impl LineBody {
    pub fn seen_by(viewer: UserId, line: Line) -> Self {
        Self {
            conversation: ConversationBody::seen_by(viewer, &line.conversation),
            state: line.state,
            last_entry: line.last_entry,
            settings: line.settings.into(),
        }
    }
}

/// A conversation with its members; of a large group a page of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViewBody {
    conversation: ConversationBody,
    /// The caller's own; in a direct conversation `member`.
    role: RoleBody,
    /// In the order in which they joined. How many there are in all is in the group's `member_count`.
    members: Vec<MemberBody>,
    /// Absent: there are no more members.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The caller's own.
    settings: SettingsBody,
}

impl ViewBody {
    pub fn seen_by(viewer: UserId, view: &View) -> Self {
        Self {
            conversation: ConversationBody::seen_by(viewer, &view.conversation),
            role: view.role.into(),
            members: view.members.iter().map(MemberBody::from).collect(),
            next_cursor: view.next.map(MemberCursor::encode),
            settings: view.settings.into(),
        }
    }
}

/// The caller's conversations, newest activity first.
#[utoipa::path(
    get,
    path = "/api/conversations",
    operation_id = "list_conversations",
    tag = "conversations",
    params(ListQuery),
    responses(
        (status = 200, body = ListBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> Result<Json<ListBody>> {
    let (cursor, size) = PAGE.conversations(query.cursor.as_deref(), query.limit)?;
    let filter = query.filter.map(Filter::from).unwrap_or_default();
    let page = app.listing.page(&person, filter, cursor, size).await?;
    Ok(Json(ListBody {
        items: page
            .lines
            .into_iter()
            .map(|line| LineBody::seen_by(person.user, line))
            .collect(),
        next_cursor: page.next.map(Cursor::encode),
    }))
}

/// One conversation with its members, for one of them.
///
/// At most 100 members come at once: with `next_cursor` as `cursor` comes the next page. Who stays is met exactly
/// once, however many join and leave meanwhile.
#[utoipa::path(
    get,
    path = "/api/conversations/{conversation_id}",
    operation_id = "get_conversation",
    tag = "conversations",
    params(("conversation_id" = String, Path, format = Uuid), MembersQuery),
    responses(
        (status = 200, body = ViewBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, also for who isn't in it"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn get(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Query(query): Query<MembersQuery>,
) -> Result<Json<ViewBody>> {
    let (conversation, after, size) =
        PAGE.members(&conversation, query.cursor.as_deref(), query.limit)?;
    let view = app
        .memberships
        .view(&person, conversation, after, size)
        .await?;
    Ok(Json(ViewBody::seen_by(person.user, &view)))
}

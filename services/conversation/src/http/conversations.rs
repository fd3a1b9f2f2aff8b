use auth::Person;
use axum::extract::State;
use problem::{Fields, ProblemBody, Result};
use proto::socket::{ConversationState, Entry};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::bodies::{ConversationBody, MemberBody};
use crate::app::App;
use crate::domain::page::{Cursor, PageSize};
use crate::memberships::parse_conversation;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of the caller's conversations.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListBody {
    items: Vec<LineBody>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
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
}

/// A conversation with its members.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViewBody {
    conversation: ConversationBody,
    members: Vec<MemberBody>,
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
    let mut fields = Fields::default();
    let cursor = match query.cursor.as_deref() {
        None | Some("") => Some(None),
        Some(text) => fields
            .parse("cursor", "cursor_invalid", Cursor::parse(text))
            .map(Some),
    };
    let size = match query.limit {
        None => Some(PageSize::DEFAULT),
        Some(limit) => fields.parse("limit", "limit_invalid", PageSize::new(limit)),
    };
    let (Some(cursor), Some(size)) = (cursor, size) else {
        return Err(fields.into_problem());
    };
    let page = app.listing.page(&person, cursor, size).await?;
    Ok(Json(ListBody {
        items: page
            .lines
            .into_iter()
            .map(|line| LineBody {
                conversation: ConversationBody::seen_by(person.user, &line.conversation),
                state: line.state,
                last_entry: line.last_entry,
            })
            .collect(),
        next_cursor: page.next.map(Cursor::encode),
    }))
}

/// One conversation with its members, for one of them.
#[utoipa::path(
    get,
    path = "/api/conversations/{conversation_id}",
    operation_id = "get_conversation",
    tag = "conversations",
    params(("conversation_id" = String, Path, format = Uuid)),
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
) -> Result<Json<ViewBody>> {
    let conversation = parse_conversation(&conversation)?;
    let view = app.memberships.view(&person, conversation).await?;
    Ok(Json(ViewBody {
        conversation: ConversationBody::seen_by(person.user, &view.conversation),
        members: view.members.iter().map(MemberBody::from).collect(),
    }))
}

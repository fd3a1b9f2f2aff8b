use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::{AppState, Refusals, User};
use crate::contacts::{self, parse_page, parse_user};

/// Somebody whom you have blocked.
#[derive(Serialize, ToSchema)]
pub struct Block {
    user: User,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    since: OffsetDateTime,
}

impl From<contacts::Block> for Block {
    fn from(block: contacts::Block) -> Self {
        Self {
            user: block.profile.into(),
            since: clock::from_unix_ms(block.since_unix_ms as u64),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BlocksQuery {
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of those whom you have blocked.
#[derive(Serialize, ToSchema)]
pub struct BlocksPage {
    items: Vec<Block>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Whom you have blocked, the latest first.
#[utoipa::path(
    get,
    path = "/api/account/blocks",
    operation_id = "listBlocks",
    tag = "contacts",
    params(BlocksQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A page", body = BlocksPage), Refusals),
)]
pub async fn list(
    State(state): State<AppState>,
    person: Person,
    Query(query): Query<BlocksQuery>,
) -> Result<Json<BlocksPage>, Problem> {
    let person = state.0.active(person).await?;
    let (cursor, size) = parse_page(
        ("cursor", query.cursor.as_deref().unwrap_or_default()),
        ("limit", query.limit.unwrap_or(50)),
    )?;
    let page = state.0.blocks(person.user, cursor, size).await?;
    Ok(Json(BlocksPage {
        items: page.items.into_iter().map(Block::from).collect(),
        next_cursor: page.next,
    }))
}

/// Blocks somebody. Idempotent.
///
/// When this returns, no message passes between you; nor do presence, typing, invitations to groups or
/// to be a contact, and neither finds the other. They aren't told. What you wrote to each other stays
/// readable, and groups that both are in go on.
#[utoipa::path(
    put,
    path = "/api/account/blocks/{user_id}",
    operation_id = "blockUser",
    tag = "contacts",
    params(("user_id" = String, Path, format = "uuid")),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Blocked"),
        (status = 404, description = "`user_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`blocks_full`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn block(
    State(state): State<AppState>,
    person: Person,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state.0.block(person.user, parse_user(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a block. Idempotent.
#[utoipa::path(
    delete,
    path = "/api/account/blocks/{user_id}",
    operation_id = "unblockUser",
    tag = "contacts",
    params(("user_id" = String, Path, format = "uuid")),
    security(("access_token" = [])),
    responses((status = 204, description = "Not blocked"), Refusals),
)]
pub async fn unblock(
    State(state): State<AppState>,
    person: Person,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state.0.unblock(person.user, parse_user(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

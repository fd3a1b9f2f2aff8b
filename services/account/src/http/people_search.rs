use auth::Person;
use axum::extract::State;
use problem::Problem;
use serde::{Deserialize, Serialize};
use serving::Json;
use utoipa::ToSchema;

use super::caller::Address;
use super::{AppState, Refusals, User};
use crate::contacts::parse_search;

/// In a body, because addresses in logs would tell what people look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The beginning of a handle (a leading `@` is left aside), of a name or of a word of it, at least
    /// two letters; or a whole e-mail address.
    #[schema(max_length = 254)]
    query: String,
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// 1 to 20; absent: 20.
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u32>,
}

/// A page of people.
#[derive(Serialize, ToSchema)]
pub struct SearchPage {
    items: Vec<User>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Finds people by the beginning of their handle or name, or by exactly their e-mail address.
///
/// Who doesn't want to be found isn't, nor are those between whom and you there is a block.
#[utoipa::path(
    post,
    path = "/api/account/users/search",
    operation_id = "searchUsers",
    tag = "users",
    request_body = SearchRequest,
    security(("access_token" = [])),
    responses((status = 200, description = "Who was found", body = SearchPage), Refusals),
)]
pub async fn search(
    State(state): State<AppState>,
    Address(address): Address,
    person: Person,
    Json(request): Json<SearchRequest>,
) -> Result<Json<SearchPage>, Problem> {
    let person = state.0.active(person).await?;
    let (query, after, size) = parse_search(
        &request.query,
        ("cursor", request.cursor.as_deref().unwrap_or_default()),
        ("limit", request.limit.unwrap_or(20)),
    )?;
    let page = state
        .0
        .search(person.user, address, &query, after, size)
        .await?;
    Ok(Json(SearchPage {
        items: page.items.into_iter().map(User::from).collect(),
        next_cursor: page.next,
    }))
}

use auth::Person;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use ids::SessionId;
use problem::{Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serving::{Json, Path, Query};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::caller::Address;
use super::{AppState, Refusals, User};
use crate::store::users::Own;

/// The person of the access token.
#[derive(Serialize, ToSchema)]
pub struct MeResponse {
    user: User,
    email: String,
    /// Whether a mailed link has proved that the mailbox is yours.
    email_verified: bool,
    /// `false`: you sign in by another provider only.
    has_password: bool,
    /// What your clients keep about you; nobody else reads it.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    #[schema(value_type = String, format = "uuid")]
    session_id: SessionId,
    /// Of the profile: the `ETag`, without its quotes.
    #[serde(skip)]
    version: i64,
}

impl MeResponse {
    pub fn new(own: Own, session_id: SessionId) -> Self {
        Self {
            user: own.profile.into(),
            email: own.email.as_str().to_owned(),
            email_verified: own.email_verified,
            has_password: own.password_hash.is_some(),
            metadata: own.metadata.into_map(),
            created_at: clock::from_unix_ms(own.created_unix_ms),
            session_id,
            version: own.version,
        }
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    pub fn with_etag(self) -> Response {
        ([(header::ETAG, self.etag())], Json(self)).into_response()
    }
}

/// Tells who the access token is.
///
/// With its `ETag`; `304` where `If-None-Match` names that.
#[utoipa::path(
    get,
    path = "/api/account/me",
    operation_id = "whoAmI",
    tag = "users",
    params(("If-None-Match" = Option<String>, Header, description = "`ETag` of what you have")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "You", body = MeResponse),
        (status = 304, description = "As you have it"),
        Refusals,
    ),
)]
pub async fn me(
    State(state): State<AppState>,
    person: Person,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let person = state.0.active(person).await?;
    let own = state.0.own(person.user).await?;
    let me = MeResponse::new(own, person.session);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == me.etag().as_bytes());
    if known {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, me.etag())]).into_response());
    }
    Ok(me.with_etag())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UsersQuery {
    /// User ids, at most 100, separated by commas.
    ids: String,
}

#[derive(Serialize, ToSchema)]
pub struct UsersResponse {
    users: Vec<User>,
}

/// Profiles of people by id; unknown ids are left out.
#[utoipa::path(
    get,
    path = "/api/account/users",
    operation_id = "getUsers",
    tag = "users",
    params(UsersQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "Those who exist", body = UsersResponse), Refusals),
)]
pub async fn by_ids(
    State(state): State<AppState>,
    person: Person,
    Query(query): Query<UsersQuery>,
) -> Result<Json<UsersResponse>, Problem> {
    state.0.active(person).await?;
    let ids = query.ids.split(',').filter(|id| !id.is_empty());
    let users = state.0.users(ids).await?;
    Ok(Json(UsersResponse {
        users: users.into_iter().map(User::from).collect(),
    }))
}

/// The person with exactly this handle, if they want to be found.
#[utoipa::path(
    get,
    path = "/api/account/users/by-handle/{handle}",
    operation_id = "getUserByHandle",
    tag = "users",
    params(("handle" = String, Path, description = "A handle, without `@`")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The person", body = User),
        (status = 404, description = "`user_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn by_handle(
    State(state): State<AppState>,
    Address(address): Address,
    person: Person,
    Path(handle): Path<String>,
) -> Result<Json<User>, Problem> {
    let person = state.0.active(person).await?;
    let found = state
        .0
        .find_by_handle(person.user, address, &handle)
        .await?;
    Ok(Json(found.into()))
}

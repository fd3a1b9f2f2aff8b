use auth::Person;
use axum::extract::State;
use problem::{Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use utoipa::{IntoParams, ToSchema};

use super::caller::Address;
use super::{AppState, Refusals, User};

/// The person of the access token.
#[derive(Serialize, ToSchema)]
pub struct MeResponse {
    user: User,
    email: String,
    #[schema(format = "uuid")]
    session_id: String,
}

/// Tells who the access token is.
#[utoipa::path(
    get,
    path = "/api/account/me",
    operation_id = "whoAmI",
    tag = "users",
    security(("access_token" = [])),
    responses((status = 200, description = "You", body = MeResponse), Refusals),
)]
pub async fn me(
    State(state): State<AppState>,
    person: Person,
) -> Result<Json<MeResponse>, Problem> {
    let person = state.0.active(person).await?;
    let (profile, email) = state.0.own_profile(person.user).await?;
    Ok(Json(MeResponse {
        user: profile.into(),
        email,
        session_id: person.session.to_string(),
    }))
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

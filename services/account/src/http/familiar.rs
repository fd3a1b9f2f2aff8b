//! The routes under `/users`, for who looks for them there: the same handlers once more.

use auth::Person;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use problem::Problem;
use serving::Json;

use super::caller::From;
use super::sessions::{self, RefreshRequest, SignInRequest};
use super::users::{self, MeResponse};
use super::{AppState, Refusals, SignInResponse};

/// Signs in, as `POST /api/account/sign-in` does.
#[utoipa::path(
    post,
    path = "/users/signin",
    operation_id = "usersSignIn",
    tag = "familiar",
    request_body = SignInRequest,
    params(("X-Parlance-Session" = Option<String>, Header, description = "`cookie` for browsers")),
    responses((status = 200, description = "Signed in", body = SignInResponse), Refusals),
)]
pub async fn sign_in(
    state: State<AppState>,
    from: From,
    headers: HeaderMap,
    request: Json<SignInRequest>,
) -> Result<Response, Problem> {
    sessions::sign_in(state, from, headers, request).await
}

/// Exchanges a refresh token for the next pair, as `POST /api/account/refresh` does.
#[utoipa::path(
    post,
    path = "/users/refresh",
    operation_id = "usersRefresh",
    tag = "familiar",
    request_body = Option<RefreshRequest>,
    responses((status = 200, description = "The next pair", body = SignInResponse), Refusals),
)]
pub async fn refresh(
    state: State<AppState>,
    headers: HeaderMap,
    request: Option<Json<RefreshRequest>>,
) -> Result<Response, Problem> {
    sessions::refresh(state, headers, request).await
}

/// Tells who the access token is, as `GET /api/account/me` does.
#[utoipa::path(
    get,
    path = "/users/me",
    operation_id = "usersMe",
    tag = "familiar",
    security(("access_token" = [])),
    responses((status = 200, description = "You", body = MeResponse), Refusals),
)]
pub async fn me(
    state: State<AppState>,
    person: Person,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    users::me(state, person, headers).await
}

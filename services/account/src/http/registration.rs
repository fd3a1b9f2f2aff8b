use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use problem::{Problem, ProblemBody};
use serde::Deserialize;
use serving::Json;
use settings::Secret;
use utoipa::ToSchema;

use super::caller::From;
use super::{AppState, Refusals, SignInResponse, browser};
use crate::accounts::Registration;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    #[schema(value_type = String, format = "email", max_length = 254)]
    email: String,
    /// At least 8 characters, at most 128 bytes, and not one that others would try first.
    #[schema(value_type = String, format = "password", min_length = 8)]
    password: Secret,
    /// What others read; empty: made from the e-mail address.
    #[serde(default)]
    #[schema(max_length = 64)]
    display_name: String,
    /// 3 to 32 characters: a-z, 0-9, `_`, `.`; empty: made from the e-mail address.
    #[serde(default)]
    #[schema(max_length = 32)]
    handle: String,
    /// What the session is called in the list of sessions.
    #[serde(default)]
    device_name: String,
}

/// Registers a person and signs in.
///
/// With `X-Parlance-Session: cookie` the refresh token goes into an HttpOnly cookie.
#[utoipa::path(
    post,
    path = "/api/account/register",
    operation_id = "register",
    tag = "sessions",
    request_body = RegisterRequest,
    params(("X-Parlance-Session" = Option<String>, Header, description = "`cookie` for browsers")),
    responses(
        (status = 200, description = "Registered and signed in", body = SignInResponse),
        (status = 409, description = "`email_taken` or `handle_taken`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn register(
    State(state): State<AppState>,
    From(client): From,
    headers: HeaderMap,
    Json(request): Json<RegisterRequest>,
) -> Result<Response, Problem> {
    let registration = Registration {
        email: &request.email,
        password: &request.password,
        display_name: &request.display_name,
        handle: &request.handle,
        device_name: &request.device_name,
    };
    let signed_in = state.0.register(&registration, &client).await?;
    Ok(browser::answer(
        &state,
        signed_in,
        browser::wants_cookie(&headers),
    ))
}

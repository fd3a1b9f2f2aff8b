use auth::Person;
use axum::extract::State;
use http::StatusCode;
use ids::SessionId;
use problem::{Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serving::{Json, Path};
use settings::Secret;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::caller::From;
use super::{AppState, Refusals};
use crate::credentials::PasswordChange;
use crate::store::sessions::Device;

/// A session: one sign-in on one device.
#[derive(Serialize, ToSchema)]
struct Session {
    #[schema(value_type = String, format = "uuid")]
    session_id: SessionId,
    /// As the program called it at the sign-in; may be empty.
    device_name: String,
    /// `User-Agent` of the sign-in; may be empty.
    user_agent: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    /// When its access token was last refreshed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    last_used_at: OffsetDateTime,
    /// When it ends in any case.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
    /// The session of this request.
    current: bool,
}

impl Session {
    fn new(device: Device, current: SessionId) -> Self {
        Self {
            session_id: device.session,
            device_name: device.device_name,
            user_agent: device.user_agent,
            created_at: clock::from_unix_ms(device.created_unix_ms),
            last_used_at: clock::from_unix_ms(device.last_used_unix_ms),
            expires_at: clock::from_unix_ms(device.expires_unix_ms),
            current: device.session == current,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct SessionsResponse {
    sessions: Vec<Session>,
}

/// Your sessions that go on, last used first.
#[utoipa::path(
    get,
    path = "/api/account/sessions",
    operation_id = "listSessions",
    tag = "security",
    security(("access_token" = [])),
    responses((status = 200, description = "This one is `current`", body = SessionsResponse), Refusals),
)]
pub async fn list(
    State(state): State<AppState>,
    person: Person,
) -> Result<Json<SessionsResponse>, Problem> {
    let person = state.0.active(person).await?;
    let devices = state.0.devices(&person).await?;
    Ok(Json(SessionsResponse {
        sessions: devices
            .into_iter()
            .map(|device| Session::new(device, person.session))
            .collect(),
    }))
}

/// Ends one of your sessions; its sockets are closed.
///
/// Another than this one needs a fresh proof (`proof_needed`).
#[utoipa::path(
    delete,
    path = "/api/account/sessions/{session_id}",
    operation_id = "revokeSession",
    tag = "security",
    params(("session_id" = String, Path, format = "uuid")),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It has ended"),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn revoke(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
    Path(session): Path<String>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state.0.revoke_session(&person, &session, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
pub struct RevokedResponse {
    /// How many ended.
    ended: usize,
}

/// Ends all your sessions but this one.
///
/// Needs a fresh proof (`proof_needed`).
#[utoipa::path(
    post,
    path = "/api/account/log-out-others",
    operation_id = "logOutOthers",
    tag = "security",
    security(("access_token" = [])),
    responses(
        (status = 200, description = "They have ended", body = RevokedResponse),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn revoke_others(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
) -> Result<Json<RevokedResponse>, Problem> {
    let person = state.0.active(person).await?;
    let ended = state.0.revoke_other_sessions(&person, &client).await?;
    Ok(Json(RevokedResponse { ended }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReauthenticateRequest {
    #[schema(value_type = String, format = "password")]
    password: Secret,
}

/// Proves by password that it is you, for what answers `proof_needed`.
///
/// Good for ten minutes, as a sign-in is. Who has no password proves it by a provider:
/// `POST /api/account/oidc/{provider}/start` with `purpose` `prove`.
#[utoipa::path(
    post,
    path = "/api/account/reauthenticate",
    operation_id = "reauthenticate",
    tag = "security",
    request_body = ReauthenticateRequest,
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It is you"),
        Refusals,
    ),
)]
pub async fn reauthenticate(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
    Json(request): Json<ReauthenticateRequest>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state
        .0
        .reauthenticate(&person, &request.password, &client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// Absent only for an account that has none yet.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "password")]
    current_password: Option<Secret>,
    /// At least 8 characters, at most 128 bytes, and not one that others would try first.
    #[schema(value_type = String, format = "password", min_length = 8)]
    new_password: Secret,
}

/// Changes your password and ends all your other sessions.
///
/// An account without a password gets its first one; that needs a fresh proof (`proof_needed`). A
/// wrong current password is refused with `credentials_wrong`, and counted.
#[utoipa::path(
    post,
    path = "/api/account/password",
    operation_id = "changePassword",
    tag = "security",
    request_body = ChangePasswordRequest,
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It is changed"),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn change_password(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
    Json(request): Json<ChangePasswordRequest>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    let change = PasswordChange {
        current: request.current_password.as_ref(),
        new: &request.new_password,
    };
    state.0.change_password(&person, &change, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

use auth::Person;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use problem::{Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serving::{Json, Path, Query};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::caller::From;
use super::users::MeResponse;
use super::{AppState, Refusals};
use crate::domain::DefaultPicture;
use crate::profiles::{ProfilePatch, version_of_etag};

/// What to change; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateProfileRequest {
    /// 1 to 64 characters.
    #[serde(default)]
    #[schema(max_length = 64)]
    display_name: Option<String>,
    /// 3 to 32 characters: a-z, 0-9, `_`, `.`. Nobody else gets the old one for 30 days.
    #[serde(default)]
    #[schema(max_length = 32)]
    handle: Option<String>,
    /// Up to 140 characters; empty: none.
    #[serde(default)]
    #[schema(max_length = 140)]
    status_text: Option<String>,
    /// `default:<name>` of `GET /api/account/pictures`, `file:<file id>`, or empty: none.
    #[serde(default)]
    picture: Option<String>,
    /// A merge patch (RFC 7396) of up to 32 flat keys, 4,096 bytes in all; `null` takes a key away.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Changes your profile.
///
/// With `If-Match` only if it still has that `ETag` (`version_conflict` otherwise).
#[utoipa::path(
    patch,
    path = "/api/account/me",
    operation_id = "updateProfile",
    tag = "users",
    request_body = UpdateProfileRequest,
    params(("If-Match" = Option<String>, Header, description = "`ETag` of what the change is about")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "As it is now, with its `ETag`", body = MeResponse),
        (status = 409, description = "`handle_taken`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`version_conflict`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn update(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
    headers: HeaderMap,
    Json(request): Json<UpdateProfileRequest>,
) -> Result<Response, Problem> {
    let person = state.0.active(person).await?;
    let if_version = headers
        .get(header::IF_MATCH)
        .map(|value| version_of_etag(value.to_str().unwrap_or_default()))
        .transpose()?;
    let patch = ProfilePatch {
        display_name: request.display_name.as_deref(),
        handle: request.handle.as_deref(),
        status_text: request.status_text.as_deref(),
        picture: request.picture.as_deref(),
        metadata: request.metadata.as_ref(),
    };
    let own = state
        .0
        .update_profile(&person, &patch, if_version, &client)
        .await?;
    Ok(MeResponse::new(own, person.session).with_etag())
}

/// Deletes your account.
///
/// Your data go, your sessions end, and your handle is nobody's for 30 days. What you wrote stays,
/// under "Deleted account". Needs a fresh proof (`proof_needed`). There is no way back.
#[utoipa::path(
    delete,
    path = "/api/account/me",
    operation_id = "deleteAccount",
    tag = "users",
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn delete(
    State(state): State<AppState>,
    person: Person,
) -> Result<impl IntoResponse, Problem> {
    let person = state.0.active(person).await?;
    state.0.delete_account(&person).await?;
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, super::browser::forget(&state))],
    ))
}

/// All that this service knows of you, as JSON.
///
/// Needs a fresh proof (`proof_needed`).
#[utoipa::path(
    get,
    path = "/api/account/export",
    operation_id = "exportData",
    tag = "users",
    security(("access_token" = [])),
    responses(
        (status = 200, description = "To keep", body = Object),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn export(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
) -> Result<Response, Problem> {
    let person = state.0.active(person).await?;
    let export = state.0.export(&person, &client).await?;
    let name = HeaderValue::from_static("attachment; filename=\"parlance-account.json\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(export)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 100; 50 unless told.
    limit: Option<u32>,
}

/// Something that happened to your account.
#[derive(Serialize, ToSchema)]
struct SecurityEvent {
    /// Such as `signed_in`, `sign_in_failed`, `password_changed`, `session_revoked`.
    kind: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    session_id: Option<ids::SessionId>,
    /// IP address; may be empty.
    address: String,
    user_agent: String,
    /// Such as the name of a provider.
    detail: String,
}

#[derive(Serialize, ToSchema)]
pub struct EventsResponse {
    events: Vec<SecurityEvent>,
    /// For the page after this one; absent: there may be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What happened to your account, newest first.
#[utoipa::path(
    get,
    path = "/api/account/security-events",
    operation_id = "listSecurityEvents",
    tag = "security",
    params(EventsQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A page", body = EventsResponse), Refusals),
)]
pub async fn security_events(
    State(state): State<AppState>,
    person: Person,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventsResponse>, Problem> {
    let person = state.0.active(person).await?;
    let events = state
        .0
        .security_events(&person, query.before.as_deref(), query.limit)
        .await?;
    Ok(Json(EventsResponse {
        next: events.last().map(|event| event.id.to_string()),
        events: events
            .into_iter()
            .map(|event| SecurityEvent {
                kind: event.kind,
                at: clock::from_unix_ms(event.at_unix_ms),
                session_id: event.session,
                address: event.address,
                user_agent: event.user_agent,
                detail: event.detail,
            })
            .collect(),
    }))
}

#[derive(Serialize, ToSchema)]
pub struct PicturesResponse {
    /// For `picture`, as `default:<name>`.
    names: Vec<&'static str>,
}

/// The pictures that are shipped.
#[utoipa::path(
    get,
    path = "/api/account/pictures",
    operation_id = "listPictures",
    tag = "users",
    responses((status = 200, description = "Their names", body = PicturesResponse)),
)]
pub async fn pictures() -> Json<PicturesResponse> {
    Json(PicturesResponse {
        names: DefaultPicture::ALL
            .iter()
            .map(|picture| picture.name)
            .collect(),
    })
}

/// A picture that is shipped, as SVG.
#[utoipa::path(
    get,
    path = "/api/account/pictures/{name}",
    operation_id = "getPicture",
    tag = "users",
    params(("name" = String, Path, description = "Of `GET /api/account/pictures`")),
    responses(
        (status = 200, description = "SVG", body = String, content_type = "image/svg+xml"),
        (status = 404, description = "`picture_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn picture(Path(name): Path<String>) -> Result<Response, Problem> {
    let picture = DefaultPicture::named(&name).ok_or_else(|| {
        Problem::new(
            problem::Kind::NotFound,
            "picture_unknown",
            "No picture of this name is shipped.",
        )
    })?;
    Ok((
        [
            (header::CONTENT_TYPE, "image/svg+xml"),
            (header::CACHE_CONTROL, "public, max-age=86400"),
            // Should somebody open it as a page of its own.
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'",
            ),
        ],
        picture.svg,
    )
        .into_response())
}

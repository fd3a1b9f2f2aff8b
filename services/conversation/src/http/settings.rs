use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{ProblemBody, Result};
use serde::Deserialize;
use serving::{Json, Path};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::bodies::{MuteBody, SettingsBody};
use crate::app::App;
use crate::domain::settings::MuteKind;
use crate::requests;

/// What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSettingsBody {
    #[serde(default)]
    mute: Option<MuteBody>,
    /// With `until`, in the future.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    muted_until: Option<OffsetDateTime>,
    #[serde(default)]
    archived: Option<bool>,
    /// What is newly pinned goes below the others; at most 50.
    #[serde(default)]
    pinned: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderPinsBody {
    /// Exactly those that are pinned, from the top.
    #[schema(max_items = 50)]
    conversation_ids: Vec<String>,
}

/// The caller's own settings of a conversation.
#[utoipa::path(
    get,
    path = "/api/conversations/{conversation_id}/settings",
    operation_id = "get_settings",
    tag = "settings",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = SettingsBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, also for who isn't in it"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
) -> Result<Json<SettingsBody>> {
    let conversation = requests::conversation_id(&conversation)?;
    let settings = app.memberships.settings(&person, conversation).await?;
    Ok(Json(settings.into()))
}

/// Mutes, archives or pins a conversation for the caller. Idempotent.
///
/// All of the caller's devices are told at once, by a `settings_changed` frame.
#[utoipa::path(
    patch,
    path = "/api/conversations/{conversation_id}/settings",
    operation_id = "change_settings",
    tag = "settings",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = SettingsBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid: muted_until_invalid"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, also for who isn't in it"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "too_many_pins"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn change(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<ChangeSettingsBody>,
) -> Result<Json<SettingsBody>> {
    let conversation = requests::conversation_id(&conversation)?;
    let changes = requests::settings_changes(
        body.mute.map(MuteKind::from),
        // What lies before 1970 is as little in the future as 0.
        body.muted_until
            .map(|until| (until.unix_timestamp_nanos() / 1_000_000).max(0) as u64),
        body.archived,
        body.pinned,
        app.memberships.clock.unix_ms(),
    )?;
    let settings = app
        .memberships
        .change_settings(&person, conversation, changes)
        .await?;
    Ok(Json(settings.into()))
}

/// Puts the caller's pinned conversations into an order. Idempotent.
#[utoipa::path(
    put,
    path = "/api/conversations/pins",
    operation_id = "order_pins",
    tag = "settings",
    responses(
        (status = 204, description = "In this order now"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "pins_changed: others are pinned than these"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn order_pins(
    State(app): State<App>,
    person: Person,
    Json(body): Json<OrderPinsBody>,
) -> Result<StatusCode> {
    let order = requests::conversation_ids(&body.conversation_ids)?;
    app.memberships.order_pins(&person, &order).await?;
    Ok(StatusCode::NO_CONTENT)
}

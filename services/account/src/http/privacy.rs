use auth::Person;
use axum::extract::State;
use problem::Problem;
use serde::{Deserialize, Serialize};
use serving::Json;
use utoipa::ToSchema;

use super::{AppState, Refusals};
use crate::domain::privacy;

/// Who may open a conversation with you or add you to a group. Contacts always may; conversations that
/// exist go on.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MayWrite {
    Everybody,
    /// Who is in a group with you.
    SharedGroups,
    Contacts,
}

/// Who sees whether you are online. Contacts do, unless nobody does.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceVisibility {
    /// Who is in any conversation with you.
    SharedConversations,
    Contacts,
    Nobody,
}

/// What you allow others.
#[derive(Serialize, ToSchema)]
pub struct Privacy {
    may_write: MayWrite,
    presence_visibility: PresenceVisibility,
    /// Whether others find you by exactly your handle,
    found_by_handle: bool,
    /// by exactly your e-mail address,
    found_by_email: bool,
    /// by the beginning of your name or handle.
    found_by_name: bool,
}

/// What to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyPatch {
    may_write: Option<MayWrite>,
    presence_visibility: Option<PresenceVisibility>,
    found_by_handle: Option<bool>,
    found_by_email: Option<bool>,
    found_by_name: Option<bool>,
}

impl From<privacy::Privacy> for Privacy {
    fn from(privacy: privacy::Privacy) -> Self {
        Self {
            may_write: match privacy.may_write {
                privacy::MayWrite::Everybody => MayWrite::Everybody,
                privacy::MayWrite::SharedGroups => MayWrite::SharedGroups,
                privacy::MayWrite::Contacts => MayWrite::Contacts,
            },
            presence_visibility: match privacy.presence_visibility {
                privacy::PresenceVisibility::SharedConversations => {
                    PresenceVisibility::SharedConversations
                }
                privacy::PresenceVisibility::Contacts => PresenceVisibility::Contacts,
                privacy::PresenceVisibility::Nobody => PresenceVisibility::Nobody,
            },
            found_by_handle: privacy.found_by_handle,
            found_by_email: privacy.found_by_email,
            found_by_name: privacy.found_by_name,
        }
    }
}

impl From<PrivacyPatch> for privacy::PrivacyChange {
    fn from(patch: PrivacyPatch) -> Self {
        Self {
            may_write: patch.may_write.map(|value| match value {
                MayWrite::Everybody => privacy::MayWrite::Everybody,
                MayWrite::SharedGroups => privacy::MayWrite::SharedGroups,
                MayWrite::Contacts => privacy::MayWrite::Contacts,
            }),
            presence_visibility: patch.presence_visibility.map(|value| match value {
                PresenceVisibility::SharedConversations => {
                    privacy::PresenceVisibility::SharedConversations
                }
                PresenceVisibility::Contacts => privacy::PresenceVisibility::Contacts,
                PresenceVisibility::Nobody => privacy::PresenceVisibility::Nobody,
            }),
            found_by_handle: patch.found_by_handle,
            found_by_email: patch.found_by_email,
            found_by_name: patch.found_by_name,
        }
    }
}

/// What you allow others.
#[utoipa::path(
    get,
    path = "/api/account/privacy",
    operation_id = "getPrivacy",
    tag = "contacts",
    security(("access_token" = [])),
    responses((status = 200, description = "Your settings", body = Privacy), Refusals),
)]
pub async fn get(State(state): State<AppState>, person: Person) -> Result<Json<Privacy>, Problem> {
    let person = state.0.active(person).await?;
    Ok(Json(state.0.privacy(person.user).await?.into()))
}

/// Changes what you allow others.
#[utoipa::path(
    patch,
    path = "/api/account/privacy",
    operation_id = "changePrivacy",
    tag = "contacts",
    request_body = PrivacyPatch,
    security(("access_token" = [])),
    responses((status = 200, description = "Your settings now", body = Privacy), Refusals),
)]
pub async fn change(
    State(state): State<AppState>,
    person: Person,
    Json(patch): Json<PrivacyPatch>,
) -> Result<Json<Privacy>, Problem> {
    let person = state.0.active(person).await?;
    let privacy = state.0.change_privacy(person.user, patch.into()).await?;
    Ok(Json(privacy.into()))
}

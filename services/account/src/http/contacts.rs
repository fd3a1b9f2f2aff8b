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
use crate::domain;

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// Both have agreed.
    Contact,
    /// You have invited them.
    InvitationSent,
    /// They have invited you.
    InvitationReceived,
}

impl From<ContactState> for domain::ContactState {
    fn from(state: ContactState) -> Self {
        match state {
            ContactState::Contact => Self::Contact,
            ContactState::InvitationSent => Self::InvitationSent,
            ContactState::InvitationReceived => Self::InvitationReceived,
        }
    }
}

impl From<domain::ContactState> for ContactState {
    fn from(state: domain::ContactState) -> Self {
        match state {
            domain::ContactState::Contact => Self::Contact,
            domain::ContactState::InvitationSent => Self::InvitationSent,
            domain::ContactState::InvitationReceived => Self::InvitationReceived,
        }
    }
}

/// Somebody on your list.
#[derive(Serialize, ToSchema)]
pub struct Contact {
    user: User,
    state: ContactState,
    /// When it came into this state.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    since: OffsetDateTime,
}

impl From<contacts::Contact> for Contact {
    fn from(contact: contacts::Contact) -> Self {
        Self {
            user: contact.profile.into(),
            state: contact.state.into(),
            since: clock::from_unix_ms(contact.since_unix_ms as u64),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ContactsQuery {
    /// Only these; absent: all.
    #[param(inline)]
    state: Option<ContactState>,
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// 1 to 100; absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of your list.
#[derive(Serialize, ToSchema)]
pub struct ContactsPage {
    items: Vec<Contact>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// Whom to invite.
    #[schema(format = "uuid")]
    user_id: String,
}

/// Your contacts and pending invitations, the latest change first.
#[utoipa::path(
    get,
    path = "/api/account/contacts",
    operation_id = "listContacts",
    tag = "contacts",
    params(ContactsQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A page", body = ContactsPage), Refusals),
)]
pub async fn list(
    State(state): State<AppState>,
    person: Person,
    Query(query): Query<ContactsQuery>,
) -> Result<Json<ContactsPage>, Problem> {
    let person = state.0.active(person).await?;
    let (cursor, size) = parse_page(
        ("cursor", query.cursor.as_deref().unwrap_or_default()),
        ("limit", query.limit.unwrap_or(50)),
    )?;
    let page = state
        .0
        .contacts(person.user, query.state.map(Into::into), cursor, size)
        .await?;
    Ok(Json(ContactsPage {
        items: page.items.into_iter().map(Contact::from).collect(),
        next_cursor: page.next,
    }))
}

/// Invites somebody to be a contact.
///
/// If they have invited you, both are contacts with this call. Idempotent.
#[utoipa::path(
    post,
    path = "/api/account/contacts",
    operation_id = "inviteContact",
    tag = "contacts",
    request_body = InviteRequest,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "How it stands now", body = Contact),
        (status = 403, description = "`not_allowed`: this person can't be reached by you", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`user_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`contacts_full`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn invite(
    State(state): State<AppState>,
    person: Person,
    Json(request): Json<InviteRequest>,
) -> Result<Json<Contact>, Problem> {
    let person = state.0.active(person).await?;
    let invitee = parse_user(&request.user_id)?;
    Ok(Json(state.0.invite(person.user, invitee).await?.into()))
}

/// Accepts an invitation. Idempotent.
#[utoipa::path(
    post,
    path = "/api/account/contacts/{user_id}/accept",
    operation_id = "acceptInvitation",
    tag = "contacts",
    params(("user_id" = String, Path, format = "uuid", description = "Who sent it")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "A contact now", body = Contact),
        (status = 404, description = "`invitation_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn accept(
    State(state): State<AppState>,
    person: Person,
    Path(user): Path<String>,
) -> Result<Json<Contact>, Problem> {
    let person = state.0.active(person).await?;
    let inviter = parse_user(&user)?;
    Ok(Json(state.0.accept(person.user, inviter).await?.into()))
}

/// Declines an invitation. Idempotent.
///
/// Who sent it isn't told, and can't send you another for 30 days; after the second one for 90; after
/// the third one not before you invite them.
#[utoipa::path(
    post,
    path = "/api/account/contacts/{user_id}/decline",
    operation_id = "declineInvitation",
    tag = "contacts",
    params(("user_id" = String, Path, format = "uuid", description = "Who sent it")),
    security(("access_token" = [])),
    responses((status = 204, description = "It is gone"), Refusals),
)]
pub async fn decline(
    State(state): State<AppState>,
    person: Person,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state.0.decline(person.user, parse_user(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes somebody off your list. Idempotent.
///
/// A contact ends on both sides, your invitation is withdrawn, theirs is declined.
#[utoipa::path(
    delete,
    path = "/api/account/contacts/{user_id}",
    operation_id = "removeContact",
    tag = "contacts",
    params(("user_id" = String, Path, format = "uuid")),
    security(("access_token" = [])),
    responses((status = 204, description = "Not on your list"), Refusals),
)]
pub async fn remove(
    State(state): State<AppState>,
    person: Person,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state
        .0
        .remove_contact(person.user, parse_user(&user)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

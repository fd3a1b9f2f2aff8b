use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{ProblemBody, Result};
use serde::{Deserialize, Serialize};
use serving::{Json, Path};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::bodies::{GroupCardBody, InvitationBody, OpenedBody};
use crate::app::App;
use crate::requests;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitationBody {
    /// 60 to 7,776,000 (90 days); absent: 604,800 (7 days).
    #[serde(default)]
    #[schema(minimum = 60, maximum = 7_776_000)]
    expires_in_seconds: Option<u32>,
    /// 1 to 10,000; absent: as often as one likes.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    max_uses: Option<u32>,
}

/// An invitation and its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedInvitationBody {
    invitation: InvitationBody,
    /// Whoever has it can join. It is told this once and stored nowhere. In a link it belongs behind a
    /// `#`, so that no server writes it into a log.
    token: String,
}

/// A group's open invitations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationsBody {
    items: Vec<InvitationBody>,
}

// Not `Debug`: a token is a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    #[schema(min_length = 43, max_length = 43)]
    token: String,
}

/// What a token invites to.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewBody {
    group: GroupCardBody,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
}

/// Makes an invitation to a group. For owners and admins.
#[utoipa::path(
    post,
    path = "/api/conversations/{conversation_id}/invitations",
    operation_id = "create_invitation",
    tag = "invitations",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 201, body = CreatedInvitationBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "too_many_invitations (50 open ones), direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
    Json(body): Json<CreateInvitationBody>,
) -> Result<(StatusCode, Json<CreatedInvitationBody>)> {
    let conversation = requests::conversation_id(&conversation)?;
    let (lifetime, max_uses) = requests::invitation(body.expires_in_seconds, body.max_uses)?;
    let (invitation, token) = app
        .memberships
        .create_invitation(&person, conversation, lifetime, max_uses)
        .await?;
    let body = CreatedInvitationBody {
        invitation: (&invitation).into(),
        token: token.reveal(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// A group's open invitations. For owners and admins.
#[utoipa::path(
    get,
    path = "/api/conversations/{conversation_id}/invitations",
    operation_id = "list_invitations",
    tag = "invitations",
    params(("conversation_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = InvitationsBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(app): State<App>,
    person: Person,
    Path(conversation): Path<String>,
) -> Result<Json<InvitationsBody>> {
    let conversation = requests::conversation_id(&conversation)?;
    let invitations = app.memberships.invitations(&person, conversation).await?;
    Ok(Json(InvitationsBody {
        items: invitations.iter().map(InvitationBody::from).collect(),
    }))
}

/// Ends an invitation. For owners and admins. Idempotent.
#[utoipa::path(
    delete,
    path = "/api/conversations/{conversation_id}/invitations/{invitation_id}",
    operation_id = "revoke_invitation",
    tag = "invitations",
    params(
        ("conversation_id" = String, Path, format = Uuid),
        ("invitation_id" = String, Path, format = Uuid),
    ),
    responses(
        (status = 204, description = "Nobody joins by it any more"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "role_insufficient"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "direct_conversation_fixed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn revoke(
    State(app): State<App>,
    person: Person,
    Path((conversation, invitation)): Path<(String, String)>,
) -> Result<StatusCode> {
    let (conversation, invitation) = requests::invitation_to(&conversation, &invitation)?;
    app.memberships
        .revoke_invitation(&person, conversation, invitation)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a token invites to, before one joins. It isn't used up by that.
#[utoipa::path(
    post,
    path = "/api/conversations/invitations/preview",
    operation_id = "preview_invitation",
    tag = "invitations",
    responses(
        (status = 200, body = PreviewBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "invitation_unknown, also for one that has ended"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn preview(
    State(app): State<App>,
    person: Person,
    Json(body): Json<TokenBody>,
) -> Result<Json<PreviewBody>> {
    let (card, expires_at_unix_ms) = app
        .memberships
        .preview_invitation(&person, &body.token)
        .await?;
    Ok(Json(PreviewBody {
        group: (&card).into(),
        expires_at: clock::from_unix_ms(expires_at_unix_ms),
    }))
}

/// Joins a group by a token. Idempotent: who is in already uses nothing up.
#[utoipa::path(
    post,
    path = "/api/conversations/invitations/join",
    operation_id = "join_by_invitation",
    tag = "invitations",
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "invitation_unknown, also for one that has ended"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_full"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn join(
    State(app): State<App>,
    person: Person,
    Json(body): Json<TokenBody>,
) -> Result<Json<OpenedBody>> {
    let conversation = app
        .memberships
        .join_by_invitation(&person, &body.token)
        .await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}

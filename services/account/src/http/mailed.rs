//! What goes by a mailed link: verification of e-mail addresses, and recovery.

use auth::Person;
use axum::extract::State;
use http::StatusCode;
use problem::{Problem, ProblemBody};
use serde::Deserialize;
use serving::Json;
use settings::Secret;
use utoipa::ToSchema;

use super::caller::From;
use super::{AppState, Refusals};

/// Mails a link that proves that your e-mail address is yours.
///
/// `202` also when it is proved already: then nothing is sent.
#[utoipa::path(
    post,
    path = "/api/account/email/send-link",
    operation_id = "sendVerificationLink",
    tag = "recovery",
    security(("access_token" = [])),
    responses(
        (status = 202, description = "The mail is on its way"),
        (status = 409, description = "`mails_off`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn send_verification(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state.0.request_verification(&person, &client).await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmailRequest {
    #[schema(value_type = String, format = "email", max_length = 254)]
    email: String,
}

/// Mails a link to another e-mail address, which becomes yours once the link is followed.
///
/// Needs a fresh proof (`proof_needed`).
#[utoipa::path(
    post,
    path = "/api/account/email",
    operation_id = "changeEmail",
    tag = "recovery",
    request_body = ChangeEmailRequest,
    security(("access_token" = [])),
    responses(
        (status = 202, description = "The mail is on its way"),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`mails_off`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn change_email(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
    Json(request): Json<ChangeEmailRequest>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state
        .0
        .request_email_change(&person, &request.email, &client)
        .await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmailRequest {
    /// What follows `#` in the link.
    #[schema(value_type = String)]
    token: Secret,
}

/// Follows a link that proves an e-mail address; each is good once.
#[utoipa::path(
    post,
    path = "/api/account/email/verify",
    operation_id = "verifyEmail",
    tag = "recovery",
    request_body = VerifyEmailRequest,
    responses(
        (status = 204, description = "The address is proved, and the account's"),
        (status = 409, description = "`email_taken`: another account has it by now", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn verify_email(
    State(state): State<AppState>,
    From(client): From,
    Json(request): Json<VerifyEmailRequest>,
) -> Result<StatusCode, Problem> {
    state
        .0
        .verify_email(request.token.expose(), &client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryRequest {
    #[schema(value_type = String, format = "email", max_length = 254)]
    email: String,
}

/// Mails a link to set a new password.
///
/// The same answer, after the same time, whether somebody has the address or not.
#[utoipa::path(
    post,
    path = "/api/account/recovery",
    operation_id = "requestRecovery",
    tag = "recovery",
    request_body = RecoveryRequest,
    responses(
        (status = 202, description = "If somebody has the address, the mail is on its way"),
        (status = 409, description = "`mails_off`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn request_recovery(
    State(state): State<AppState>,
    From(client): From,
    Json(request): Json<RecoveryRequest>,
) -> Result<StatusCode, Problem> {
    state.0.request_recovery(&request.email, &client).await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    /// What follows `#` in the link.
    #[schema(value_type = String)]
    token: Secret,
    /// At least 8 characters, at most 128 bytes, and not one that others would try first.
    #[schema(value_type = String, format = "password", min_length = 8)]
    new_password: Secret,
}

/// Sets a new password by a mailed link and ends all sessions; then sign in.
///
/// A link is good once; a password that is refused does not use it up.
#[utoipa::path(
    post,
    path = "/api/account/recovery/complete",
    operation_id = "recover",
    tag = "recovery",
    request_body = RecoverRequest,
    responses(
        (status = 204, description = "The password is set"),
        Refusals,
    ),
)]
pub async fn recover(
    State(state): State<AppState>,
    From(client): From,
    Json(request): Json<RecoverRequest>,
) -> Result<StatusCode, Problem> {
    state
        .0
        .recover(request.token.expose(), &request.new_password, &client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

use auth::Person;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use problem::{Kind, Problem, ProblemBody};
use serde::Deserialize;
use serving::Json;
use settings::Secret;
use utoipa::ToSchema;

use super::caller::From;
use super::{AppState, Refusals, SignInResponse, browser};
use crate::accounts::SignIn;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    #[schema(value_type = String, format = "email")]
    email: String,
    #[schema(value_type = String, format = "password")]
    password: Secret,
    /// What the session is called in the list of sessions.
    #[serde(default)]
    device_name: String,
}

/// Signs in.
///
/// Where the deployment allows it, an unknown e-mail address signs up (`created` says so). With
/// `X-Parlance-Session: cookie` the refresh token goes into an HttpOnly cookie. A wrong password
/// and an unknown address are refused alike, with `credentials_wrong`.
#[utoipa::path(
    post,
    path = "/api/account/sign-in",
    operation_id = "signIn",
    tag = "sessions",
    request_body = SignInRequest,
    params(("X-Parlance-Session" = Option<String>, Header, description = "`cookie` for browsers")),
    responses((status = 200, description = "Signed in", body = SignInResponse), Refusals),
)]
pub async fn sign_in(
    State(state): State<AppState>,
    From(client): From,
    headers: HeaderMap,
    Json(request): Json<SignInRequest>,
) -> Result<Response, Problem> {
    let sign_in = SignIn {
        email: &request.email,
        password: &request.password,
        device_name: &request.device_name,
    };
    let signed_in = state.0.sign_in(&sign_in, &client).await?;
    Ok(browser::answer(
        &state,
        signed_in,
        browser::wants_cookie(&headers),
    ))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// Absent: the cookie's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<Secret>,
}

/// Exchanges a refresh token for the next pair.
///
/// A token is used once. The same one again within 10 seconds gives the same successor, so that
/// two tabs or a lost answer do no harm; later it means that somebody has a copy, and the whole
/// session ends (`refresh_token_reused`).
#[utoipa::path(
    post,
    path = "/api/account/refresh",
    operation_id = "refresh",
    tag = "sessions",
    request_body = Option<RefreshRequest>,
    responses(
        (status = 200, description = "The next pair", body = SignInResponse),
        (status = 403, description = "`cross_site`: the cookie came from another origin", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn refresh(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Option<Json<RefreshRequest>>,
) -> Result<Response, Problem> {
    let given = body.and_then(|Json(body)| body.refresh_token);
    if let Some(token) = given {
        let signed_in = state.0.refresh(token.expose()).await?;
        return Ok(browser::answer(
            &state,
            signed_in,
            browser::wants_cookie(&headers),
        ));
    }
    let token = browser::refresh_token(&state, &headers)?.ok_or_else(|| {
        Problem::new(
            Kind::Unauthenticated,
            "refresh_token_missing",
            "A refresh token is needed, in the body or in the cookie.",
        )
    })?;
    match state.0.refresh(&token).await {
        Ok(signed_in) => Ok(browser::answer(&state, signed_in, true)),
        // A cookie that is worth nothing would only be sent again.
        Err(problem) if problem.kind == Kind::Unauthenticated => {
            Ok(([(header::SET_COOKIE, browser::forget(&state))], problem).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// Ends the session, on all gateways too.
///
/// It is known by the access token, or by the refresh token in the body or the cookie. Idempotent.
#[utoipa::path(
    post,
    path = "/api/account/log-out",
    operation_id = "logOut",
    tag = "sessions",
    request_body = Option<RefreshRequest>,
    security((), ("access_token" = [])),
    responses(
        (status = 204, description = "It has ended"),
        (status = 403, description = "`cross_site`: the cookie came from another origin", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn log_out(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let person = Person::from_request_parts(&mut parts, &state).await?;
        state.0.log_out(person.session).await?;
    } else {
        let headers = parts.headers.clone();
        let body =
            <Json<RefreshRequest> as axum::extract::OptionalFromRequest<AppState>>::from_request(
                Request::from_parts(parts, body),
                &state,
            )
            .await?;
        let given = body.and_then(|Json(body)| body.refresh_token);
        let token = match given {
            Some(token) => Some(token.expose().to_owned()),
            None => browser::refresh_token(&state, &headers)?,
        };
        if let Some(token) = token {
            state.0.log_out_by_token(&token).await?;
        }
    }
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, browser::forget(&state))],
    )
        .into_response())
}

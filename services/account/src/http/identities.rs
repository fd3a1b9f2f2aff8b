//! Sign-in by other providers (OpenID Connect).

use auth::Person;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use problem::{Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serving::{Json, Path, Query};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::caller::From;
use super::{AppState, Refusals, browser};
use crate::identities::{Answer, Departure, Outcome, Purpose};

/// A provider that people can sign in by.
#[derive(Serialize, ToSchema)]
struct Provider {
    /// For addresses.
    name: String,
    /// For people.
    display_name: String,
}

#[derive(Serialize, ToSchema)]
pub struct ProvidersResponse {
    providers: Vec<Provider>,
}

/// The providers that this deployment knows.
#[utoipa::path(
    get,
    path = "/api/account/oidc/providers",
    operation_id = "listProviders",
    tag = "providers",
    responses((status = 200, description = "Perhaps none", body = ProvidersResponse)),
)]
pub async fn providers(State(state): State<AppState>) -> Json<ProvidersResponse> {
    let providers = state.0.providers.list();
    Json(ProvidersResponse {
        providers: providers
            .map(|(name, display_name)| Provider {
                name: name.to_owned(),
                display_name: display_name.to_owned(),
            })
            .collect(),
    })
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StartPurpose {
    /// Signs in; who is unknown gets an account if the deployment allows it.
    #[default]
    SignIn,
    /// Links the identity to your account. Needs an access token, and a fresh proof.
    Link,
    /// Proves that it is you, for what answers `proof_needed`. Needs an access token.
    Prove,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    #[serde(default)]
    purpose: StartPurpose,
    /// What the session is called in the list of sessions.
    #[serde(default)]
    device_name: String,
    /// A path of the web client where the browser goes on, such as `/settings`. It gets `oidc` with
    /// `signed_in`, `created`, `linked` or `proved` in its query, or `oidc_error` with a code.
    #[serde(default)]
    #[schema(max_length = 512)]
    return_to: String,
}

#[derive(Serialize, ToSchema)]
pub struct StartResponse {
    /// Where to send the browser.
    authorization_url: String,
}

/// Begins a way to a provider.
///
/// Sets a cookie that binds the answer to this browser; it is good for ten minutes.
#[utoipa::path(
    post,
    path = "/api/account/oidc/{provider}/start",
    operation_id = "startOidc",
    tag = "providers",
    request_body = StartRequest,
    params(("provider" = String, Path, description = "Its name")),
    security((), ("access_token" = [])),
    responses(
        (status = 200, description = "Send the browser there", body = StartResponse),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`provider_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn start(
    State(state): State<AppState>,
    From(client): From,
    Path(provider): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let person = if parts.headers.contains_key(header::AUTHORIZATION) {
        let person = Person::from_request_parts(&mut parts, &state).await?;
        Some(state.0.active(person).await?)
    } else {
        None
    };
    let headers = parts.headers.clone();
    let Json(request) = <Json<StartRequest> as axum::extract::FromRequest<AppState>>::from_request(
        Request::from_parts(parts, body),
        &state,
    )
    .await?;
    let departure = Departure {
        provider: &provider,
        purpose: match request.purpose {
            StartPurpose::SignIn => Purpose::SignIn,
            StartPurpose::Link => Purpose::Link,
            StartPurpose::Prove => Purpose::Prove,
        },
        device_name: &request.device_name,
        return_to: &request.return_to,
    };
    let departed = state
        .0
        .depart(
            &departure,
            person.as_ref(),
            browser::oidc_browser(&state, &headers),
            &client,
        )
        .await?;
    let cookie = browser::oidc_cookie(&state, &departed.browser.expose());
    Ok((
        [(header::SET_COOKIE, cookie)],
        Json(StartResponse {
            authorization_url: departed.url,
        }),
    )
        .into_response())
}

/// What a provider adds to the address (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackQuery {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
}

/// Takes the browser back from a provider; not for programs.
///
/// Always sends it on to the web client. A sign-in has set the cookie of the refresh token by then.
#[utoipa::path(
    get,
    path = "/api/account/oidc/{provider}/callback",
    operation_id = "finishOidc",
    tag = "providers",
    params(("provider" = String, Path, description = "Its name"), CallbackQuery),
    responses((status = 303, description = "On to the web client")),
)]
pub async fn callback(
    State(state): State<AppState>,
    From(client): From,
    Path(provider): Path<String>,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    let answer = Answer {
        provider: &provider,
        state: &query.state,
        code: query.code.as_deref(),
        issuer: query.iss.as_deref(),
        browser: browser::oidc_browser(&state, &headers),
    };
    let arrived = state.0.arrive(&answer, &client).await;
    let (return_to, cookie) = match arrived.outcome {
        Ok(Outcome::SignedIn(signed_in)) => {
            let word = if signed_in.created {
                "created"
            } else {
                "signed_in"
            };
            let cookie = browser::cookie(
                &state,
                &signed_in.refresh_token.expose(),
                state.0.accounts.session_idle_seconds,
            );
            (arrived.return_to.with("oidc", word), Some(cookie))
        }
        Ok(Outcome::Linked) => (arrived.return_to.with("oidc", "linked"), None),
        Ok(Outcome::Proved) => (arrived.return_to.with("oidc", "proved"), None),
        Err(problem) => (arrived.return_to.with("oidc_error", &problem.code), None),
    };
    let public_url = state.0.accounts.public_url.trim_end_matches('/');
    let location = HeaderValue::from_str(&format!("{public_url}{}", return_to.as_str()))
        .map_err(|e| Problem::internal(&e))?;
    let mut response = (
        StatusCode::SEE_OTHER,
        [
            (header::LOCATION, location),
            // The code is in this page's address.
            (
                header::REFERRER_POLICY,
                HeaderValue::from_static("no-referrer"),
            ),
        ],
    )
        .into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Who you are at another provider.
#[derive(Serialize, ToSchema)]
struct Identity {
    provider: String,
    /// As the provider told it when it was linked; may be empty.
    email: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    linked_at: OffsetDateTime,
}

#[derive(Serialize, ToSchema)]
pub struct IdentitiesResponse {
    identities: Vec<Identity>,
}

/// The identities that are linked to your account.
#[utoipa::path(
    get,
    path = "/api/account/identities",
    operation_id = "listIdentities",
    tag = "providers",
    security(("access_token" = [])),
    responses((status = 200, description = "By provider", body = IdentitiesResponse), Refusals),
)]
pub async fn list(
    State(state): State<AppState>,
    person: Person,
) -> Result<Json<IdentitiesResponse>, Problem> {
    let person = state.0.active(person).await?;
    let identities = state.0.identities(&person).await?;
    Ok(Json(IdentitiesResponse {
        identities: identities
            .into_iter()
            .map(|identity| Identity {
                provider: identity.provider,
                email: identity.email,
                linked_at: clock::from_unix_ms(identity.linked_unix_ms),
            })
            .collect(),
    }))
}

/// Unlinks an identity from your account.
///
/// Needs a fresh proof (`proof_needed`). Refused with `last_credential` when nothing would be left to
/// sign in with.
#[utoipa::path(
    delete,
    path = "/api/account/identities/{provider}",
    operation_id = "unlinkIdentity",
    tag = "providers",
    params(("provider" = String, Path, description = "Its name")),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It is unlinked"),
        (status = 403, description = "`proof_needed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`identity_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`last_credential`", body = ProblemBody, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn unlink(
    State(state): State<AppState>,
    person: Person,
    From(client): From,
    Path(provider): Path<String>,
) -> Result<StatusCode, Problem> {
    let person = state.0.active(person).await?;
    state.0.unlink(&person, &provider, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

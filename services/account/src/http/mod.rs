//! REST, under `/api/account`. Every refusal is a problem (RFC 9457) with a stable code.

mod blocks;
mod browser;
mod caller;
mod contacts;
mod devices;
mod familiar;
mod identities;
mod keys;
mod mailed;
mod people_search;
mod privacy;
mod profile;
mod registration;
mod sessions;
mod users;

pub use caller::client;

use std::sync::Arc;

use auth::TokenVerifier;
use axum::Router;
use axum::extract::FromRef;
use problem::ProblemBody;
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::SignedIn;
use crate::app::App;
use crate::domain::Profile;

/// What the handlers share.
#[derive(Clone)]
struct AppState(Arc<App>);

impl FromRef<AppState> for TokenVerifier {
    fn from_ref(state: &AppState) -> Self {
        state.0.verifier.clone()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Parlance account",
        description = "People, their credentials and login sessions."
    ),
    tags(
        (name = "sessions", description = "Register, sign in, refresh, log out"),
        (name = "users", description = "Who is who, and your own profile"),
        (name = "contacts", description = "Contacts, blocks, and what you allow others"),
        (name = "security", description = "Your sessions, your password, what happened to your account"),
        (name = "recovery", description = "What goes by a mailed link"),
        (name = "providers", description = "Sign-in by other providers (OpenID Connect)"),
        (name = "familiar", description = "The same under other addresses"),
    ),
    modifiers(&BearerToken),
)]
struct Document;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token from `/api/account/sign-in`."))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("access_token", SecurityScheme::Http(scheme));
    }
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(registration::register))
        .routes(routes!(sessions::sign_in))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::log_out))
        .routes(routes!(devices::list))
        .routes(routes!(devices::revoke))
        .routes(routes!(devices::revoke_others))
        .routes(routes!(devices::reauthenticate))
        .routes(routes!(devices::change_password))
        .routes(routes!(profile::security_events))
        .routes(routes!(mailed::send_verification))
        .routes(routes!(mailed::change_email))
        .routes(routes!(mailed::verify_email))
        .routes(routes!(mailed::request_recovery))
        .routes(routes!(mailed::recover))
        .routes(routes!(identities::providers))
        .routes(routes!(identities::start))
        .routes(routes!(identities::callback))
        .routes(routes!(identities::list))
        .routes(routes!(identities::unlink))
        .routes(routes!(users::me, profile::update, profile::delete))
        .routes(routes!(profile::export))
        .routes(routes!(profile::pictures))
        .routes(routes!(profile::picture))
        .routes(routes!(familiar::sign_in))
        .routes(routes!(familiar::refresh))
        .routes(routes!(familiar::me))
        .routes(routes!(users::by_ids))
        .routes(routes!(users::by_handle))
        .routes(routes!(people_search::search))
        .routes(routes!(contacts::list, contacts::invite))
        .routes(routes!(contacts::remove))
        .routes(routes!(contacts::accept))
        .routes(routes!(contacts::decline))
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::block, blocks::unblock))
        .routes(routes!(privacy::get, privacy::change))
        .routes(routes!(keys::jwks))
}

pub fn openapi() -> utoipa::openapi::OpenApi {
    api().to_openapi()
}

pub fn router(app: Arc<App>) -> Router {
    let (router, openapi) = api().split_for_parts();
    router
        .with_state(AppState(app))
        .merge(serving::swagger("/api/account", openapi))
}

/// How any of the calls may be refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents; the refusals are made of `Problem`")]
enum Refusals {
    /// Something in the request is not valid; `errors` names the fields.
    #[response(status = 400, content_type = "application/problem+json")]
    InvalidInput(ProblemBody),
    /// The token or the credentials are missing, wrong, or over.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// Too many tries; `Retry-After` says when to come back.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemBody),
    /// Not now; `Retry-After` says when to come back.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// What anybody who is signed in may know of a person.
#[derive(Serialize, ToSchema)]
struct User {
    #[schema(format = "uuid")]
    user_id: String,
    handle: String,
    display_name: String,
    /// What they say of themselves for now; may be empty.
    status_text: String,
    /// `default:<name>`, `file:<file id>`, or empty.
    picture: String,
    /// The account is gone; this is what is left of it.
    deleted: bool,
}

impl From<Profile> for User {
    fn from(profile: Profile) -> Self {
        Self {
            user_id: profile.user.to_string(),
            handle: profile.handle,
            display_name: profile.display_name,
            status_text: profile.status_text,
            picture: profile.picture.to_string(),
            deleted: profile.deleted,
        }
    }
}

/// A session and the tokens that stand for it.
#[derive(Serialize, ToSchema)]
struct SignInResponse {
    /// For `Authorization: Bearer …`, until it expires.
    access_token: String,
    expires_in_seconds: u32,
    /// Exchanged once for the next pair. Absent when it went into a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    user: User,
    /// Signed up by this call.
    created: bool,
}

impl From<SignedIn> for SignInResponse {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token,
            expires_in_seconds: signed_in.expires_in_seconds,
            refresh_token: Some(signed_in.refresh_token.expose()),
            user: signed_in.profile.into(),
            created: signed_in.created,
        }
    }
}

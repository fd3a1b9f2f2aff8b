use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;

/// Public keys that verify access tokens (RFC 7517, RFC 8037).
#[derive(Serialize, ToSchema)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Serialize, ToSchema)]
struct Key {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    kid: String,
    x: String,
    /// `EdDSA`.
    alg: String,
    /// `sig`.
    r#use: String,
}

/// The keys that verify access tokens.
#[utoipa::path(
    get,
    path = "/api/account/.well-known/jwks.json",
    operation_id = "getKeys",
    tag = "sessions",
    responses((status = 200, description = "All keys; one of them signs", body = KeySet)),
)]
pub async fn jwks(State(state): State<AppState>) -> Response {
    (
        [(header::CACHE_CONTROL, "public, max-age=60")],
        Json(state.0.signing.jwks()),
    )
        .into_response()
}

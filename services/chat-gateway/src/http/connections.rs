use auth::Person;
use axum::extract::State;
use problem::{Problem, ProblemBody};
use serde::Serialize;
use serving::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Gateway;

/// Where the caller is connected.
#[derive(Debug, Serialize, ToSchema)]
pub struct Connections {
    /// Open sockets on the gateway that answers.
    items: Vec<OpenConnection>,
    /// Other gateways that hold sockets of the caller.
    other_gateways: u32,
}

/// An open socket.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenConnection {
    connection_id: String,
    /// The login session that it belongs to.
    session_id: String,
    /// `json` or `protobuf`.
    format: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    opened_at: OffsetDateTime,
}

/// Lists the caller's own open sockets.
#[utoipa::path(
    get,
    path = "/api/gateway/connections",
    tag = "sockets",
    responses(
        (status = 200, description = "Open sockets", body = Connections),
        (status = 401, description = "`token_missing`, `token_invalid`, `token_expired`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub async fn list(
    State(Gateway(app)): State<Gateway>,
    person: Person,
) -> Result<Json<Connections>, Problem> {
    let items = app
        .registry
        .of(person.user)
        .into_iter()
        .map(|connection| OpenConnection {
            connection_id: connection.id.to_string(),
            session_id: connection.session.to_string(),
            format: connection.format.name(),
            opened_at: clock::from_unix_ms(connection.opened_unix_ms),
        });
    Ok(Json(Connections {
        items: items.collect(),
        other_gateways: app
            .registrations
            .other_gateways(person.user)
            .await
            .map_err(|error| Problem::unavailable("redis", &error))?,
    }))
}

use std::net::SocketAddr;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use problem::{Kind, Problem, ProblemBody};
use serving::client_address;

use super::Gateway;
use crate::domain::frame::{Format, READ_LIMIT_BYTES};
use crate::socket;

/// Read at a time from a socket. The library's own 128 KiB would be 23 times the memory of an idle
/// socket.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// Frames up to this are gathered for one write. Nothing is reserved: the buffer grows with what is
/// written.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Opens the WebSocket on which messages travel; its first frame is `hello`, with the access token.
///
/// Ask for a format by subprotocol: `parlance.v1.json` (which is also what a client gets that asks
/// for none) or `parlance.v1.protobuf`.
#[utoipa::path(
    get,
    path = "/socket",
    tag = "sockets",
    security(()),
    responses(
        (status = 101, description = "The socket is open"),
        (status = 400, description = "`upgrade_expected`, `subprotocol_unknown`", body = ProblemBody),
        (status = 403, description = "`origin_not_allowed`", body = ProblemBody),
        (status = 429, description = "`rate_limited`: too many sockets from one address", body = ProblemBody),
        (status = 503, description = "`draining`, `too_many_sockets`", body = ProblemBody),
    )
)]
pub async fn open(
    State(Gateway(app)): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    check_origin(&headers, &app.settings.allowed_origins)?;
    let upgrade = upgrade
        .map_err(|rejection| {
            Problem::new(
                Kind::InvalidInput,
                "upgrade_expected",
                rejection.body_text(),
            )
        })?
        .protocols(Format::SUBPROTOCOLS);
    let format = match upgrade.selected_protocol() {
        Some(chosen) => chosen.to_str().ok().and_then(Format::of_subprotocol),
        None if upgrade.requested_protocols().next().is_none() => Some(Format::Json),
        None => None,
    };
    let format = format.ok_or_else(|| {
        Problem::new(
            Kind::InvalidInput,
            "subprotocol_unknown",
            "Ask for parlance.v1.json or parlance.v1.protobuf.",
        )
    })?;
    let address = client_address(peer.ip(), &headers, &app.settings.trusted_proxies);
    let place = app.open_socket(address)?;
    let running = app.tasks.token();
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_frame_size(READ_LIMIT_BYTES)
        .max_message_size(READ_LIMIT_BYTES)
        .on_upgrade(async move |ws| {
            let _running = running;
            socket::serve(ws, format, place).await;
        }))
}

/// A page of somebody else's must not open a socket with what the browser knows of us. Programs send
/// no `Origin`.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    if allowed.is_empty()
        || allowed
            .iter()
            .any(|known| known.as_bytes() == origin.as_bytes())
    {
        return Ok(());
    }
    Err(Problem::new(
        Kind::PermissionDenied,
        "origin_not_allowed",
        "Pages of this origin may not open a socket here.",
    ))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_origins_are_refused_and_programs_are_not() {
        let allowed = ["https://chat.example".to_owned()];
        let mut headers = HeaderMap::new();
        assert!(check_origin(&headers, &allowed).is_ok());
        headers.insert(
            header::ORIGIN,
            HeaderValue::from_static("https://chat.example"),
        );
        assert!(check_origin(&headers, &allowed).is_ok());
        for other in ["https://chat.example.evil", "null", "http://chat.example"] {
            headers.insert(header::ORIGIN, HeaderValue::from_static(other));
            let refused = check_origin(&headers, &allowed).unwrap_err();
            assert_eq!(refused.code, "origin_not_allowed");
            assert!(check_origin(&headers, &[]).is_ok());
        }
    }
}

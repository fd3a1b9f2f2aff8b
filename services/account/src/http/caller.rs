//! Who sends a request, as far as the network tells.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;

use serving::client_address;

use super::AppState;
use crate::domain::{Client, Network};

/// Who sends the request.
pub struct From(pub Client);

impl FromRequestParts<AppState> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        Ok(Self(client(
            peer,
            &parts.headers,
            &state.0.accounts.trusted_proxies,
        )))
    }
}

/// The address that a request came from.
pub struct Address(pub IpAddr);

impl FromRequestParts<AppState> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let From(client) = From::from_request_parts(parts, state).await?;
        Ok(Self(client.address))
    }
}

/// Who sends a request that came from `peer` with these headers.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> Client {
    let user_agent = headers
        .get(http::header::USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .unwrap_or_default();
    Client::new(client_address(peer, headers, proxies), &user_agent)
}

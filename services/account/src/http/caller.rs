//! Who sends a request, as far as the network tells.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;

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

/// Who sends a request that came from `peer` with these headers.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> Client {
    let user_agent = headers
        .get(http::header::USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .unwrap_or_default();
    Client::new(client_address(peer, headers, proxies), &user_agent)
}

/// The last address in `X-Forwarded-For` that isn't one of our own proxies, if our proxy wrote it;
/// else the peer itself. What a client wrote there itself is further left, and never reached.
fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_ours = |address| proxies.iter().any(|proxy| proxy.contains(address));
    let peer = peer.to_canonical();
    if !is_ours(peer) {
        return peer;
    }
    let mut client = peer;
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for hop in hops.collect::<Vec<_>>().into_iter().rev() {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !is_ours(client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies: Vec<Network> = proxies.iter().map(|p| p.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_our_proxies_are_believed() {
        assert_eq!(seen("6.6.6.6", &["1.1.1.1"], &[]), "6.6.6.6");
        assert_eq!(seen("6.6.6.6", &["1.1.1.1"], &["10.0.0.1"]), "6.6.6.6");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6"], &["10.0.0.1"]), "6.6.6.6");
        assert_eq!(seen("10.0.3.1", &["6.6.6.6"], &["10.0.0.0/16"]), "6.6.6.6");
        assert_eq!(seen("10.1.0.1", &["6.6.6.6"], &["10.0.0.0/16"]), "10.1.0.1");
        assert_eq!(
            seen("::ffff:10.0.0.1", &["6.6.6.6"], &["10.0.0.1"]),
            "6.6.6.6"
        );
    }

    #[test]
    fn what_a_client_wrote_itself_is_not_reached() {
        let proxies = ["10.0.0.1", "10.0.0.2"];
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, 6.6.6.6"], &proxies), "6.6.6.6");
        assert_eq!(
            seen("10.0.0.1", &["1.1.1.1", "6.6.6.6, 10.0.0.2"], &proxies),
            "6.6.6.6"
        );
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, nonsense"], &proxies),
            "10.0.0.1"
        );
        assert_eq!(seen("10.0.0.1", &[], &proxies), "10.0.0.1");
    }
}

//! Which address a request comes from, behind proxies of our own.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use ipnet::IpNet;
use serde::Deserialize;

/// One address, or a network such as `10.0.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

/// The text is neither an address nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network such as 10.0.0.0/16")]
pub struct InvalidNetwork;

impl Network {
    /// Whether an address belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(Self)
            .map_err(|_| InvalidNetwork)
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

/// The last address in `X-Forwarded-For` that isn't one of our own proxies, if our proxy wrote it;
/// else the peer itself. What a client wrote there itself is further left, and never reached.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
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

    #[test]
    fn a_network_holds_its_addresses_and_an_address_itself() {
        for (network, address, holds) in [
            ("10.0.0.0/16", "10.0.255.1", true),
            ("10.0.0.0/16", "10.1.0.1", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("fd00::/8", "fd12::1", true),
            ("0.0.0.0/0", "fd12::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                holds,
                "{address}"
            );
        }
        for text in ["", "10.0.0.0/33", "ingress", "10.0.0.0/16/2"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}

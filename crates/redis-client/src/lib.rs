//! How a service reaches Redis: in plain text, or by TLS with a password.

use redis::{Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates};
use serde::Deserialize;

/// The `[redis]` section of a service's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://` or, by TLS, `rediss://user:password@host:port`. A secret: or `url_file`.
    pub url: settings::Secret,
    /// PEM of the authorities behind the server's certificate; empty: those of the system. Or `ca_file`.
    #[serde(default)]
    pub ca: String,
}

/// Why there can be no client. The text of the URL may hold a password and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedis {
    #[error("`redis.url` is not one of Redis")]
    Url,
    #[error("`redis.ca` is for TLS, and `redis.url` doesn't begin with rediss://")]
    NotTls,
    #[error("`redis.ca` holds no certificate in PEM")]
    Ca,
}

impl RedisSettings {
    /// A client that connects when it is used. It checks the certificate's name and its authority.
    ///
    /// # Errors
    /// When a setting is invalid; nothing is asked of the server.
    pub fn client(&self) -> Result<Client, InvalidRedis> {
        let info = self
            .url
            .expose()
            .into_connection_info()
            .map_err(|_| InvalidRedis::Url)?;
        if self.ca.is_empty() {
            return Client::open(info).map_err(|_| InvalidRedis::Url);
        }
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(InvalidRedis::NotTls);
        }
        if !self.ca.contains("-----BEGIN CERTIFICATE-----") {
            return Err(InvalidRedis::Ca);
        }
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(self.ca.clone().into_bytes()),
        };
        Client::build_with_tls(info, certificates).map_err(|_| InvalidRedis::Ca)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, ca: &str) -> Option<InvalidRedis> {
        let settings = RedisSettings {
            url: url.into(),
            ca: ca.to_owned(),
        };
        settings.client().err()
    }

    #[test]
    fn a_setting_that_cant_work_is_refused_at_the_start() {
        assert_eq!(refusal("redis://127.0.0.1:6379", ""), None);
        assert_eq!(refusal("rediss://:secret@127.0.0.1:6379", ""), None);
        assert_eq!(refusal("http://127.0.0.1", ""), Some(InvalidRedis::Url));
        let text = "not a certificate";
        assert_eq!(
            refusal("redis://127.0.0.1:6379", text),
            Some(InvalidRedis::NotTls)
        );
        assert_eq!(
            refusal("rediss://127.0.0.1:6379", text),
            Some(InvalidRedis::Ca)
        );
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            refusal("rediss://127.0.0.1:6379", broken),
            Some(InvalidRedis::Ca)
        );
    }
}

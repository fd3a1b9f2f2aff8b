//! The settings; `config.default.toml` says what each does.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use settings::Listen;

/// The defaults, and the documentation of the settings.
pub const DEFAULTS: &str = include_str!("config.default.toml");
/// The service's name for peers, logs and environment variables.
pub const SERVICE: &str = "chat-gateway";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: Listen,
    pub http: serving::HttpSettings,
    pub telemetry: telemetry::TelemetrySettings,
    pub tokens: auth::TokenSettings,
    pub identity: auth::IdentitySettings,
    pub peers: Peers,
    pub redis: redis_client::RedisSettings,
    pub kafka: kafka::KafkaSettings,
    pub gateway: Gateway,
    pub shutdown: Shutdown,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    pub account: String,
    pub conversation: String,
    pub message: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub ordinal: u32,
    pub allowed_origins: Vec<String>,
    pub max_sockets: usize,
    pub max_sockets_per_person: usize,
    pub max_sockets_per_address: usize,
    pub trusted_proxies: Vec<serving::Network>,
    pub hello_timeout_ms: u64,
    pub heartbeat_interval_ms: u32,
    pub token_grace_ms: u64,
    pub lease_ms: u64,
    pub queue_frames: usize,
    pub frames_per_second: NonZeroU32,
    pub frames_burst: NonZeroU32,
    pub max_in_flight: usize,
    pub drain_ms: u64,
}

impl Gateway {
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.heartbeat_interval_ms))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    pub grace_ms: u64,
}

/// Why settings that can be read can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnusableConfig {
    #[error("gateway.ordinal {ordinal} is not below kafka.message_partition_base {base}")]
    Ordinal { ordinal: u32, base: i32 },
    #[error("gateway.drain_ms {drain_ms} leaves nothing of shutdown.grace_ms {grace_ms}")]
    Drain { drain_ms: u64, grace_ms: u64 },
    #[error("gateway.heartbeat_interval_ms and gateway.lease_ms must be at least 100")]
    TooShort,
}

impl Config {
    /// # Errors
    /// For settings that contradict each other.
    pub fn check(&self) -> Result<(), UnusableConfig> {
        let gateway = &self.gateway;
        let base = self.kafka.message_partition_base;
        if i64::from(gateway.ordinal) >= i64::from(base) {
            let ordinal = gateway.ordinal;
            return Err(UnusableConfig::Ordinal { ordinal, base });
        }
        if gateway.drain_ms >= self.shutdown.grace_ms {
            return Err(UnusableConfig::Drain {
                drain_ms: gateway.drain_ms,
                grace_ms: self.shutdown.grace_ms,
            });
        }
        if gateway.heartbeat_interval_ms < 100 || gateway.lease_ms < 100 {
            return Err(UnusableConfig::TooShort);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)]) -> Config {
        settings::load_from(
            SERVICE,
            DEFAULTS,
            environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
        .unwrap()
    }

    #[test]
    fn the_defaults_are_usable() {
        load(&[]).check().unwrap();
    }

    #[test]
    fn an_ordinal_in_the_range_of_the_message_pods_is_refused() {
        let config = load(&[("CHAT_GATEWAY__GATEWAY__ORDINAL", "16")]);
        assert_eq!(
            config.check(),
            Err(UnusableConfig::Ordinal {
                ordinal: 16,
                base: 16
            })
        );
    }
}

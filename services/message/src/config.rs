//! Configuration: `config.default.toml` holds every key with its default and what it does.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::store::AwsSettings;

/// Everything that can be set, by environment as `MESSAGE__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: settings::Listen,
    pub http: serving::HttpSettings,
    pub telemetry: telemetry::TelemetrySettings,
    pub tokens: auth::TokenSettings,
    pub identity: auth::IdentitySettings,
    pub peers: Peers,
    pub redis: redis_client::RedisSettings,
    pub kafka: kafka::KafkaSettings,
    pub aws: AwsSettings,
    pub message: MessageSettings,
    pub shutdown: ShutdownSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    pub account: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageSettings {
    /// Of the pod in its StatefulSet.
    pub ordinal: u32,
    /// After which a killed owner's partitions go to others.
    pub session_timeout_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    pub grace_ms: u64,
}

impl Config {
    /// Defaults, then the environment.
    ///
    /// # Errors
    /// For unknown keys and values of the wrong kind.
    pub fn load() -> Result<Self, settings::SettingsError> {
        settings::load("message", include_str!("../config.default.toml"))
    }

    /// Where `healthcheck` asks.
    #[must_use]
    pub const fn ops_address(&self) -> SocketAddr {
        self.listen.ops
    }
}

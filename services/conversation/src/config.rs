use serde::Deserialize;

use crate::events::relay::RelaySettings;
pub use crate::limits::LimitSettings;
pub use crate::reports::ReportSettings;

/// The defaults, and the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: settings::Listen,
    pub http: serving::HttpSettings,
    pub telemetry: telemetry::TelemetrySettings,
    pub tokens: auth::TokenSettings,
    pub identity: auth::IdentitySettings,
    pub peers: PeerSettings,
    pub database: postgres::DatabaseSettings,
    pub redis: redis_client::RedisSettings,
    pub kafka: kafka::KafkaSettings,
    pub ids: central_ids::IdSettings,
    pub limits: LimitSettings,
    pub membership: MembershipSettings,
    pub relay: RelaySettings,
    pub reports: ReportSettings,
    pub shutdown: ShutdownSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    pub account: String,
    pub message: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipSettings {
    pub max_group_members: u32,
    pub apply_timeout_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    pub grace_ms: u64,
}

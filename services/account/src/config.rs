//! The settings; `config.default.toml` is their documentation.

use std::path::PathBuf;

use serde::Deserialize;

use crate::domain::Network;

pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: settings::Listen,
    pub http: serving::HttpSettings,
    pub telemetry: telemetry::TelemetrySettings,
    pub tokens: auth::TokenSettings,
    pub signing: Signing,
    pub identity: auth::IdentitySettings,
    pub accounts: Accounts,
    pub limits: Limits,
    pub contacts: Contacts,
    pub peers: Peers,
    pub database: Database,
    pub redis: Redis,
    pub kafka: kafka::KafkaSettings,
    pub shutdown: Shutdown,
}

impl Config {
    /// # Errors
    /// For an unknown key or a value of the wrong type.
    pub fn load() -> Result<Self, settings::SettingsError> {
        settings::load("account", DEFAULTS)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    pub key_dir: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    pub sign_up_on_first_use: bool,
    pub access_token_seconds: u32,
    pub session_idle_seconds: u64,
    pub session_max_seconds: u64,
    pub secure_cookies: bool,
    pub trusted_proxies: Vec<Network>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub tries_per_account_and_address: u32,
    pub tries_per_account_and_address_window_seconds: u32,
    pub tries_per_account: u32,
    pub tries_per_account_window_seconds: u32,
    pub tries_per_address: u32,
    pub tries_per_address_window_seconds: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    pub invitations_per_hour: u32,
    pub invitations_to_one_person_per_day: u32,
    pub block_changes_per_minute: u32,
    pub searches_per_minute: u32,
    pub searches_per_day: u32,
    pub searches_per_address_and_minute: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    pub conversation: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: settings::Secret,
    pub max_connections: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: settings::Secret,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    pub grace_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_a_whole_configuration() {
        let config: Config = settings::load_from("account", DEFAULTS, []).unwrap();
        assert!(config.accounts.access_token_seconds <= 900);
    }
}

//! The settings; `config.default.toml` is their documentation.

use std::collections::BTreeMap;
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
    pub mail: Mail,
    pub oidc: Oidc,
    pub database: Database,
    pub redis: redis_client::RedisSettings,
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
    pub rotate_after_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    pub sign_up_on_first_use: bool,
    pub access_token_seconds: u32,
    pub session_idle_seconds: u64,
    pub session_max_seconds: u64,
    pub secure_cookies: bool,
    pub public_url: String,
    pub proof_seconds: u64,
    pub handle_quarantine_seconds: u64,
    pub security_events_seconds: u64,
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
    pub mails_per_recipient: u32,
    pub mails_per_recipient_window_seconds: u32,
    pub mails_per_address: u32,
    pub mails_per_address_window_seconds: u32,
    pub handle_changes: u32,
    pub handle_changes_window_seconds: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub smtp_url: settings::Secret,
    pub from: String,
    pub verification_seconds: u64,
    pub recovery_seconds: u64,
    pub retry_seconds: u64,
    pub outbox_limit: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    pub sign_up: bool,
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub issuer: String,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<settings::Secret>,
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Empty: the name in the settings.
    #[serde(default)]
    pub display_name: String,
    /// Besides `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
}

fn default_scopes() -> Vec<String> {
    ["email", "profile"].map(str::to_owned).to_vec()
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

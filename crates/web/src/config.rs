//! Settings of the program.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use settings::SettingsError;

use crate::Upstreams;

/// The defaults, and the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub client: PathBuf,
    pub s3_origin: String,
    pub upstreams: Upstreams,
    pub telemetry: telemetry::TelemetrySettings,
    pub shutdown: ShutdownSettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    pub grace_ms: u64,
}

impl Config {
    /// From the defaults and the environment.
    ///
    /// # Errors
    /// As [`settings::load`].
    pub fn load() -> Result<Self, SettingsError> {
        settings::load("web", DEFAULTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_told_by_name_one_or_several() {
        let told = [
            ("WEB__UPSTREAMS__ACCOUNT", "parlance-account:7110"),
            (
                "WEB__UPSTREAMS__CHAT_GATEWAY",
                "10.0.0.1:7140, 10.0.0.2:7140",
            ),
        ];
        let environment = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config: Config = settings::load_from("web", DEFAULTS, environment).unwrap();
        assert_eq!(config.upstreams.account, ["parlance-account:7110"]);
        assert_eq!(
            config.upstreams.chat_gateway,
            ["10.0.0.1:7140", "10.0.0.2:7140"]
        );
        assert!(config.upstreams.message.is_empty());
    }
}

use std::time::Duration;

use serde::Deserialize;

use crate::objects::{AwsSettings, Lifetimes};

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
    pub aws: AwsSettings,
    pub files: FileSettings,
    pub shutdown: ShutdownSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    pub account: String,
    pub conversation: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    pub bucket: String,
    pub max_size_bytes: u64,
    pub allowed_content_types: Vec<String>,
    pub upload_url_seconds: u32,
    pub download_url_seconds: u32,
    pub abandoned_after_seconds: u32,
}

impl FileSettings {
    /// How long signed URLs hold: 1 second to an hour, which is what a removed member keeps at most.
    ///
    /// # Errors
    /// Outside of that.
    pub fn lifetimes(&self) -> anyhow::Result<Lifetimes> {
        let read = |name: &str, seconds: u32| {
            anyhow::ensure!(
                (1..=3_600).contains(&seconds),
                "`files.{name}` is 1 to 3600 seconds"
            );
            Ok(Duration::from_secs(seconds.into()))
        };
        Ok(Lifetimes {
            upload: read("upload_url_seconds", self.upload_url_seconds)?,
            download: read("download_url_seconds", self.download_url_seconds)?,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    pub grace_ms: u64,
}

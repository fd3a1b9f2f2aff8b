//! Settings of a service: embedded TOML defaults, then environment variables.
//!
//! `ACCOUNT__DATABASE__URL` sets `url` in `[database]` of the service `account`; `-` in a name is
//! written `_`. The type of the default decides how a value is read, so that a password of digits
//! stays text; where there is no default, a TOML value (`12`, `true`, `["a"]`) is tried first.
//! For a key `x` with a default, `x_file` names a file that holds its value.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use toml::{Table, Value};

/// Why settings were refused. Never holds a value: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the embedded defaults are not TOML: {0}")]
    Defaults(String),
    #[error("environment variable `{0}` does not name a setting")]
    BadName(String),
    #[error("environment variable `{0}` does not hold the type that the setting has")]
    BadValue(String),
    #[error("file {path:?} of the setting `{key}` can't be read: {source}")]
    File {
        key: String,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}")]
    Refused(String),
}

/// Loads the settings of `service` from its defaults and this process's environment.
///
/// # Errors
/// For an unknown key, a value of the wrong type, or a secret's file that can't be read.
pub fn load<T: DeserializeOwned>(service: &str, defaults_toml: &str) -> Result<T, SettingsError> {
    load_from(
        service,
        defaults_toml,
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

/// [`load`] with an environment of its own, for tests and for processes that hold several services.
///
/// # Errors
/// As [`load`].
pub fn load_from<T: DeserializeOwned>(
    service: &str,
    defaults_toml: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, SettingsError> {
    let mut tree: Table =
        toml::from_str(defaults_toml).map_err(|e| SettingsError::Defaults(e.to_string()))?;
    let prefix = format!("{}__", service.to_uppercase().replace('-', "_"));
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(&prefix))
        .collect();
    variables.sort();
    for (name, value) in variables {
        set(&mut tree, &name, &name[prefix.len()..], &value)?;
    }
    read_files(&mut tree, "")?;
    // Through text, because the errors of text name the key and why; the document may hold
    // secrets, so only the message is kept, not the excerpt.
    let text = toml::to_string(&tree).map_err(|e| SettingsError::Refused(e.to_string()))?;
    toml::from_str(&text).map_err(|e| SettingsError::Refused(refusal(&e, &text)))
}

fn refusal(error: &toml::de::Error, text: &str) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(span))
        .map(|excerpt| excerpt.split(['=', '\n']).next().unwrap_or("").trim())
        .filter(|key| {
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-[].".contains(c))
        });
    let message = error.message();
    match line {
        Some(key) if error.message().starts_with("missing") => format!("{message} (near `{key}`)"),
        _ if message.starts_with("invalid type") || message.starts_with("invalid value") => {
            // serde quotes the value that it met.
            let expected = message.split("expected").nth(1).unwrap_or(" another type");
            format!("a setting has the wrong type: expected{expected}")
        }
        _ => message.to_owned(),
    }
}

fn set(tree: &mut Table, name: &str, path: &str, text: &str) -> Result<(), SettingsError> {
    let bad_name = || SettingsError::BadName(name.to_owned());
    let mut segments: Vec<String> = path.split("__").map(str::to_lowercase).collect();
    let last = segments
        .pop()
        .filter(|s| !s.is_empty())
        .ok_or_else(bad_name)?;
    let mut table = tree;
    for segment in segments {
        if segment.is_empty() {
            return Err(bad_name());
        }
        let key = known_key(table, segment);
        table = table
            .entry(key)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(bad_name)?;
    }
    let key = known_key(table, last);
    let value = match table.get(&key) {
        // An empty value leaves an optional setting unset.
        None if text.is_empty() => return Ok(()),
        None => parse(text).unwrap_or_else(|| Value::String(text.to_owned())),
        Some(Value::String(_)) => Value::String(text.to_owned()),
        Some(default) => {
            let read = match (default, parse(text)) {
                (Value::Float(_), Some(Value::Integer(whole))) => {
                    // Exact for every setting one would write.
                    Some(Value::Float(whole as f64))
                }
                (Value::Array(_), Some(array @ Value::Array(_))) => Some(array),
                (Value::Array(_), _) => Some(Value::Array(
                    text.split(',')
                        .map(str::trim)
                        .filter(|item| !item.is_empty())
                        .map(|item| Value::String(item.to_owned()))
                        .collect(),
                )),
                (default, Some(read)) if default.same_type(&read) => Some(read),
                _ => None,
            };
            read.ok_or_else(|| SettingsError::BadValue(name.to_owned()))?
        }
    };
    table.insert(key, value);
    Ok(())
}

/// Environment variables can't hold `-` everywhere: `CHAT_GATEWAY` is `chat-gateway` where the
/// defaults have it.
fn known_key(table: &Table, segment: String) -> String {
    table
        .keys()
        .find(|key| key.replace('-', "_").eq_ignore_ascii_case(&segment))
        .cloned()
        .unwrap_or(segment)
}

fn parse(text: &str) -> Option<Value> {
    let mut document: Table = toml::from_str(&format!("value = {text}")).ok()?;
    if document.len() != 1 {
        return None;
    }
    document.remove("value")
}

fn read_files(table: &mut Table, path: &str) -> Result<(), SettingsError> {
    let twins: Vec<(String, String)> = table
        .keys()
        .filter_map(|key| Some((key.clone(), key.strip_suffix("_file")?.to_owned())))
        .filter(|(_, plain)| table.contains_key(plain))
        .collect();
    for (twin, plain) in twins {
        let Some(Value::String(file)) = table.remove(&twin) else {
            continue;
        };
        if file.is_empty() {
            continue;
        }
        let content = std::fs::read_to_string(&file).map_err(|source| SettingsError::File {
            key: format!("{path}{twin}"),
            path: file.into(),
            source,
        })?;
        table.insert(plain, Value::String(content.trim_end().to_owned()));
    }
    for (key, value) in table.iter_mut() {
        if let Value::Table(inner) = value {
            read_files(inner, &format!("{path}{key}."))?;
        }
    }
    Ok(())
}

/// A setting that is never printed.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Where a service listens. Port 0 takes a free one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// REST and WebSocket, for people; behind the ingress.
    pub http: SocketAddr,
    /// gRPC for people and programs, with a person's token.
    pub grpc: SocketAddr,
    /// gRPC for peers, with a service's identity.
    pub internal: SocketAddr,
    /// `/metrics`, `/livez`, `/readyz`; never behind the ingress.
    pub ops: SocketAddr,
    /// Whether the gRPC ports describe themselves (server reflection).
    #[serde(default)]
    pub grpc_reflection: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Write;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        database: Database,
        trusted: BTreeMap<String, String>,
        origins: Vec<String>,
        ratio: f64,
        open: bool,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Database {
        url: Secret,
        max_connections: u32,
        replica: Option<String>,
    }

    const DEFAULTS: &str = r#"
origins = []
ratio = 0.5
open = false
[database]
url = "postgres://localhost"
max_connections = 8
[trusted]
"chat-gateway" = ""
"#;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, SettingsError> {
        load_from(
            "my-service",
            DEFAULTS,
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    #[test]
    fn the_environment_comes_over_the_defaults_in_the_type_of_the_default() {
        let config = with(&[
            ("MY_SERVICE__DATABASE__URL", "12345"),
            ("MY_SERVICE__DATABASE__MAX_CONNECTIONS", "3"),
            ("MY_SERVICE__DATABASE__REPLICA", "10.0.0.1"),
            ("MY_SERVICE__TRUSTED__CHAT_GATEWAY", "a.pem"),
            ("MY_SERVICE__ORIGINS", "http://a, http://b"),
            ("MY_SERVICE__RATIO", "1"),
            ("MY_SERVICE__OPEN", "true"),
            ("OTHER__DATABASE__URL", "ignored"),
        ])
        .unwrap();
        assert_eq!(config.database.url.expose(), "12345");
        assert_eq!(config.database.max_connections, 3);
        assert_eq!(config.database.replica.as_deref(), Some("10.0.0.1"));
        assert_eq!(config.trusted["chat-gateway"], "a.pem");
        assert_eq!(config.origins, ["http://a", "http://b"]);
        assert!((config.ratio - 1.0).abs() < f64::EPSILON);
        assert!(config.open);
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_come_from() {
        for name in [
            "MY_SERVICE__DATABASE__URI",
            "MY_SERVICE__TYPO",
            "MY_SERVICE__DATABASE__URL__DEEPER",
            "MY_SERVICE__",
        ] {
            assert!(with(&[(name, "x")]).is_err(), "{name}");
        }
        let unknown = format!("surprise = 1\n{DEFAULTS}");
        assert!(load_from::<Config>("my-service", &unknown, []).is_err());
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_without_being_repeated() {
        let error = with(&[("MY_SERVICE__DATABASE__MAX_CONNECTIONS", "s3cret")]).unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
        assert!(error.to_string().contains("MAX_CONNECTIONS"));
    }

    #[test]
    fn a_secret_can_come_from_a_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "postgres://from-file").unwrap();
        let path = file.path().to_str().unwrap();
        let config = with(&[("MY_SERVICE__DATABASE__URL_FILE", path)]).unwrap();
        assert_eq!(config.database.url.expose(), "postgres://from-file");
        assert!(with(&[("MY_SERVICE__DATABASE__URL_FILE", "/nowhere")]).is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let config = with(&[("MY_SERVICE__DATABASE__URL", "hidden")]).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
    }
}

use serde_json::{Map, Value};

/// Most keys.
pub const MAX_KEYS: usize = 32;
/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 64;
/// Largest whole, as JSON in bytes.
pub const MAX_BYTES: usize = 4_096;

/// A small JSON object that a person's clients keep about them; only the person reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    #[error("Metadata has at most {MAX_KEYS} keys.")]
    Keys,
    #[error("A key of metadata has 1 to {MAX_KEY_BYTES} bytes of a-z, 0-9, `_`, `-` and `.`.")]
    Key,
    #[error("A value of metadata is text, a number, true or false.")]
    Value,
    #[error("Metadata has at most {MAX_BYTES} bytes as JSON.")]
    Size,
}

impl Metadata {
    /// With the changes of a JSON merge patch (RFC 7396): `null` takes a key away.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, InvalidMetadata> {
        let mut map = self.0.clone();
        for (key, value) in patch {
            let good = (1..=MAX_KEY_BYTES).contains(&key.len())
                && key
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b));
            match value {
                Value::Null => drop(map.remove(key)),
                _ if !good => return Err(InvalidMetadata::Key),
                // Flat: a bound on the depth that nobody has to think about.
                Value::Array(_) | Value::Object(_) => return Err(InvalidMetadata::Value),
                Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                    map.insert(key.clone(), value.clone());
                }
            }
        }
        if map.len() > MAX_KEYS {
            return Err(InvalidMetadata::Keys);
        }
        let patched = Self(map);
        if patched.to_json().len() > MAX_BYTES {
            return Err(InvalidMetadata::Size);
        }
        Ok(patched)
    }

    /// What is stored.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// From what was stored; what is no object is taken as empty.
    pub fn from_json(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patch(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_patch_sets_and_takes_away() {
        let metadata = Metadata::default()
            .patched(&patch(json!({"theme": "dark", "size": 2, "tips": false})))
            .unwrap()
            .patched(&patch(json!({"size": null, "theme": "light"})))
            .unwrap();
        assert_eq!(
            Value::Object(metadata.clone().into_map()),
            json!({"theme": "light", "tips": false})
        );
        assert_eq!(Metadata::from_json(&metadata.to_json()), metadata);
    }

    #[test]
    fn metadata_has_limits() {
        let empty = Metadata::default();
        let refused = |value| empty.patched(&patch(value)).unwrap_err();
        assert_eq!(refused(json!({"": 1})), InvalidMetadata::Key);
        assert_eq!(refused(json!({"a b": 1})), InvalidMetadata::Key);
        assert_eq!(refused(json!({"k".repeat(65): 1})), InvalidMetadata::Key);
        assert_eq!(refused(json!({"a": {"b": 1}})), InvalidMetadata::Value);
        assert_eq!(refused(json!({"a": [1]})), InvalidMetadata::Value);
        assert_eq!(
            refused(json!({"a": "x".repeat(MAX_BYTES)})),
            InvalidMetadata::Size
        );
        let many: Map<_, _> = (0..=MAX_KEYS)
            .map(|n| (format!("k{n}"), json!(n)))
            .collect();
        assert_eq!(empty.patched(&many), Err(InvalidMetadata::Keys));
    }
}

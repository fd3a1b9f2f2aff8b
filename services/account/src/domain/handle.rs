use rand::RngExt as _;

/// A person's unique name: 3 to 32 characters of `a-z`, `0-9`, `_` and `.`, beginning and ending
/// with a letter or digit, no two dots together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandle {
    #[error(
        "A handle has 3 to 32 characters of a-z, 0-9, `_` and `.`, and begins and ends with a letter or digit."
    )]
    Form,
    #[error("This handle is not given to people.")]
    Reserved,
}

const RESERVED: [&str; 14] = [
    "admin",
    "administrator",
    "all",
    "channel",
    "everyone",
    "help",
    "here",
    "me",
    "moderator",
    "parlance",
    "root",
    "security",
    "support",
    "system",
];

impl Handle {
    pub fn parse(text: &str) -> Result<Self, InvalidHandle> {
        let text = text.trim().to_ascii_lowercase();
        let good = (3..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.')
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !text.contains("..");
        if !good {
            Err(InvalidHandle::Form)
        } else if RESERVED.contains(&text.as_str()) {
            Err(InvalidHandle::Reserved)
        } else {
            Ok(Self(text))
        }
    }

    /// Made from the part of an e-mail address before the `@`; `attempt` above 0 adds digits,
    /// because others may have it.
    pub fn suggest(local: &str, attempt: u32) -> Self {
        let mut base = String::new();
        for c in local.chars().map(|c| c.to_ascii_lowercase()) {
            if c.is_ascii_alphanumeric() {
                base.push(c);
            } else if !base.is_empty() && !base.ends_with(['.', '_']) {
                base.push(if c == '.' { '.' } else { '_' });
            }
            if base.len() == 24 {
                break;
            }
        }
        let base = base.trim_end_matches(['.', '_']);
        if attempt == 0
            && let Ok(handle) = Self::parse(base)
        {
            return handle;
        }
        let base = if base.is_empty() { "user" } else { base };
        let digits: u32 = rand::rng().random_range(1_000..1_000_000);
        Self(format!("{base}{digits}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_spelling() {
        assert_eq!(Handle::parse(" Ada.L_1 ").unwrap().as_str(), "ada.l_1");
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        let long = "a".repeat(33);
        for text in [
            "",
            "ab",
            ".ada",
            "ada.",
            "a..b",
            "ada!",
            "ädä",
            "a b c",
            long.as_str(),
        ] {
            assert_eq!(Handle::parse(text), Err(InvalidHandle::Form), "{text:?}");
        }
        assert_eq!(Handle::parse("Admin"), Err(InvalidHandle::Reserved));
    }

    #[test]
    fn every_suggestion_is_a_handle() {
        for local in [
            "ada.lovelace",
            "a",
            "",
            "+++",
            "x__..y",
            "admin",
            "日本語",
            "._.",
            &"z".repeat(64),
        ] {
            for attempt in 0..3 {
                let handle = Handle::suggest(local, attempt);
                assert!(
                    Handle::parse(handle.as_str()).is_ok(),
                    "{local:?}: {handle:?}"
                );
            }
        }
        assert_eq!(Handle::suggest("ada.lovelace", 0).as_str(), "ada.lovelace");
    }
}

/// What a group says it is for; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(String);

/// The text is no description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a description has at most 500 characters, and no control characters but line breaks")]
pub struct InvalidDescription;

impl Description {
    pub const MAX_CHARS: usize = 500;

    /// Reads it as it is written, white space at both ends aside.
    ///
    /// # Errors
    /// [`InvalidDescription`] above 500 characters, or with control characters but line breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidDescription> {
        let text = text.trim();
        let valid = text.chars().count() <= Self::MAX_CHARS
            && !text.chars().any(|c| c.is_control() && c != '\n');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDescription)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_bounded_and_has_nothing_unseen() {
        for (text, kept) in [("", ""), (" a\nb ", "a\nb"), ("Grüße 🎉", "Grüße 🎉")] {
            assert_eq!(Description::parse(text).unwrap().as_str(), kept);
        }
        assert!(Description::parse(&"ü".repeat(500)).is_ok());
        for bad in ["a\u{0}b", "a\rb", "\u{1b}[31m", &"ü".repeat(501)] {
            assert_eq!(Description::parse(bad), Err(InvalidDescription), "{bad:?}");
        }
    }
}

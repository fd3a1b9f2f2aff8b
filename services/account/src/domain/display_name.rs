/// What others read: 1 to 64 characters, without what makes text show as something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A display name has 1 to 64 characters, none of them a control character.")]
pub struct InvalidDisplayName;

impl DisplayName {
    pub fn parse(text: &str) -> Result<Self, InvalidDisplayName> {
        let text = text.trim();
        let good = (1..=64).contains(&text.chars().count())
            && text
                .chars()
                .all(|c| !c.is_control() && !is_direction_mark(c));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDisplayName)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks that turn the direction of what follows (Unicode Standard Annex 9): with them a name can
/// look like another's.
pub(super) const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_taken() {
        for text in ["Ada", "李小龍", "Zoë O'Brien", "🦊"] {
            assert_eq!(DisplayName::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_and_disguised_names_are_refused() {
        let long = "a".repeat(65);
        for text in ["", "  ", "a\nb", "a\u{202e}b", long.as_str()] {
            assert!(DisplayName::parse(text).is_err(), "{text:?}");
        }
    }
}

use super::display_name::is_direction_mark;

/// What a person says of themselves for now: up to 140 characters, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusText(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A status has at most 140 characters, none of them a control character.")]
pub struct InvalidStatusText;

impl StatusText {
    pub fn parse(text: &str) -> Result<Self, InvalidStatusText> {
        let text = text.trim();
        let good = text.chars().count() <= 140
            && text
                .chars()
                .all(|c| !c.is_control() && !is_direction_mark(c));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidStatusText)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_may_be_empty_but_not_long_or_disguised() {
        for text in ["", "On the way 🚲", &"ä".repeat(140)] {
            assert_eq!(StatusText::parse(text).unwrap().as_str(), text);
        }
        for text in [&"ä".repeat(141), "a\nb", "a\u{202e}b"] {
            assert_eq!(StatusText::parse(text), Err(InvalidStatusText), "{text:?}");
        }
    }
}

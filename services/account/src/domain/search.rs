use super::Email;

/// What somebody types to find a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchQuery {
    /// Exactly whose address it is.
    Email(Email),
    /// How the handle or a word of the name begins.
    Prefix(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    #[error("Write at least two letters of the name.")]
    Short,
    #[error("At most 254 characters, none of them a control character.")]
    Form,
}

impl SearchQuery {
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let text = text.trim();
        // As long as an address may be (RFC 5321, section 4.5.3.1).
        if text.chars().count() > 254 || text.chars().any(char::is_control) {
            return Err(InvalidQuery::Form);
        }
        if let Ok(email) = Email::parse(text) {
            return Ok(Self::Email(email));
        }
        let prefix = text.strip_prefix('@').unwrap_or(text).trim_start();
        // A family name may be one Han character; one Latin letter is a list of everybody.
        let letters = prefix.chars().filter(|c| c.is_alphanumeric());
        let weight: u32 = letters.map(|c| if c < '\u{2e80}' { 1 } else { 2 }).sum();
        if weight < 2 {
            return Err(InvalidQuery::Short);
        }
        Ok(Self::Prefix(prefix.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_up_whole_and_anything_else_is_a_beginning() {
        let email = Email::parse("ada@example.org").unwrap();
        assert_eq!(
            SearchQuery::parse(" Ada@Example.org "),
            Ok(SearchQuery::Email(email))
        );
        for (text, prefix) in [("@ada", "ada"), ("Ada Lov", "Ada Lov"), ("ada@", "ada@")] {
            assert_eq!(
                SearchQuery::parse(text),
                Ok(SearchQuery::Prefix(prefix.into()))
            );
        }
    }

    #[test]
    fn too_little_to_go_by_is_refused() {
        for text in ["", "a", "@a", "..", "%_", "é"] {
            assert_eq!(SearchQuery::parse(text), Err(InvalidQuery::Short), "{text}");
        }
        assert!(SearchQuery::parse("李").is_ok());
        assert_eq!(SearchQuery::parse("a\0b"), Err(InvalidQuery::Form));
        let long = "a".repeat(255);
        assert_eq!(SearchQuery::parse(&long), Err(InvalidQuery::Form));
    }
}

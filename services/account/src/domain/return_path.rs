/// Where a browser goes on after it was at a provider: a path of our own web client, so that nobody
/// can be sent elsewhere by way of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A path of the web client, such as `/settings`: at most 512 visible ASCII characters.")]
pub struct InvalidReturnPath;

impl ReturnPath {
    /// Empty: the start page.
    pub fn parse(text: &str) -> Result<Self, InvalidReturnPath> {
        let text = if text.is_empty() { "/" } else { text };
        let good = text.len() <= 512
            && text.starts_with('/')
            // Browsers take `//host` and `/\host` as another origin.
            && !text[1..].starts_with(['/', '\\'])
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReturnPath)
        }
    }

    /// The start page.
    pub fn start() -> Self {
        Self("/".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With one more parameter; both parts need no escaping.
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let separator = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{separator}{name}={value}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for text in ["/", "/settings", "/group/rust/connect?x=1"] {
            assert_eq!(ReturnPath::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "settings",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/a b",
            "/a\nLocation: x",
            "/#fragment",
        ] {
            assert_eq!(ReturnPath::parse(text), Err(InvalidReturnPath), "{text:?}");
        }
        assert_eq!(ReturnPath::parse("").unwrap().as_str(), "/");
    }

    #[test]
    fn parameters_come_after_those_that_are_there() {
        let path = ReturnPath::parse("/x")
            .unwrap()
            .with("a", "1")
            .with("b", "2");
        assert_eq!(path.as_str(), "/x?a=1&b=2");
    }
}

use std::fmt;

/// A media type without parameters (RFC 9110, section 8.3.1), in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType(String);

/// The text is not a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a media type such as image/png")]
pub struct InvalidContentType;

/// What may be shown where it stands. Whatever can hold a script (HTML, SVG, XML, PDF) is not here:
/// it is only saved.
const INLINE: [&str; 16] = [
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/ogg",
    "video/webm",
];

impl ContentType {
    /// Reads a media type; parameters are left out, and no text at all is `application/octet-stream`,
    /// as browsers have it for files that they don't know.
    ///
    /// # Errors
    /// [`InvalidContentType`] for other text.
    pub fn parse(text: &str) -> Result<Self, InvalidContentType> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.is_empty() && text.trim().is_empty() {
            return Ok(Self("application/octet-stream".to_owned()));
        }
        let (kind, subtype) = essence.split_once('/').ok_or(InvalidContentType)?;
        if essence.len() > 127 || !is_token(kind) || !is_token(subtype) {
            return Err(InvalidContentType);
        }
        Ok(Self(essence.to_ascii_lowercase()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a browser may show it instead of saving it.
    #[must_use]
    pub fn is_shown_inline(&self) -> bool {
        INLINE.contains(&self.as_str())
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The media types that a deployment takes: `image/png`, or `image/*` for all of a kind.
#[derive(Debug, Clone)]
pub struct AllowedTypes(Vec<String>);

impl AllowedTypes {
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        Self(
            patterns
                .iter()
                .map(|pattern| pattern.to_ascii_lowercase())
                .collect(),
        )
    }

    #[must_use]
    pub fn contains(&self, content_type: &ContentType) -> bool {
        self.0
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(kind) => kind.ends_with('/') && content_type.as_str().starts_with(kind),
                None => content_type.as_str() == pattern,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_without_their_parameters() {
        for (text, read) in [
            ("image/png", "image/png"),
            ("Text/Plain; charset=utf-8", "text/plain"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(ContentType::parse(text).unwrap().as_str(), read);
        }
        for bad in [
            "png",
            "image/",
            "/png",
            "a b/c",
            "image/png\r\nx: y",
            "; charset=utf-8",
        ] {
            assert_eq!(ContentType::parse(bad), Err(InvalidContentType), "{bad:?}");
        }
    }

    #[test]
    fn what_can_hold_a_script_is_not_shown_inline() {
        for script in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/pdf",
        ] {
            assert!(
                !ContentType::parse(script).unwrap().is_shown_inline(),
                "{script}"
            );
        }
        assert!(ContentType::parse("image/png").unwrap().is_shown_inline());
    }

    #[test]
    fn a_pattern_takes_a_type_or_a_whole_kind() {
        let allowed = AllowedTypes::new(&["image/*".to_owned(), "application/pdf".to_owned()]);
        let takes = |text: &str| allowed.contains(&ContentType::parse(text).unwrap());
        assert!(takes("image/png") && takes("application/pdf"));
        assert!(!takes("application/zip") && !takes("imagex/png") && !takes("video/mp4"));
        assert!(
            !AllowedTypes::new(&["ima*".to_owned()])
                .contains(&ContentType::parse("image/png").unwrap())
        );
    }
}

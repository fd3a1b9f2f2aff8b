use std::fmt;

/// The name under which a file is shown and saved. Only a label: it is part of no path of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

/// The text is not a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file name has 1 to 255 bytes, no '/' or '\\', no control or direction characters, and is not only dots"
)]
pub struct InvalidFileName;

impl FileName {
    /// # Errors
    /// [`InvalidFileName`] for what a file system could take for a path, or a reader for another name.
    pub fn parse(text: &str) -> Result<Self, InvalidFileName> {
        let deceives = |c: char| {
            c.is_control()
                || c == '/'
                || c == '\\'
                // Direction marks, embeddings, overrides and isolates (Unicode UAX #9): with them
                // `invoice_fdp.exe` reads `invoice_exe.pdf`. Line separators, too.
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let text = text.trim();
        let valid = (1..=255).contains(&text.len())
            && !text.contains(deceives)
            && !text.bytes().all(|byte| byte == b'.');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidFileName)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_deceive_a_system_or_a_reader_are_refused() {
        for good in [
            "a",
            "report 2026.pdf",
            "Übersicht \"neu\".txt",
            ".profile",
            "日本.zip",
        ] {
            assert_eq!(FileName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "  ",
            ".",
            "..",
            "...",
            "../../x",
            "a\\b",
            "a\r\nSet-Cookie: x",
            "a\0b",
            "invoice_\u{202e}fdp.exe",
            &"x".repeat(256),
        ] {
            assert_eq!(FileName::parse(bad), Err(InvalidFileName), "{bad:?}");
        }
    }
}

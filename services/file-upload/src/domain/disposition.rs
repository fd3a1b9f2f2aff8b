//! `Content-Disposition` of a download (RFC 6266).

use std::fmt::Write as _;

use super::content_type::ContentType;
use super::file_name::FileName;

/// The header for a file of this name and type. The name comes twice: in ASCII for old readers, and
/// as it is, percent-encoded (RFC 8187).
#[must_use]
pub fn of(name: &FileName, content_type: &ContentType) -> String {
    let how = if content_type.is_shown_inline() {
        "inline"
    } else {
        "attachment"
    };
    let plain: String = name
        .as_str()
        .chars()
        .map(|c| match c {
            // Quotes and backslashes would need escapes, and `%` is read as one by some.
            '"' | '\\' | '%' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    let mut header = format!("{how}; filename=\"{plain}\"; filename*=UTF-8''");
    for byte in name.as_str().bytes() {
        // attr-char of RFC 8187, section 3.2.1.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            header.push(char::from(byte));
        } else {
            write!(header, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(name: &str, content_type: &str) -> String {
        of(
            &FileName::parse(name).unwrap(),
            &ContentType::parse(content_type).unwrap(),
        )
    }

    #[test]
    fn a_name_survives_and_a_script_is_saved() {
        assert_eq!(
            header("cat.png", "image/png"),
            "inline; filename=\"cat.png\"; filename*=UTF-8''cat.png"
        );
        assert_eq!(
            header("naïve \"x\" 100%.html", "text/html"),
            "attachment; filename=\"na_ve _x_ 100_.html\"; \
             filename*=UTF-8''na%C3%AFve%20%22x%22%20100%25.html"
        );
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_the_header(name in any::<String>()) {
            if let Ok(name) = FileName::parse(&name) {
                let header = of(&name, &ContentType::parse("a/b").unwrap());
                prop_assert!(header.bytes().all(|b| (b' '..=b'~').contains(&b)));
                prop_assert_eq!(header.matches('"').count(), 2);
                prop_assert_eq!(header.matches(';').count() - plain_semicolons(&header), 2);
            }
        }
    }

    fn plain_semicolons(header: &str) -> usize {
        header
            .split('"')
            .nth(1)
            .map_or(0, |plain| plain.matches(';').count())
    }
}

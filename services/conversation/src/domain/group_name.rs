use std::fmt;

/// The name by which a group is found and joined: unique, and good in an address as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupName(String);

/// The text is not a group name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a group's name has 3 to 64 of the characters a-z, 0-9, '-', '_' and '.', a letter or digit first"
)]
pub struct InvalidGroupName;

impl GroupName {
    /// Reads a name as it is written; nothing is trimmed or lowered, so that a name has one spelling.
    ///
    /// # Errors
    /// [`InvalidGroupName`] unless it has 3 to 64 of `a-z 0-9 - _ .` and begins with a letter or
    /// digit: `..` would be a step up in an address.
    pub fn parse(text: &str) -> Result<Self, InvalidGroupName> {
        let bytes = text.as_bytes();
        let valid = (3..=64).contains(&bytes.len())
            && text.bytes().all(is_allowed)
            && bytes[0].is_ascii_alphanumeric();
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidGroupName)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The beginning of group names; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupNamePrefix(String);

/// No group's name begins so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a prefix has at most 64 of the characters a-z, 0-9, '-', '_' and '.'")]
pub struct InvalidPrefix;

impl GroupNamePrefix {
    /// # Errors
    /// [`InvalidPrefix`] for what no name can begin with.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        if text.len() <= 64 && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPrefix)
        }
    }

    /// The first text in the order of bytes that names with this prefix can be.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.0
    }

    /// Above all names with this prefix: '~' comes after every character of a name.
    #[must_use]
    pub fn above(&self) -> String {
        format!("{}~", self.0)
    }
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling_and_fit_in_an_address() {
        for good in ["abc", "a-b_c.d", "0day", &"x".repeat(64)] {
            assert_eq!(GroupName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ab",
            "Abc",
            "a b",
            "ab/",
            "..a",
            "-ab",
            "ab\n",
            "äbc",
            " abc",
            "abc ",
            "a%2f",
            &"x".repeat(65),
        ] {
            assert_eq!(GroupName::parse(bad), Err(InvalidGroupName), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_is_a_range_of_names() {
        let prefix = GroupNamePrefix::parse("rust").unwrap();
        let above = prefix.above();
        for name in [
            "rust",
            "rust-beginners",
            "rust.z",
            "rust_",
            "rust0",
            "rustzz",
        ] {
            assert!(prefix.first() <= name && name < above.as_str(), "{name}");
        }
        for name in ["rus", "rusu", "russ-t", "sust"] {
            assert!(!(prefix.first() <= name && name < above.as_str()), "{name}");
        }
        assert!(GroupNamePrefix::parse("").is_ok());
        for bad in ["R", "a b", "%", "~", &"x".repeat(65)] {
            assert_eq!(GroupNamePrefix::parse(bad), Err(InvalidPrefix), "{bad:?}");
        }
    }
}

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::UserId;

/// Longest cursor: what a search cursor needs for the longest word, and some.
const MAX_CURSOR_BYTES: usize = 1_024;

/// The text is not a cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Not a cursor of this list.")]
pub struct InvalidCursor;

/// The end of a page of people, the latest first. It holds a place in an order, never an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    pub unix_ms: i64,
    pub user: UserId,
}

impl Latest {
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = decode(text)?;
        let (time, user) = bytes.split_first_chunk::<8>().ok_or(InvalidCursor)?;
        Ok(Self {
            unix_ms: i64::from_be_bytes(*time),
            user: UserId::from_slice(user).map_err(|_| InvalidCursor)?,
        })
    }

    pub fn encode(self) -> String {
        let mut bytes = self.unix_ms.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.user.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// The end of a page of a search: the word by which somebody was found, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub word: String,
    pub user: UserId,
}

impl Found {
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = decode(text)?;
        let (user, word) = bytes.split_first_chunk::<16>().ok_or(InvalidCursor)?;
        let word = std::str::from_utf8(word).map_err(|_| InvalidCursor)?;
        // Postgres has no text with a zero in it.
        if word.contains('\0') {
            return Err(InvalidCursor);
        }
        Ok(Self {
            word: word.to_owned(),
            user: UserId::from_bytes(*user),
        })
    }

    pub fn encode(&self) -> String {
        let mut bytes = self.user.to_vec();
        bytes.extend_from_slice(self.word.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, InvalidCursor> {
    if text.len() > MAX_CURSOR_BYTES {
        return Err(InvalidCursor);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)
}

/// How many a page has: 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize<const MAX: u32>(u32);

/// A page can't be that large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A page has 1 to {0}.")]
pub struct InvalidPageSize(u32);

impl<const MAX: u32> PageSize<MAX> {
    pub const fn new(size: u32) -> Result<Self, InvalidPageSize> {
        if size == 0 || size > MAX {
            return Err(InvalidPageSize(MAX));
        }
        Ok(Self(size))
    }

    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// Rows to read, to know whether there is more.
    pub const fn and_one(self) -> i64 {
        self.0 as i64 + 1
    }
}

/// A page of contacts or blocks.
pub type ListSize = PageSize<100>;
/// A page of a search: small, because who has to ask often is slowed down.
pub type SearchSize = PageSize<20>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_were() {
        let user = UserId::from_bytes([7; 16]);
        let latest = Latest { unix_ms: -5, user };
        assert_eq!(Latest::parse(&latest.encode()), Ok(latest));
        for word in ["", "ada", "李小龍"] {
            let found = Found {
                word: word.into(),
                user,
            };
            assert_eq!(Found::parse(&found.encode()), Ok(found));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let zero = URL_SAFE_NO_PAD.encode([0_u8; 17]);
        let broken = URL_SAFE_NO_PAD.encode([0xff_u8; 20]);
        let long = "A".repeat(MAX_CURSOR_BYTES + 4);
        for text in ["!", "AAAA", &zero, &broken, &long] {
            assert_eq!(Found::parse(text), Err(InvalidCursor), "{text}");
        }
        for text in ["!", "AAAA", &long] {
            assert_eq!(Latest::parse(text), Err(InvalidCursor), "{text}");
        }
    }

    #[test]
    fn a_page_is_neither_empty_nor_large() {
        assert!(ListSize::new(0).is_err());
        assert!(SearchSize::new(21).is_err());
        assert_eq!(ListSize::new(100).unwrap().get(), 100);
    }
}

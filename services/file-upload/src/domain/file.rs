use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ids::{ConversationId, FileId, UserId};

use super::content_type::ContentType;
use super::file_name::FileName;

/// An attachment: what its uploader announced, and whether the bytes came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub id: FileId,
    pub conversation: ConversationId,
    pub uploader: UserId,
    pub name: FileName,
    pub content_type: ContentType,
    pub size: Size,
    pub sha256: Sha256,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Announced; nobody gets a download.
    Pending,
    /// The bytes are there, as announced.
    Ready,
}

impl File {
    /// What the bucket has of it. The key is made of ids only: nothing that a caller wrote reaches it.
    #[must_use]
    pub fn object(&self) -> Object {
        Object {
            key: format!("{}/{}", self.conversation, self.id),
            name: self.name.clone(),
            content_type: self.content_type.clone(),
            size: self.size,
            sha256: self.sha256,
        }
    }
}

/// Bytes in the bucket, as they were announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub name: FileName,
    pub content_type: ContentType,
    pub size: Size,
    pub sha256: Sha256,
}

/// Bytes of a file: at least 1, at most what the deployment allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

/// The size is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file has 1 to {max} bytes")]
pub struct InvalidSize {
    max: u64,
}

impl Size {
    /// # Errors
    /// [`InvalidSize`] for 0 and above `max`.
    pub const fn new(bytes: u64, max: u64) -> Result<Self, InvalidSize> {
        if bytes == 0 || bytes > max {
            return Err(InvalidSize { max });
        }
        Ok(Self(bytes))
    }

    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Digest of a file's content (FIPS 180-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

/// The text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the Base64 of a SHA-256 digest")]
pub struct InvalidSha256;

impl Sha256 {
    /// Reads Base64 with padding (RFC 4648, section 4), as S3 writes it.
    ///
    /// # Errors
    /// [`InvalidSha256`] unless it holds 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidSha256> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidSha256)?;
        bytes.try_into().map(Self).map_err(|_| InvalidSha256)
    }

    /// # Errors
    /// [`InvalidSha256`] unless there are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidSha256> {
        bytes.try_into().map(Self).map_err(|_| InvalidSha256)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[must_use]
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_bounds() {
        assert!(Size::new(0, 10).is_err());
        assert_eq!(Size::new(10, 10).map(Size::bytes), Ok(10));
        assert!(Size::new(11, 10).is_err());
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Sha256([7; 32]);
        assert_eq!(Sha256::parse(&digest.to_base64()), Ok(digest));
        for bad in [
            "",
            "AAAA",
            "not base64!",
            digest.to_base64().trim_end_matches('='),
        ] {
            assert_eq!(Sha256::parse(bad), Err(InvalidSha256), "{bad}");
        }
    }
}

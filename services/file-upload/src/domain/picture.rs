use ids::{FileId, UserId};

use super::content_type::ContentType;
use super::file::{Object, Sha256, Size, State};
use super::file_name::FileName;

/// A picture that somebody uploaded for their own profile. It is no [`File`](super::file::File): it belongs
/// to no conversation, and everybody who is signed in may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub id: FileId,
    pub person: UserId,
    pub format: Format,
    pub size: Size,
    pub sha256: Sha256,
    pub state: State,
}

/// What a picture of a profile may be: images without a script that every browser shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
}

/// Most bytes of a picture. It is shown as a disc of 96 pixels at most; the web client sends 256 by 256.
pub const MAX_SIZE_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a picture is image/jpeg, image/png or image/webp")]
pub struct NotAPicture;

impl Picture {
    /// What the bucket has of it. No conversation has the id `pictures`, so no attachment has such a key.
    #[must_use]
    pub fn object(&self) -> Object {
        Object {
            key: format!("pictures/{}/{}", self.person, self.id),
            name: self.format.file_name(),
            content_type: self.format.content_type(),
            size: self.size,
            sha256: self.sha256,
        }
    }

    /// What a profile names it by.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("file:{}", self.id)
    }
}

impl Format {
    /// # Errors
    /// [`NotAPicture`] for any other type.
    pub fn of(content_type: &ContentType) -> Result<Self, NotAPicture> {
        [Self::Jpeg, Self::Png, Self::Webp]
            .into_iter()
            .find(|format| format.media_type() == content_type.as_str())
            .ok_or(NotAPicture)
    }

    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    fn content_type(self) -> ContentType {
        ContentType::parse(self.media_type()).expect("these three are media types")
    }

    fn file_name(self) -> FileName {
        let name = match self {
            Self::Jpeg => "picture.jpg",
            Self::Png => "picture.png",
            Self::Webp => "picture.webp",
        };
        FileName::parse(name).expect("these three are file names")
    }

    /// How many of the first bytes [`Format::begins`] looks at.
    pub const SIGNATURE_BYTES: usize = 12;

    /// Whether content that begins so is of this format: the signatures of ISO/IEC 10918-1 (SOI and the marker
    /// after it), the PNG specification (5.2), and RFC 9649 (RIFF with the FourCC WEBP).
    #[must_use]
    pub fn begins(self, bytes: &[u8]) -> bool {
        match self {
            Self::Jpeg => bytes.starts_with(b"\xff\xd8\xff"),
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Webp => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINNINGS: [(Format, &[u8]); 3] = [
        (Format::Jpeg, b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"),
        (Format::Png, b"\x89PNG\r\n\x1a\n\0\0\0\x0d"),
        (Format::Webp, b"RIFF\x24\0\0\0WEBP"),
    ];

    #[test]
    fn a_format_knows_its_own_beginning_only() {
        for (format, _) in BEGINNINGS {
            for (other, bytes) in BEGINNINGS {
                assert_eq!(
                    format.begins(bytes),
                    format == other,
                    "{format:?} {other:?}"
                );
            }
            for bytes in [
                &b""[..],
                b"RIFF\x24\0\0\0WAVE",
                b"RIFF",
                b"<svg xmlns=",
                b"GIF89a",
            ] {
                assert!(!format.begins(bytes), "{format:?} {bytes:?}");
            }
        }
    }

    #[test]
    fn only_pictures_are_pictures() {
        let read = |text: &str| Format::of(&ContentType::parse(text).unwrap());
        for (format, _) in BEGINNINGS {
            assert_eq!(read(format.media_type()), Ok(format));
        }
        for other in ["image/svg+xml", "image/gif", "image/png2", "text/html", ""] {
            assert_eq!(read(other), Err(NotAPicture), "{other}");
        }
    }
}

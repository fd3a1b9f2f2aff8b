use std::fmt;

use ids::FileId;

/// The picture of a person: none, one that we ship, or a file that they uploaded. As text: empty,
/// `default:<name>`, `file:<file id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Picture {
    #[default]
    None,
    Default(DefaultPicture),
    File(FileId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "A picture is empty, `default:` with the name of one that is shipped, or `file:` with a file id."
)]
pub struct InvalidPicture;

impl Picture {
    pub fn parse(text: &str) -> Result<Self, InvalidPicture> {
        if text.is_empty() {
            return Ok(Self::None);
        }
        match text.split_once(':').ok_or(InvalidPicture)? {
            ("default", name) => DefaultPicture::named(name)
                .map(Self::Default)
                .ok_or(InvalidPicture),
            ("file", id) => FileId::parse(id)
                .map(Self::File)
                .map_err(|_| InvalidPicture),
            _ => Err(InvalidPicture),
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Default(picture) => write!(f, "default:{}", picture.name),
            Self::File(id) => write!(f, "file:{id}"),
        }
    }
}

/// A picture that is shipped, as SVG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultPicture {
    pub name: &'static str,
    pub svg: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(DefaultPicture {
            name: $name,
            svg: include_str!(concat!("../../pictures/", $name, ".svg")),
        }),*]
    };
}

impl DefaultPicture {
    pub const ALL: &[Self] = shipped![
        "boat", "cat", "comet", "fox", "leaf", "mountain", "owl", "wave",
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|picture| picture.name == name)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_survives_its_text() {
        for text in [
            "",
            "default:fox",
            "file:01926c5e-7f00-7000-8000-000000000001",
        ] {
            assert_eq!(Picture::parse(text).unwrap().to_string(), text);
        }
        for text in ["fox", "default:", "default:../fox", "file:1", "http://x"] {
            assert_eq!(Picture::parse(text), Err(InvalidPicture), "{text}");
        }
    }

    #[test]
    fn shipped_pictures_do_nothing_but_show() {
        for picture in DefaultPicture::ALL {
            assert!(picture.svg.starts_with("<svg xmlns="), "{}", picture.name);
            for active in ["<script", "href", "on", "url(http"] {
                let has = match active {
                    "on" => picture.svg.contains(" on"),
                    text => picture.svg.contains(text),
                };
                assert!(!has, "{}: {active}", picture.name);
            }
        }
    }
}

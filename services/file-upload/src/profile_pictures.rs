//! Pictures of profiles: uploaded by the person themselves, seen by everybody who is signed in.

use std::time::Duration;

use auth::Person;
use clock::Clock;
use ids::{FileId, UserId};
use problem::{Fields, Kind, Problem, Result};

use crate::attachments::{arrived, file_unknown, s3_problem};
use crate::domain::content_type::ContentType;
use crate::domain::file::{Sha256, Size, State};
use crate::domain::picture::{Format, MAX_SIZE_BYTES, Picture};
use crate::metrics;
use crate::objects::{Objects, Signed};
use crate::store::pictures::{Announced, MAX_PER_PERSON, Pictures};

/// When to try again with too many pictures: the sweep needs a day.
const RETRY_AFTER: Duration = Duration::from_secs(3_600);

pub struct ProfilePictures {
    pub store: Pictures,
    pub objects: Objects,
    pub clock: Clock,
}

/// What a caller says of a picture before its bytes are anywhere.
#[derive(Debug, Clone)]
pub struct PictureAnnouncement {
    pub content_type: String,
    pub size_bytes: u64,
    pub sha256_base64: String,
}

impl ProfilePictures {
    /// Reserves a picture for the caller's profile and says where its bytes go.
    ///
    /// # Errors
    /// `input_invalid` with every faulty field; `rate_limited` with too many that are not yet forgotten.
    pub async fn announce(
        &self,
        person: &Person,
        said: &PictureAnnouncement,
    ) -> Result<(Picture, Signed)> {
        let picture = self.read(person, said)?;
        // Signed first: a row without a way to fill it helps nobody.
        let signed = self
            .objects
            .sign_upload(&picture.object())
            .await
            .map_err(|error| s3_problem(&error))?;
        let announced = self
            .store
            .announce(&picture, self.clock.unix_ms())
            .await
            .map_err(|error| postgres::problem(&error))?;
        match announced {
            Announced::Done => {
                metrics::announced();
                Ok((picture, signed))
            }
            Announced::TooMany => Err(Problem::new(
                Kind::RateLimited,
                "rate_limited",
                format!(
                    "You have uploaded {MAX_PER_PERSON} pictures lately. Those that your profile \
                     doesn't show are forgotten within a day or two."
                ),
            )
            .with_retry_after(RETRY_AFTER)),
        }
    }

    fn read(&self, person: &Person, said: &PictureAnnouncement) -> Result<Picture> {
        let mut fields = Fields::default();
        let format = fields
            .parse(
                "content_type",
                "content_type_invalid",
                ContentType::parse(&said.content_type),
            )
            .and_then(|content_type| {
                fields.parse(
                    "content_type",
                    "content_type_not_allowed",
                    Format::of(&content_type),
                )
            });
        let size = fields.parse(
            "size_bytes",
            "size_invalid",
            Size::new(said.size_bytes, MAX_SIZE_BYTES),
        );
        let sha256 = fields.parse(
            "sha256_base64",
            "sha256_invalid",
            Sha256::parse(&said.sha256_base64),
        );
        let (Some(format), Some(size), Some(sha256)) = (format, size, sha256) else {
            return Err(fields.into_problem());
        };
        Ok(Picture {
            id: FileId::generate(&self.clock),
            person: person.user,
            format,
            size,
            sha256,
            state: State::Pending,
        })
    }

    /// Looks whether the bytes came as announced and begin as such an image does; from then on everybody can
    /// see it who is signed in.
    ///
    /// # Errors
    /// `file_unknown` for anybody but the uploader; `upload_incomplete`, `upload_mismatch`,
    /// `content_type_mismatch`.
    pub async fn complete(&self, person: &Person, id: FileId) -> Result<Picture> {
        let mut picture = self.find(person.user, id).await?;
        if picture.state == State::Ready {
            return Ok(picture);
        }
        let object = picture.object();
        arrived(&self.objects, &object).await?;
        let beginning = self
            .objects
            .beginning(&object, Format::SIGNATURE_BYTES)
            .await
            .map_err(|error| s3_problem(&error))?;
        if !picture.format.begins(&beginning) {
            return Err(Problem::new(
                Kind::FailedPrecondition,
                "content_type_mismatch",
                format!("The content is not {}.", picture.format.media_type()),
            ));
        }
        let marked = self
            .store
            .mark_ready(id, self.clock.unix_ms())
            .await
            .map_err(|error| postgres::problem(&error))?;
        if !marked {
            return Err(file_unknown());
        }
        metrics::completed(picture.size.bytes());
        picture.state = State::Ready;
        Ok(picture)
    }

    /// Says where the bytes are of a picture that `owner` uploaded, for a short time. Whoever asks was
    /// verified.
    ///
    /// # Errors
    /// `file_unknown` for what is no picture of theirs, `file_not_ready` before its bytes came.
    pub async fn download(&self, owner: UserId, id: FileId) -> Result<(Picture, Signed)> {
        let picture = self.find(owner, id).await?;
        if picture.state == State::Pending {
            return Err(Problem::new(
                Kind::FailedPrecondition,
                "file_not_ready",
                "The picture is still being uploaded.",
            ));
        }
        let signed = self
            .objects
            .sign_download(&picture.object())
            .await
            .map_err(|error| s3_problem(&error))?;
        Ok((picture, signed))
    }

    async fn find(&self, owner: UserId, id: FileId) -> Result<Picture> {
        self.store
            .find(owner, id)
            .await
            .map_err(|error| postgres::problem(&error))?
            .ok_or_else(file_unknown)
    }
}

/// Reads whose picture is asked for, and which.
pub(crate) fn parse_picture(user: &str, file: &str) -> Result<(UserId, FileId)> {
    let mut fields = Fields::default();
    let user = fields.parse("user_id", "user_id_invalid", UserId::parse(user));
    let file = fields.parse("file_id", "file_id_invalid", FileId::parse(file));
    user.zip(file).ok_or_else(|| fields.into_problem())
}

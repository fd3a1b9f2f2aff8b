//! Uploads and downloads of attachments, by members of their conversation only.

use auth::Person;
use clock::Clock;
use ids::{ConversationId, FileId};
use problem::{Fields, Kind, Problem, Result};

use crate::domain::content_type::{AllowedTypes, ContentType};
use crate::domain::file::{File, Object, Sha256, Size, State};
use crate::domain::file_name::FileName;
use crate::metrics;
use crate::objects::{Objects, ObjectsError, Signed};
use crate::peers::Peers;
use crate::store::files::Files;

pub struct Attachments {
    pub store: Files,
    pub objects: Objects,
    pub peers: Peers,
    pub clock: Clock,
    pub max_size_bytes: u64,
    pub allowed_types: AllowedTypes,
}

/// What a caller says of a file before its bytes are anywhere.
#[derive(Debug, Clone)]
pub struct Announcement {
    pub conversation_id: String,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: u64,
    pub sha256_base64: String,
}

impl Attachments {
    /// Reserves a file and says where its bytes go.
    ///
    /// # Errors
    /// `input_invalid` with every faulty field; `conversation_unknown` for who isn't a member.
    pub async fn announce(&self, person: &Person, said: &Announcement) -> Result<(File, Signed)> {
        let file = self.read(person, said)?;
        if !self.peers.is_member(person, file.conversation).await? {
            return Err(Problem::new(
                Kind::NotFound,
                "conversation_unknown",
                "There is no such conversation, or you are not in it.",
            ));
        }
        // Signed first: a row without a way to fill it helps nobody.
        let signed = self
            .objects
            .sign_upload(&file.object())
            .await
            .map_err(|error| s3_problem(&error))?;
        self.store
            .announce(&file, self.clock.unix_ms())
            .await
            .map_err(|error| postgres::problem(&error))?;
        metrics::announced();
        Ok((file, signed))
    }

    fn read(&self, person: &Person, said: &Announcement) -> Result<File> {
        let mut fields = Fields::default();
        let conversation = fields.parse(
            "conversation_id",
            "conversation_id_invalid",
            ConversationId::parse(&said.conversation_id),
        );
        let name = fields.parse(
            "file_name",
            "file_name_invalid",
            FileName::parse(&said.file_name),
        );
        let content_type = fields
            .parse(
                "content_type",
                "content_type_invalid",
                ContentType::parse(&said.content_type),
            )
            .filter(|content_type| {
                let allowed = self.allowed_types.contains(content_type);
                if !allowed {
                    fields.refuse(
                        "content_type",
                        "content_type_not_allowed",
                        "Files of this type are not taken here.",
                    );
                }
                allowed
            });
        let size = fields.parse(
            "size_bytes",
            "size_invalid",
            Size::new(said.size_bytes, self.max_size_bytes),
        );
        let sha256 = fields.parse(
            "sha256_base64",
            "sha256_invalid",
            Sha256::parse(&said.sha256_base64),
        );
        let (Some(conversation), Some(name), Some(content_type), Some(size), Some(sha256)) =
            (conversation, name, content_type, size, sha256)
        else {
            return Err(fields.into_problem());
        };
        Ok(File {
            id: FileId::generate(&self.clock),
            conversation,
            uploader: person.user,
            name,
            content_type,
            size,
            sha256,
            state: State::Pending,
        })
    }

    /// Looks whether the bytes came as announced; from then on members can download them.
    ///
    /// # Errors
    /// `file_unknown` for anybody but the uploader; `upload_incomplete`, `upload_mismatch`.
    pub async fn complete(&self, person: &Person, id: FileId) -> Result<File> {
        let mut file = self.file_of_members(person, id).await?;
        if file.uploader != person.user {
            return Err(file_unknown());
        }
        if file.state == State::Ready {
            return Ok(file);
        }
        arrived(&self.objects, &file.object()).await?;
        let marked = self
            .store
            .mark_ready(file.id, self.clock.unix_ms())
            .await
            .map_err(|error| postgres::problem(&error))?;
        if !marked {
            return Err(file_unknown());
        }
        metrics::completed(file.size.bytes());
        file.state = State::Ready;
        Ok(file)
    }

    /// Says where a member gets the bytes, for a short time.
    ///
    /// # Errors
    /// `file_unknown` for who isn't a member of its conversation, `file_not_ready` before its bytes came.
    pub async fn download(&self, person: &Person, id: FileId) -> Result<(File, Signed)> {
        let file = self.file_of_members(person, id).await?;
        if file.state == State::Pending {
            return Err(Problem::new(
                Kind::FailedPrecondition,
                "file_not_ready",
                "The file is still being uploaded.",
            ));
        }
        let signed = self
            .objects
            .sign_download(&file.object())
            .await
            .map_err(|error| s3_problem(&error))?;
        Ok((file, signed))
    }

    async fn file_of_members(&self, person: &Person, id: FileId) -> Result<File> {
        let file = self
            .store
            .find(id)
            .await
            .map_err(|error| postgres::problem(&error))?
            .ok_or_else(file_unknown)?;
        if !self.peers.is_member(person, file.conversation).await? {
            return Err(file_unknown());
        }
        Ok(file)
    }
}

/// Looks whether the bucket has the bytes that were announced.
///
/// # Errors
/// `upload_incomplete`, `upload_mismatch`.
pub(crate) async fn arrived(objects: &Objects, object: &Object) -> Result<()> {
    let stored = objects
        .stored(object)
        .await
        .map_err(|error| s3_problem(&error))?
        .ok_or_else(|| {
            Problem::new(
                Kind::FailedPrecondition,
                "upload_incomplete",
                "The bytes have not come yet.",
            )
        })?;
    let as_announced = stored.size_bytes == object.size.bytes()
        && stored.sha256_base64.as_deref() == Some(&object.sha256.to_base64());
    if !as_announced {
        // The signature covers both, so a store that keeps its word has refused them.
        tracing::warn!(object.key, "the bucket holds other bytes than were signed");
        return Err(Problem::new(
            Kind::FailedPrecondition,
            "upload_mismatch",
            "Other bytes came than were announced. Upload the file anew.",
        ));
    }
    Ok(())
}

/// One answer for "there is none" and "it is not for you".
pub(crate) fn file_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "file_unknown",
        "There is no such file, or it is not for you.",
    )
}

pub(crate) fn s3_problem(error: &ObjectsError) -> Problem {
    Problem::unavailable("s3", error)
}

/// Reads a file's id.
pub(crate) fn parse_file(text: &str) -> Result<FileId> {
    let mut fields = Fields::default();
    fields
        .parse("file_id", "file_id_invalid", FileId::parse(text))
        .ok_or_else(|| fields.into_problem())
}

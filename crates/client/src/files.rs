//! Attachments and pictures of profiles: bytes go straight to the store by presigned URL.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt as _;
use ids::{ConversationId, FileId, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api::Client;
use crate::error::{Error, Refusal, Result};

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub file_id: FileId,
    pub conversation_id: ConversationId,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: u64,
}

/// Where to put the bytes of a file.
#[derive(Clone, Deserialize)]
pub struct Upload {
    pub file_id: FileId,
    pub upload_url: String,
    /// Headers that the PUT must carry.
    #[serde(default)]
    pub upload_headers: HashMap<String, String>,
    pub expires_in_seconds: u32,
}

/// Where to get the bytes of a file, for a short time.
#[derive(Clone, Deserialize)]
pub struct Download {
    pub file: File,
    pub download_url: String,
    pub expires_in_seconds: u32,
}

/// Where to get somebody's picture, for a short time.
#[derive(Clone, Deserialize)]
pub struct PictureDownload {
    pub content_type: String,
    pub size_bytes: u64,
    pub download_url: String,
    pub expires_in_seconds: u32,
}

impl Client {
    /// Reserves a file in a conversation.
    ///
    /// # Errors
    /// Code `not_a_member`, or what is wrong with the size or type.
    pub async fn create_upload(
        &self,
        conversation: ConversationId,
        file_name: &str,
        content_type: &str,
        size_bytes: u64,
        sha256: &[u8; 32],
    ) -> Result<Upload> {
        let body = serde_json::json!({
            "conversation_id": conversation,
            "file_name": file_name,
            "content_type": content_type,
            "size_bytes": size_bytes,
            "sha256_base64": STANDARD.encode(sha256),
        });
        self.post("/api/files", &body).await
    }

    /// Says that the bytes are there.
    ///
    /// # Errors
    /// Refused when the store doesn't have what was announced.
    pub async fn complete_upload(&self, file: FileId) -> Result<File> {
        #[derive(Deserialize)]
        struct Completed {
            file: File,
        }
        let path = format!("/api/files/{file}/complete");
        let completed: Completed = self.post(&path, &serde_json::json!({})).await?;
        Ok(completed.file)
    }

    /// A URL for the bytes of a file.
    ///
    /// # Errors
    /// Refused unless the person is a member of the file's conversation.
    pub async fn download_url(&self, file: FileId) -> Result<Download> {
        self.get(&format!("/api/files/{file}/download")).await
    }

    /// Uploads a file of this machine, to be attached to a message.
    ///
    /// # Errors
    /// As [`Client::create_upload`]; [`Error::File`] when it can't be read.
    pub async fn upload(
        &self,
        conversation: ConversationId,
        path: &Path,
        content_type: &str,
    ) -> Result<File> {
        let file_name = path
            .file_name()
            .ok_or_else(|| Error::File(std::io::ErrorKind::InvalidInput.into()))?
            .to_string_lossy();
        let (size_bytes, sha256) = measure(path).await.map_err(Error::File)?;
        let upload = self
            .create_upload(conversation, &file_name, content_type, size_bytes, &sha256)
            .await?;

        self.send_bytes(&upload, path, size_bytes).await?;
        self.complete_upload(upload.file_id).await
    }

    /// Uploads a picture for one's own profile, and returns what [`Client::change_picture`] takes. JPEG, PNG or
    /// WebP of at most 1 MiB. It is stored as it is: what a photograph says of place and camera, too.
    ///
    /// # Errors
    /// Refused with what is wrong with its size or type; code `content_type_mismatch` when it isn't what
    /// `content_type` says; [`Error::File`] when it can't be read.
    pub async fn upload_picture(&self, path: &Path, content_type: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Completed {
            picture: String,
        }
        let (size_bytes, sha256) = measure(path).await.map_err(Error::File)?;
        let body = serde_json::json!({
            "content_type": content_type,
            "size_bytes": size_bytes,
            "sha256_base64": STANDARD.encode(sha256),
        });
        let upload: Upload = self.post("/api/files/pictures", &body).await?;
        self.send_bytes(&upload, path, size_bytes).await?;
        let path = format!("/api/files/pictures/{}/complete", upload.file_id);
        let completed: Completed = self.post(&path, &serde_json::json!({})).await?;
        Ok(completed.picture)
    }

    /// A URL for the picture that the profile of `user` names as `file:<file id>`.
    ///
    /// # Errors
    /// Code `file_unknown` for a file that they didn't upload as their picture.
    pub async fn picture_url(&self, user: UserId, file: FileId) -> Result<PictureDownload> {
        self.get(&format!("/api/files/people/{user}/pictures/{file}"))
            .await
    }

    /// Puts the bytes of `path` where an upload says.
    async fn send_bytes(&self, upload: &Upload, path: &Path, size_bytes: u64) -> Result<()> {
        let content = tokio::fs::File::open(path).await.map_err(Error::File)?;
        let mut request = self
            .api()
            .http()
            .put(&upload.upload_url)
            .timeout(TRANSFER_TIMEOUT)
            .header(reqwest::header::CONTENT_LENGTH, size_bytes)
            .body(content);
        for (name, value) in &upload.upload_headers {
            if !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("host") {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(Error::NoAnswer)?;
        if !response.status().is_success() {
            return Err(Error::Refused(Box::new(Refusal::of(response).await)));
        }
        Ok(())
    }

    /// Downloads a file to `path`, which must not exist.
    ///
    /// # Errors
    /// As [`Client::download_url`]; [`Error::Damaged`] when fewer or more bytes arrive than announced.
    pub async fn download(&self, file: FileId, path: &Path) -> Result<File> {
        let download = self.download_url(file).await?;
        let response = self
            .api()
            .http()
            .get(&download.download_url)
            .timeout(TRANSFER_TIMEOUT)
            .send()
            .await
            .map_err(Error::NoAnswer)?;
        if !response.status().is_success() {
            return Err(Error::Refused(Box::new(Refusal::of(response).await)));
        }
        let mut target = tokio::fs::File::create_new(path)
            .await
            .map_err(Error::File)?;
        let mut bytes = response.bytes_stream();
        let mut size = 0;
        while let Some(chunk) = bytes.try_next().await.map_err(Error::NoAnswer)? {
            size += chunk.len() as u64;
            target.write_all(&chunk).await.map_err(Error::File)?;
        }
        target.flush().await.map_err(Error::File)?;
        if size == download.file.size_bytes {
            Ok(download.file)
        } else {
            Err(Error::Damaged)
        }
    }
}

/// A file of gigabytes takes longer than a request may.
const TRANSFER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Length and SHA-256 of a file.
async fn measure(path: &Path) -> std::io::Result<(u64, [u8; 32])> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).await? {
            0 => return Ok((size, digest.finalize().into())),
            read => {
                size += read as u64;
                digest.update(&buffer[..read]);
            }
        }
    }
}

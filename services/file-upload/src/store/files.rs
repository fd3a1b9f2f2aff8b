use ids::{ConversationId, FileId, UserId};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::domain::content_type::ContentType;
use crate::domain::file::{File, Sha256, Size, State};
use crate::domain::file_name::FileName;

#[derive(Clone)]
pub struct Files {
    pool: PgPool,
}

#[derive(sqlx::FromRow)]
struct FileRow {
    id: Uuid,
    conversation_id: Uuid,
    uploader_id: Uuid,
    file_name: String,
    content_type: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    ready_at_unix_ms: Option<i64>,
}

impl TryFrom<FileRow> for File {
    type Error = sqlx::Error;

    fn try_from(row: FileRow) -> Result<Self, sqlx::Error> {
        let malformed =
            |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        Ok(Self {
            id: FileId::from_uuid(row.id),
            conversation: ConversationId::from_uuid(row.conversation_id),
            uploader: UserId::from_uuid(row.uploader_id),
            name: FileName::parse(&row.file_name).map_err(|error| malformed(error.into()))?,
            content_type: ContentType::parse(&row.content_type)
                .map_err(|error| malformed(error.into()))?,
            // The limit may have been higher when it was announced.
            size: Size::new(row.size_bytes as u64, u64::MAX)
                .map_err(|error| malformed(error.into()))?,
            sha256: Sha256::from_slice(&row.sha256).map_err(|error| malformed(error.into()))?,
            state: match row.ready_at_unix_ms {
                None => State::Pending,
                Some(_) => State::Ready,
            },
        })
    }
}

impl Files {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Writes what was announced.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn announce(&self, file: &File, now_unix_ms: u64) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO files (id, conversation_id, uploader_id, file_name, content_type,
                                size_bytes, sha256, created_at_unix_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(file.id.as_uuid())
        .bind(file.conversation.as_uuid())
        .bind(file.uploader.as_uuid())
        .bind(file.name.as_str())
        .bind(file.content_type.as_str())
        .bind(file.size.bytes() as i64)
        .bind(file.sha256.as_bytes().as_slice())
        .bind(now_unix_ms as i64)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// # Errors
    /// When Postgres fails.
    pub async fn find(&self, id: FileId) -> Result<Option<File>, sqlx::Error> {
        let row: Option<FileRow> = sqlx::query_as(
            "SELECT id, conversation_id, uploader_id, file_name, content_type, size_bytes, sha256,
                    ready_at_unix_ms
             FROM files WHERE id = $1",
        )
        .bind(id.as_uuid())
        .fetch_optional(&self.pool)
        .await?;
        row.map(File::try_from).transpose()
    }

    /// Says that the bytes are there; the first time counts. False when the file is gone.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn mark_ready(&self, id: FileId, now_unix_ms: u64) -> Result<bool, sqlx::Error> {
        let updated = sqlx::query(
            "UPDATE files SET ready_at_unix_ms = coalesce(ready_at_unix_ms, $2) WHERE id = $1",
        )
        .bind(id.as_uuid())
        .bind(now_unix_ms as i64)
        .execute(&self.pool)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Takes one file that was announced before `before_unix_ms` and isn't ready. It is locked until
    /// the claim ends, so that nobody completes it meanwhile.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn claim_abandoned(
        &self,
        before_unix_ms: u64,
    ) -> Result<Option<Abandoned>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let row: Option<FileRow> = sqlx::query_as(
            "SELECT id, conversation_id, uploader_id, file_name, content_type, size_bytes, sha256,
                    ready_at_unix_ms
             FROM files WHERE ready_at_unix_ms IS NULL AND created_at_unix_ms < $1
             ORDER BY created_at_unix_ms LIMIT 1 FOR UPDATE SKIP LOCKED",
        )
        .bind(before_unix_ms as i64)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Abandoned {
            file: row.try_into()?,
            tx,
        }))
    }
}

/// A file whose bytes never came. Dropped unforgotten, it stays.
pub struct Abandoned {
    pub file: File,
    tx: Transaction<'static, Postgres>,
}

impl Abandoned {
    /// # Errors
    /// When Postgres fails.
    pub async fn forget(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM files WHERE id = $1")
            .bind(self.file.id.as_uuid())
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await
    }
}

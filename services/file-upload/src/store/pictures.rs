use ids::{FileId, UserId};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::domain::content_type::ContentType;
use crate::domain::file::{Sha256, Size, State};
use crate::domain::picture::{Format, Picture};

#[derive(Clone)]
pub struct Pictures {
    pool: PgPool,
}

/// Most pictures that a person has at a time, in use or not yet forgotten.
pub const MAX_PER_PERSON: i64 = 20;

/// What came of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    Done,
    /// They have [`MAX_PER_PERSON`].
    TooMany,
}

#[derive(sqlx::FromRow)]
struct PictureRow {
    id: Uuid,
    user_id: Uuid,
    content_type: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    ready_at_unix_ms: Option<i64>,
}

macro_rules! select_picture {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, content_type, size_bytes, sha256, ready_at_unix_ms FROM pictures ",
            $rest
        )
    };
}

impl TryFrom<PictureRow> for Picture {
    type Error = sqlx::Error;

    fn try_from(row: PictureRow) -> Result<Self, sqlx::Error> {
        let malformed =
            |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let content_type =
            ContentType::parse(&row.content_type).map_err(|error| malformed(error.into()))?;
        Ok(Self {
            id: FileId::from_uuid(row.id),
            person: UserId::from_uuid(row.user_id),
            format: Format::of(&content_type).map_err(|error| malformed(error.into()))?,
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

impl Pictures {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Writes what was announced, unless the person has too many already.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn announce(
        &self,
        picture: &Picture,
        now_unix_ms: u64,
    ) -> Result<Announced, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        // Calls of one person one after the other, so that none misses what the other one adds.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))")
            .bind(picture.person.as_uuid())
            .execute(&mut *tx)
            .await?;
        let inserted = sqlx::query(
            "INSERT INTO pictures (id, user_id, content_type, size_bytes, sha256,
                                   created_at_unix_ms, checked_at_unix_ms)
             SELECT $1, $2, $3, $4, $5, $6, $6
             WHERE (SELECT count(*) FROM pictures WHERE user_id = $2) < $7",
        )
        .bind(picture.id.as_uuid())
        .bind(picture.person.as_uuid())
        .bind(picture.format.media_type())
        .bind(picture.size.bytes() as i64)
        .bind(picture.sha256.as_bytes().as_slice())
        .bind(now_unix_ms as i64)
        .bind(MAX_PER_PERSON)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if inserted.rows_affected() == 1 {
            Announced::Done
        } else {
            Announced::TooMany
        })
    }

    /// The picture of this id, if this person uploaded it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn find(&self, person: UserId, id: FileId) -> Result<Option<Picture>, sqlx::Error> {
        let row: Option<PictureRow> =
            sqlx::query_as(select_picture!("WHERE id = $1 AND user_id = $2"))
                .bind(id.as_uuid())
                .bind(person.as_uuid())
                .fetch_optional(&self.pool)
                .await?;
        row.map(Picture::try_from).transpose()
    }

    /// Says that the bytes are there; the first time counts. False when it is gone.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn mark_ready(&self, id: FileId, now_unix_ms: u64) -> Result<bool, sqlx::Error> {
        let updated = sqlx::query(
            "UPDATE pictures SET ready_at_unix_ms = coalesce(ready_at_unix_ms, $2),
                 checked_at_unix_ms = $2
             WHERE id = $1",
        )
        .bind(id.as_uuid())
        .bind(now_unix_ms as i64)
        .execute(&self.pool)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Takes up to `limit` pictures that nobody has looked at since `before_unix_ms`, those that wait longest
    /// first. They are locked until the claim ends, so that nobody completes them and no other replica looks
    /// at them meanwhile.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn claim_unchecked(
        &self,
        before_unix_ms: u64,
        limit: i64,
    ) -> Result<Unchecked, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let rows: Vec<PictureRow> = sqlx::query_as(select_picture!(
            "WHERE checked_at_unix_ms < $1 ORDER BY checked_at_unix_ms LIMIT $2
             FOR UPDATE SKIP LOCKED"
        ))
        .bind(before_unix_ms as i64)
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        let pictures = rows.into_iter().map(Picture::try_from);
        Ok(Unchecked {
            pictures: pictures.collect::<Result<_, _>>()?,
            tx,
        })
    }
}

/// Pictures of which it isn't known whether a profile still names them. Dropped unsettled, they stay so.
pub struct Unchecked {
    pub pictures: Vec<Picture>,
    tx: Transaction<'static, Postgres>,
}

impl Unchecked {
    /// Forgets the `unused` ones; the others were looked at now.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn settle(mut self, unused: &[FileId], now_unix_ms: u64) -> Result<(), sqlx::Error> {
        let unused: Vec<Uuid> = unused.iter().map(|id| id.as_uuid()).collect();
        let all: Vec<Uuid> = self.pictures.iter().map(|one| one.id.as_uuid()).collect();
        sqlx::query("DELETE FROM pictures WHERE id = ANY($1)")
            .bind(&unused)
            .execute(&mut *self.tx)
            .await?;
        sqlx::query("UPDATE pictures SET checked_at_unix_ms = $2 WHERE id = ANY($1)")
            .bind(&all)
            .bind(now_unix_ms as i64)
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await
    }
}

//! Who is in conversations with whom, now.

use ids::{ConversationId, UserId};
use sqlx::PgPool;
use uuid::Uuid;

#[derive(Clone)]
pub struct CoMembers {
    pool: PgPool,
}

impl CoMembers {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// At most `limit` members of a conversation, in no order.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn of(&self, id: ConversationId, limit: u32) -> Result<Vec<UserId>, sqlx::Error> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT user_id FROM members
             WHERE conversation_id = $1 AND left_version IS NULL LIMIT $2",
        )
        .bind(id.as_uuid())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(users(ids))
    }

    /// Those of `others` who are in any conversation with `user`.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn filter(
        &self,
        user: UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, sqlx::Error> {
        let others: Vec<Uuid> = others.iter().map(UserId::as_uuid).collect();
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT other.id FROM unnest($2::uuid[]) AS other (id)
             WHERE EXISTS (SELECT 1 FROM members mine JOIN members theirs USING (conversation_id)
                           WHERE mine.user_id = $1 AND mine.left_version IS NULL
                             AND theirs.user_id = other.id AND theirs.left_version IS NULL)",
        )
        .bind(user.as_uuid())
        .bind(&others)
        .fetch_all(&self.pool)
        .await?;
        Ok(users(ids))
    }

    /// The first `limit` people after `after` who are in any conversation with `user`, by id.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn list(
        &self,
        user: UserId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, sqlx::Error> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT theirs.user_id
             FROM members mine JOIN members theirs USING (conversation_id)
             WHERE mine.user_id = $1 AND mine.left_version IS NULL
               AND theirs.left_version IS NULL AND theirs.user_id <> $1
               AND ($2::uuid IS NULL OR theirs.user_id > $2)
             ORDER BY theirs.user_id LIMIT $3",
        )
        .bind(user.as_uuid())
        .bind(after.map(|user| user.as_uuid()))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(users(ids))
    }
}

fn users(ids: Vec<Uuid>) -> Vec<UserId> {
    ids.into_iter().map(UserId::from_uuid).collect()
}

//! Blocks between two people, ordered with the opening of their conversation by a lock of the pair.
//!
//! **Invariant.** The log of a one-to-one knows of every block that is active here. It begins without
//! one, because none is opened through a block, and each change after that goes through its outbox.

use ids::UserId;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::outbox::Change;
use super::rows::{ConversationRow, record, select_conversation};
use crate::domain::block::{Block, BlockState};
use crate::domain::conversation::{Pair, Standing};

#[derive(Clone)]
pub struct Blocks {
    pool: PgPool,
}

impl Blocks {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Keeps a block, or its end, unless a newer one is known, and puts it on its way to the log of the
    /// pair's conversation. What the log has to apply, for it to hold; `None` without a conversation.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn set(&self, block: Block) -> Result<Option<Standing>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        lock_pair(&mut tx, block.pair()).await?;
        let known: Option<(i64, bool)> = sqlx::query_as(
            "SELECT version, active FROM blocks WHERE blocker_id = $1 AND blocked_id = $2",
        )
        .bind(block.blocker().as_uuid())
        .bind(block.blocked().as_uuid())
        .fetch_optional(&mut *tx)
        .await?;
        let (known_version, known_state) = known.map_or((0, BlockState::NotBlocked), |known| {
            (known.0 as u64, BlockState::of(known.1))
        });
        let mut row: Option<ConversationRow> = sqlx::query_as(select_conversation!(
            "WHERE c.low = $1 AND c.high = $2 FOR UPDATE"
        ))
        .bind(block.pair().low().as_uuid())
        .bind(block.pair().high().as_uuid())
        .fetch_optional(&mut *tx)
        .await?;
        if block.version() > known_version {
            sqlx::query(
                "INSERT INTO blocks (blocker_id, blocked_id, version, active)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (blocker_id, blocked_id) DO UPDATE
                 SET version = excluded.version, active = excluded.active",
            )
            .bind(block.blocker().as_uuid())
            .bind(block.blocked().as_uuid())
            .bind(block.version() as i64)
            .bind(block.state() == BlockState::Blocked)
            .execute(&mut *tx)
            .await?;
            if let Some(row) = &mut row
                && block.state() != known_state
            {
                let change = Change::BlockChanged(block.blocker(), block.state());
                record(&mut tx, row, block.blocker(), change).await?;
            }
        }
        tx.commit().await?;
        Ok(row.map(|row| row.standing()))
    }

    /// Those of `others` who are in a group with somebody now.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn share_a_group(
        &self,
        person: UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, sqlx::Error> {
        let others: Vec<Uuid> = others.iter().map(UserId::as_uuid).collect();
        let found: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT theirs.user_id
             FROM members theirs
             JOIN conversations c ON c.id = theirs.conversation_id AND c.low IS NULL
               AND c.deleted_at_unix_ms IS NULL
             JOIN members own USING (conversation_id)
             WHERE theirs.user_id = ANY($2) AND theirs.left_version IS NULL
               AND own.user_id = $1 AND own.left_version IS NULL",
        )
        .bind(person.as_uuid())
        .bind(others)
        .fetch_all(&self.pool)
        .await?;
        Ok(found.into_iter().map(UserId::from_uuid).collect())
    }
}

/// Until the transaction ends, nobody opens the conversation of these two or changes a block between
/// them.
pub(super) async fn lock_pair(
    tx: &mut Transaction<'_, Postgres>,
    pair: Pair,
) -> Result<(), sqlx::Error> {
    // Two pairs with the same key would only wait for each other.
    let key = random_half(pair.low()) ^ random_half(pair.high());
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(key)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// RFC 9562, section 5.7: the end of an id is random.
fn random_half(user: UserId) -> i64 {
    let [_, _, _, _, _, _, _, _, tail @ ..] = *user.as_bytes();
    i64::from_be_bytes(tail)
}

/// Whether one of a pair blocks the other.
pub(super) async fn is_between(
    tx: &mut Transaction<'_, Postgres>,
    pair: Pair,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM blocks WHERE active
           AND ((blocker_id = $1 AND blocked_id = $2) OR (blocker_id = $2 AND blocked_id = $1)))",
    )
    .bind(pair.low().as_uuid())
    .bind(pair.high().as_uuid())
    .fetch_one(&mut **tx)
    .await
}

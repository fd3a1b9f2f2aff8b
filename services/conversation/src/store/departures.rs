//! People whose accounts were deleted.
//!
//! **Invariant.** Nobody is brought into a conversation after [`Conversations::depart`] has begun to take
//! them out of all: whoever brings somebody in asks [`holds_departed`] in the same transaction.

use std::time::Duration;

use ids::{ConversationId, UserId};
use tokio::time::Instant;
use uuid::Uuid;

use super::conversations::{Conversations, take_out};
use super::outbox::Change;
use super::rows::{Membership, Tx, lock, membership, record};

/// What [`Conversations::depart`] leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    Done,
    /// They are in more conversations than one call ends.
    GoesOn,
}

/// Conversations that one call takes somebody out of, if there is time.
const AT_ONCE: usize = 50;
/// No further one is begun after this: a call between services has 2 seconds.
const TIME: Duration = Duration::from_millis(800);

impl Conversations {
    /// Takes somebody for good out of as many conversations as there is time for. A group goes on as if
    /// they had left it; in a one-to-one the log lets nobody write any more.
    ///
    /// # Errors
    /// When Postgres fails; the same again goes on.
    pub async fn depart(&self, user: UserId, now_unix_ms: u64) -> Result<Departure, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        // Whoever was bringing them in at this moment has done so now, or will learn of it.
        sqlx::query("SELECT pg_advisory_xact_lock(2, $1)")
            .bind(lock_key(user))
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO departures (user_id) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(user.as_uuid())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let began = Instant::now();
        let conversations: Vec<Uuid> = sqlx::query_scalar(
            "SELECT conversation_id FROM members WHERE user_id = $1 AND left_version IS NULL LIMIT $2",
        )
        .bind(user.as_uuid())
        .bind(AT_ONCE as i64)
        .fetch_all(&self.pool)
        .await?;
        for conversation in &conversations {
            if began.elapsed() > TIME {
                return Ok(Departure::GoesOn);
            }
            let conversation = ConversationId::from_uuid(*conversation);
            self.depart_from(conversation, user, now_unix_ms).await?;
        }
        Ok(if conversations.len() < AT_ONCE {
            Departure::Done
        } else {
            Departure::GoesOn
        })
    }

    async fn depart_from(
        &self,
        id: ConversationId,
        user: UserId,
        now_unix_ms: u64,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let Some(mut row) = lock(&mut tx, id).await? else {
            return Ok(());
        };
        let Membership::Current(role) = membership(&mut tx, id, user).await? else {
            return Ok(());
        };
        if row.is_direct() {
            record(&mut tx, &mut row, user, Change::AccountDeleted(user)).await?;
            sqlx::query(
                "UPDATE members SET left_version = $3 WHERE conversation_id = $1 AND user_id = $2",
            )
            .bind(row.id)
            .bind(user.as_uuid())
            .bind(row.version)
            .execute(&mut *tx)
            .await?;
        } else {
            take_out(&mut tx, &mut row, user, (user, role), now_unix_ms).await?;
        }
        tx.commit().await
    }
}

/// Whether one of these people, who are about to be brought into a conversation, has no account any more.
/// Until the transaction ends, none of the others loses theirs here. The last lock that a transaction takes.
pub(super) async fn holds_departed(tx: &mut Tx<'_>, users: &[UserId]) -> Result<bool, sqlx::Error> {
    let mut keys: Vec<i32> = users.iter().map(|user| lock_key(*user)).collect();
    // In one order, so that two transactions never wait for each other.
    keys.sort_unstable();
    sqlx::query("SELECT pg_advisory_xact_lock_shared(2, key) FROM unnest($1) AS key")
        .bind(&keys)
        .execute(&mut **tx)
        .await?;
    let users: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM departures WHERE user_id = ANY($1))")
        .bind(&users)
        .fetch_one(&mut **tx)
        .await
}

/// The random half of the id (RFC 9562, section 5.7), in a class of locks of its own. Two people with the
/// same key would only wait for each other.
fn lock_key(user: UserId) -> i32 {
    let [.., a, b, c, d] = *user.as_bytes();
    i32::from_be_bytes([a, b, c, d])
}

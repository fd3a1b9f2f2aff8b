//! People whose accounts were deleted, and whom the conversation service has yet to take out of their
//! conversations.

use ids::UserId;
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{failed, ms};

/// Notes it in the transaction of the deletion.
pub async fn note(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    now_unix_ms: u64,
) -> Result<(), Problem> {
    sqlx::query("INSERT INTO departures (user_id, deleted_unix_ms) VALUES ($1, $2)")
        .bind(user.as_uuid())
        .bind(ms(now_unix_ms))
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Those who wait longest.
pub async fn untold(database: &PgPool, limit: i64) -> Result<Vec<UserId>, sqlx::Error> {
    let users: Vec<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM departures ORDER BY deleted_unix_ms LIMIT $1")
            .bind(limit)
            .fetch_all(database)
            .await?;
    Ok(users.into_iter().map(UserId::from_uuid).collect())
}

/// When the account was deleted that waits longest.
pub async fn oldest_untold(database: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT min(deleted_unix_ms) FROM departures")
        .fetch_one(database)
        .await
}

/// They are in no conversation any more.
pub async fn note_told(database: &PgPool, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM departures WHERE user_id = $1")
        .bind(user.as_uuid())
        .execute(database)
        .await?;
    Ok(())
}

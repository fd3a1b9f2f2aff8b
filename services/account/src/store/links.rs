//! One-time links that were mailed.

use ids::UserId;
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{failed, ms};
use crate::domain::{Email, RandomToken};

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Proves that the mailbox is the person's.
    VerifyEmail,
    /// Sets a new password.
    Recover,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::Recover => "recover",
        }
    }
}

/// A link that can still be used.
pub struct Link {
    pub user: UserId,
    pub email: Email,
}

/// Remembers a link by the hash of its token; `false` if the account is gone by now. A person has at
/// most so many open ones of a purpose: the oldest go.
pub async fn insert(
    database: &PgPool,
    token: &RandomToken,
    purpose: Purpose,
    link: &Link,
    expires_unix_ms: u64,
) -> Result<bool, Problem> {
    const OPEN: i64 = 5;
    let mut transaction = database.begin().await.map_err(failed)?;
    sqlx::query(
        "DELETE FROM one_time_links WHERE token_hash IN (
             SELECT token_hash FROM one_time_links WHERE user_id = $1 AND purpose = $2
             ORDER BY expires_unix_ms DESC OFFSET $3)",
    )
    .bind(link.user.as_uuid())
    .bind(purpose.as_str())
    .bind(OPEN - 1)
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    // Waits for a deletion that is under way, and finds it: nothing of the person comes back.
    let inserted = sqlx::query(
        "INSERT INTO one_time_links (token_hash, user_id, purpose, email, expires_unix_ms)
         SELECT $1, user_id, $3, $4, $5 FROM users
         WHERE user_id = $2 AND deleted_unix_ms IS NULL FOR SHARE",
    )
    .bind(token.hash().as_slice())
    .bind(link.user.as_uuid())
    .bind(purpose.as_str())
    .bind(link.email.as_str())
    .bind(ms(expires_unix_ms))
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(inserted.rows_affected() == 1)
}

/// What the link is about, without using it.
pub async fn look(
    database: &PgPool,
    token: &RandomToken,
    purpose: Purpose,
    now_unix_ms: u64,
) -> Result<Option<Link>, Problem> {
    let row: Option<(Uuid, String)> = sqlx::query_as(
        "SELECT user_id, email FROM one_time_links
         WHERE token_hash = $1 AND purpose = $2 AND expires_unix_ms > $3",
    )
    .bind(token.hash().as_slice())
    .bind(purpose.as_str())
    .bind(ms(now_unix_ms))
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    row.map(link).transpose()
}

/// Uses the link, and with it the person's other links of this purpose.
pub async fn take(
    transaction: &mut Transaction<'_, Postgres>,
    token: &RandomToken,
    purpose: Purpose,
    now_unix_ms: u64,
) -> Result<Option<Link>, Problem> {
    let row: Option<(Uuid, String)> = sqlx::query_as(
        "DELETE FROM one_time_links
         WHERE token_hash = $1 AND purpose = $2 AND expires_unix_ms > $3
         RETURNING user_id, email",
    )
    .bind(token.hash().as_slice())
    .bind(purpose.as_str())
    .bind(ms(now_unix_ms))
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    let Some(link) = row.map(link).transpose()? else {
        return Ok(None);
    };
    sqlx::query("DELETE FROM one_time_links WHERE user_id = $1 AND purpose = $2")
        .bind(link.user.as_uuid())
        .bind(purpose.as_str())
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(Some(link))
}

/// Makes all of a person's links worthless: what they were mailed for has changed.
pub async fn withdraw_all(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
) -> Result<(), Problem> {
    sqlx::query("DELETE FROM one_time_links WHERE user_id = $1")
        .bind(user.as_uuid())
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

fn link((user, email): (Uuid, String)) -> Result<Link, Problem> {
    Ok(Link {
        user: UserId::from_uuid(user),
        email: Email::parse(&email).map_err(|e| Problem::internal(&e))?,
    })
}

pub async fn forget(database: &PgPool, now_unix_ms: u64) -> Result<u64, sqlx::Error> {
    Ok(
        sqlx::query("DELETE FROM one_time_links WHERE expires_unix_ms <= $1")
            .bind(ms(now_unix_ms))
            .execute(database)
            .await?
            .rows_affected(),
    )
}

//! Login sessions and the refresh tokens that keep them going. Each session has one chain of
//! tokens: a token is used once, and its successor is the next.

use ids::{SessionId, UserId};
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{failed, ms};
use crate::domain::{RefreshSecret, RefreshToken};

/// Within this after its first use, a token gives the same successor again. Two tabs that refresh
/// at once, or an answer that got lost, must not end a session; a thief gains nothing that they
/// would not have by being first.
pub const REPEAT_GRACE_MS: u64 = 10_000;

pub struct NewSession<'a> {
    pub session: SessionId,
    pub user: UserId,
    pub device_name: &'a str,
    pub now_unix_ms: u64,
    pub idle_ms: u64,
    pub max_ms: u64,
}

/// Begins a session with its first refresh token.
pub async fn begin(
    transaction: &mut Transaction<'_, Postgres>,
    new: &NewSession<'_>,
    token: &RefreshToken,
) -> Result<(), Problem> {
    let expires = new.now_unix_ms + new.max_ms;
    sqlx::query(
        "INSERT INTO sessions (session_id, user_id, device_name, created_unix_ms, expires_unix_ms)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(new.session.as_uuid())
    .bind(new.user.as_uuid())
    .bind(new.device_name)
    .bind(ms(new.now_unix_ms))
    .bind(ms(expires))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    insert_token(
        transaction,
        token,
        new.session,
        new.now_unix_ms,
        expires.min(new.now_unix_ms + new.idle_ms),
    )
    .await
}

async fn insert_token(
    transaction: &mut Transaction<'_, Postgres>,
    token: &RefreshToken,
    session: SessionId,
    now_unix_ms: u64,
    expires_unix_ms: u64,
) -> Result<(), Problem> {
    sqlx::query(
        "INSERT INTO refresh_tokens (token_hash, session_id, issued_unix_ms, expires_unix_ms)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(token.hash().as_slice())
    .bind(session.as_uuid())
    .bind(ms(now_unix_ms))
    .bind(ms(expires_unix_ms))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(())
}

/// What a refresh token is worth.
pub enum Refreshed {
    /// Its successor; `repeated` if it had been given before.
    Next {
        session: SessionId,
        user: UserId,
        token: RefreshToken,
        repeated: bool,
    },
    /// It was used long before: somebody has a copy. The session has ended with this call.
    Reused {
        session: SessionId,
    },
    Unknown,
    Ended,
    Expired,
}

pub async fn refresh(
    database: &PgPool,
    token: &RefreshToken,
    secret: &RefreshSecret,
    now_unix_ms: u64,
    idle_ms: u64,
) -> Result<Refreshed, Problem> {
    type Row = (Uuid, Uuid, Option<i64>, i64, i64, Option<i64>);
    let mut transaction = database.begin().await.map_err(failed)?;
    // Both rows are locked: a parallel refresh or log-out comes before or after, never between.
    let row: Option<Row> = sqlx::query_as(
        "SELECT s.session_id, s.user_id, t.used_unix_ms, t.expires_unix_ms,
                s.expires_unix_ms, s.ended_unix_ms
         FROM refresh_tokens t JOIN sessions s USING (session_id)
         WHERE t.token_hash = $1 FOR UPDATE",
    )
    .bind(token.hash().as_slice())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some((session, user, used, token_expires, session_expires, ended)) = row else {
        return Ok(Refreshed::Unknown);
    };
    let session = SessionId::from_uuid(session);
    let user = UserId::from_uuid(user);
    let now = ms(now_unix_ms);
    if ended.is_some() {
        return Ok(Refreshed::Ended);
    }
    if now >= session_expires {
        return Ok(Refreshed::Expired);
    }
    let next = token.successor(secret);
    if let Some(used) = used {
        if now - used <= ms(REPEAT_GRACE_MS) {
            return Ok(Refreshed::Next {
                session,
                user,
                token: next,
                repeated: true,
            });
        }
        end_in(&mut transaction, session, "token_reused", now_unix_ms).await?;
        transaction.commit().await.map_err(failed)?;
        return Ok(Refreshed::Reused { session });
    }
    if now >= token_expires {
        return Ok(Refreshed::Expired);
    }
    sqlx::query("UPDATE refresh_tokens SET used_unix_ms = $2 WHERE token_hash = $1")
        .bind(token.hash().as_slice())
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let expires = (session_expires as u64).min(now_unix_ms + idle_ms);
    insert_token(&mut transaction, &next, session, now_unix_ms, expires).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Refreshed::Next {
        session,
        user,
        token: next,
        repeated: false,
    })
}

/// Ends a session and notes that its sockets are to be closed. Whether it went on until now.
pub async fn end(
    database: &PgPool,
    session: SessionId,
    why: &'static str,
    now_unix_ms: u64,
) -> Result<bool, Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    let ended = end_in(&mut transaction, session, why, now_unix_ms).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(ended)
}

async fn end_in(
    transaction: &mut Transaction<'_, Postgres>,
    session: SessionId,
    why: &'static str,
    now_unix_ms: u64,
) -> Result<bool, Problem> {
    let ended = sqlx::query(
        "WITH ended AS (
             UPDATE sessions SET ended_unix_ms = $2, ended_why = $3
             WHERE session_id = $1 AND ended_unix_ms IS NULL
             RETURNING session_id, user_id)
         INSERT INTO ended_sessions (session_id, user_id) SELECT session_id, user_id FROM ended",
    )
    .bind(session.as_uuid())
    .bind(ms(now_unix_ms))
    .bind(why)
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(ended.rows_affected() == 1)
}

/// The session of a refresh token, used or not.
pub async fn of_token(
    database: &PgPool,
    token: &RefreshToken,
) -> Result<Option<SessionId>, Problem> {
    let session: Option<Uuid> =
        sqlx::query_scalar("SELECT session_id FROM refresh_tokens WHERE token_hash = $1")
            .bind(token.hash().as_slice())
            .fetch_optional(database)
            .await
            .map_err(failed)?;
    Ok(session.map(SessionId::from_uuid))
}

pub async fn is_active(
    database: &PgPool,
    session: SessionId,
    now_unix_ms: u64,
) -> Result<bool, Problem> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sessions
         WHERE session_id = $1 AND ended_unix_ms IS NULL AND expires_unix_ms > $2)",
    )
    .bind(session.as_uuid())
    .bind(ms(now_unix_ms))
    .fetch_one(database)
    .await
    .map_err(failed)
}

/// A session that ended, in the outbox.
pub struct Ended {
    pub position: i64,
    pub session: SessionId,
    pub user: UserId,
}

pub async fn pending_ends(database: &PgPool) -> Result<Vec<Ended>, sqlx::Error> {
    let rows: Vec<(i64, Uuid, Uuid)> = sqlx::query_as(
        "SELECT position, session_id, user_id FROM ended_sessions ORDER BY position LIMIT 100",
    )
    .fetch_all(database)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(position, session, user)| Ended {
            position,
            session: SessionId::from_uuid(session),
            user: UserId::from_uuid(user),
        })
        .collect())
}

pub async fn forget_pending(database: &PgPool, positions: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM ended_sessions WHERE position = ANY($1)")
        .bind(positions)
        .execute(database)
        .await?;
    Ok(())
}

/// Removes sessions that were over before, and tokens that were used before.
pub async fn forget(database: &PgPool, before_unix_ms: u64) -> Result<u64, sqlx::Error> {
    let before = ms(before_unix_ms);
    let sessions =
        sqlx::query("DELETE FROM sessions WHERE expires_unix_ms < $1 OR ended_unix_ms < $1")
            .bind(before)
            .execute(database)
            .await?
            .rows_affected();
    sqlx::query("DELETE FROM refresh_tokens WHERE used_unix_ms < $1 OR expires_unix_ms < $1")
        .bind(before)
        .execute(database)
        .await?;
    Ok(sessions)
}

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
    pub user_agent: &'a str,
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
        "INSERT INTO sessions
             (session_id, user_id, device_name, created_unix_ms, expires_unix_ms, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.session.as_uuid())
    .bind(new.user.as_uuid())
    .bind(new.device_name)
    .bind(ms(new.now_unix_ms))
    .bind(ms(expires))
    .bind(new.user_agent)
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
        user: UserId,
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
        return Ok(Refreshed::Reused { session, user });
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
    sqlx::query("UPDATE sessions SET last_used_unix_ms = $2 WHERE session_id = $1")
        .bind(session.as_uuid())
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

/// Ends a session and notes that its sockets are to be closed. Whose it was, if it went on until now.
pub async fn end_in(
    transaction: &mut Transaction<'_, Postgres>,
    session: SessionId,
    why: &'static str,
    now_unix_ms: u64,
) -> Result<Option<UserId>, Problem> {
    let ended: Option<Uuid> = sqlx::query_scalar(
        "WITH ended AS (
             UPDATE sessions SET ended_unix_ms = $2, ended_why = $3
             WHERE session_id = $1 AND ended_unix_ms IS NULL
             RETURNING session_id, user_id)
         INSERT INTO ended_sessions (session_id, user_id) SELECT session_id, user_id FROM ended
         RETURNING user_id",
    )
    .bind(session.as_uuid())
    .bind(ms(now_unix_ms))
    .bind(why)
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(ended.map(UserId::from_uuid))
}

/// Ends all of a person's sessions, or all but one, and returns those that it ended.
pub async fn end_all_in(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    but: Option<SessionId>,
    why: &'static str,
    now_unix_ms: u64,
) -> Result<Vec<SessionId>, Problem> {
    let ended: Vec<Uuid> = sqlx::query_scalar(
        "WITH ended AS (
             UPDATE sessions SET ended_unix_ms = $2, ended_why = $3
             WHERE user_id = $1 AND ended_unix_ms IS NULL AND session_id IS DISTINCT FROM $4
             RETURNING session_id, user_id)
         INSERT INTO ended_sessions (session_id, user_id) SELECT session_id, user_id FROM ended
         RETURNING session_id",
    )
    .bind(user.as_uuid())
    .bind(ms(now_unix_ms))
    .bind(why)
    .bind(but.map(|session| session.as_uuid()))
    .fetch_all(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(ended.into_iter().map(SessionId::from_uuid).collect())
}

/// A session that goes on, as its owner sees it.
pub struct Device {
    pub session: SessionId,
    pub device_name: String,
    pub user_agent: String,
    pub created_unix_ms: u64,
    pub last_used_unix_ms: u64,
    pub expires_unix_ms: u64,
}

/// A person's sessions that go on, last used first; the newest thousand, should there be more.
pub async fn devices(
    database: &PgPool,
    user: UserId,
    now_unix_ms: u64,
) -> Result<Vec<Device>, Problem> {
    type Row = (Uuid, String, String, i64, i64, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT session_id, device_name, user_agent, created_unix_ms,
                coalesce(last_used_unix_ms, created_unix_ms) AS last_used, expires_unix_ms
         FROM sessions
         WHERE user_id = $1 AND ended_unix_ms IS NULL AND expires_unix_ms > $2
           AND EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.session_id = sessions.session_id
                       AND t.used_unix_ms IS NULL AND t.expires_unix_ms > $2)
         ORDER BY last_used DESC, session_id LIMIT 1000",
    )
    .bind(user.as_uuid())
    .bind(ms(now_unix_ms))
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(
            |(session, device_name, user_agent, created, last_used, expires)| Device {
                session: SessionId::from_uuid(session),
                device_name,
                user_agent,
                created_unix_ms: created as u64,
                last_used_unix_ms: last_used as u64,
                expires_unix_ms: expires as u64,
            },
        )
        .collect())
}

/// The person of a session that goes on.
pub async fn owner(
    transaction: &mut Transaction<'_, Postgres>,
    session: SessionId,
) -> Result<Option<UserId>, Problem> {
    let user: Option<Uuid> = sqlx::query_scalar(
        "SELECT user_id FROM sessions WHERE session_id = $1 AND ended_unix_ms IS NULL FOR UPDATE",
    )
    .bind(session.as_uuid())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(user.map(UserId::from_uuid))
}

/// When the person last proved in this session that they are who they are.
pub async fn proved_unix_ms(database: &PgPool, session: SessionId) -> Result<Option<u64>, Problem> {
    let proved: Option<i64> = sqlx::query_scalar(
        "SELECT coalesce(proved_unix_ms, created_unix_ms) FROM sessions
         WHERE session_id = $1 AND ended_unix_ms IS NULL",
    )
    .bind(session.as_uuid())
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    Ok(proved.map(|ms| ms as u64))
}

pub async fn note_proof(
    database: impl sqlx::PgExecutor<'_>,
    session: SessionId,
    now_unix_ms: u64,
) -> Result<(), Problem> {
    sqlx::query("UPDATE sessions SET proved_unix_ms = $2 WHERE session_id = $1")
        .bind(session.as_uuid())
        .bind(ms(now_unix_ms))
        .execute(database)
        .await
        .map_err(failed)?;
    Ok(())
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

/// Sessions that ended at this time or later, with the time, in the order of both; of those at exactly that time,
/// only what comes after `after`.
pub async fn ended_since(
    database: &PgPool,
    from_unix_ms: u64,
    after: Option<SessionId>,
    limit: u32,
) -> Result<Vec<(SessionId, u64)>, Problem> {
    let after = after.map_or(Uuid::nil(), |session| session.as_uuid());
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT session_id, ended_unix_ms FROM sessions
         WHERE ended_unix_ms IS NOT NULL AND (ended_unix_ms, session_id) > ($1, $2)
         ORDER BY ended_unix_ms, session_id LIMIT $3",
    )
    .bind(ms(from_unix_ms))
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|(session, ended)| (SessionId::from_uuid(session), ended as u64))
        .collect())
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

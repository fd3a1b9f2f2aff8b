//! What happened to accounts, for their owners to read.

use ids::{SessionId, UserId};
use problem::Problem;
use sqlx::PgPool;
use uuid::Uuid;

use super::{failed, ms};
use crate::domain::{Client, Email, SecurityEvent};

pub struct NewEvent<'a> {
    pub user: UserId,
    pub at_unix_ms: u64,
    pub event: SecurityEvent,
    pub session: Option<SessionId>,
    /// `None`: nobody called; it was we.
    pub client: Option<&'a Client>,
    pub detail: &'a str,
}

pub async fn record(
    database: impl sqlx::PgExecutor<'_>,
    new: &NewEvent<'_>,
) -> Result<(), Problem> {
    sqlx::query(
        "INSERT INTO security_events
             (user_id, at_unix_ms, kind, session_id, address, user_agent, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.user.as_uuid())
    .bind(ms(new.at_unix_ms))
    .bind(new.event.as_str())
    .bind(new.session.map(|session| session.as_uuid()))
    .bind(
        new.client
            .map_or_else(String::new, |c| c.address.to_string()),
    )
    .bind(new.client.map_or("", |c| &c.user_agent))
    .bind(new.detail)
    .execute(database)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Notes a failed sign-in, if somebody has the address. Nothing is awaited that only a known address
/// would cause, such as a flush of the disk: the time to the answer tells nothing.
pub async fn record_failed_sign_in(
    database: &PgPool,
    email: &Email,
    client: &Client,
    now_unix_ms: u64,
) -> Result<(), Problem> {
    sqlx::query(
        "WITH unflushed AS (SELECT set_config('synchronous_commit', 'off', true))
         INSERT INTO security_events (user_id, at_unix_ms, kind, address, user_agent)
         SELECT user_id, $2, $3, $4, $5 FROM users, unflushed WHERE email = $1",
    )
    .bind(email.as_str())
    .bind(ms(now_unix_ms))
    .bind(SecurityEvent::SignInFailed.as_str())
    .bind(client.address.to_string())
    .bind(&client.user_agent)
    .execute(database)
    .await
    .map_err(failed)?;
    Ok(())
}

pub struct Event {
    pub id: i64,
    pub at_unix_ms: u64,
    pub kind: String,
    pub session: Option<SessionId>,
    pub address: String,
    pub user_agent: String,
    pub detail: String,
}

/// Newest first, those before `before`.
pub async fn page(
    database: &PgPool,
    user: UserId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Event>, Problem> {
    type Row = (i64, i64, String, Option<Uuid>, String, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT event_id, at_unix_ms, kind, session_id, address, user_agent, detail
         FROM security_events WHERE user_id = $1 AND event_id < $2
         ORDER BY event_id DESC LIMIT $3",
    )
    .bind(user.as_uuid())
    .bind(before.unwrap_or(i64::MAX))
    .bind(limit)
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(
            |(id, at, kind, session, address, user_agent, detail)| Event {
                id,
                at_unix_ms: at as u64,
                kind,
                session: session.map(SessionId::from_uuid),
                address,
                user_agent,
                detail,
            },
        )
        .collect())
}

pub async fn forget(database: &PgPool, before_unix_ms: u64) -> Result<u64, sqlx::Error> {
    Ok(
        sqlx::query("DELETE FROM security_events WHERE at_unix_ms < $1")
            .bind(ms(before_unix_ms))
            .execute(database)
            .await?
            .rows_affected(),
    )
}

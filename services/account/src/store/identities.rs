//! Who people are at other providers, and who is on the way to one.

use ids::{SessionId, UserId};
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{failed, ms};
use crate::domain::{RandomToken, ReturnPath};

/// An identity as its owner sees it.
pub struct Identity {
    pub provider: String,
    pub email: String,
    pub linked_unix_ms: u64,
}

pub async fn of_user(
    database: impl sqlx::PgExecutor<'_>,
    user: UserId,
) -> Result<Vec<Identity>, Problem> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT provider, email, linked_unix_ms FROM identities WHERE user_id = $1
         ORDER BY provider",
    )
    .bind(user.as_uuid())
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|(provider, email, linked)| Identity {
            provider,
            email,
            linked_unix_ms: linked as u64,
        })
        .collect())
}

/// Whose identity it is.
pub async fn owner(
    database: impl sqlx::PgExecutor<'_>,
    provider: &str,
    subject: &str,
) -> Result<Option<UserId>, Problem> {
    let user: Option<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM identities WHERE provider = $1 AND subject = $2")
            .bind(provider)
            .bind(subject)
            .fetch_optional(database)
            .await
            .map_err(failed)?;
    Ok(user.map(UserId::from_uuid))
}

pub struct NewIdentity<'a> {
    pub provider: &'a str,
    pub subject: &'a str,
    pub user: UserId,
    pub email: &'a str,
    pub now_unix_ms: u64,
}

/// Whether it was linked: not if it is somebody's, or the person has another of that provider.
pub async fn link(
    transaction: &mut Transaction<'_, Postgres>,
    new: &NewIdentity<'_>,
) -> Result<bool, Problem> {
    let linked = sqlx::query(
        "INSERT INTO identities (provider, subject, user_id, email, linked_unix_ms)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(new.provider)
    .bind(new.subject)
    .bind(new.user.as_uuid())
    .bind(new.email)
    .bind(ms(new.now_unix_ms))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(linked.rows_affected() == 1)
}

pub async fn unlink(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    provider: &str,
) -> Result<bool, Problem> {
    let unlinked = sqlx::query("DELETE FROM identities WHERE user_id = $1 AND provider = $2")
        .bind(user.as_uuid())
        .bind(provider)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(unlinked.rows_affected() == 1)
}

pub async fn unlink_all(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
) -> Result<(), Problem> {
    sqlx::query("DELETE FROM identities WHERE user_id = $1")
        .bind(user.as_uuid())
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

/// What somebody went to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowPurpose {
    SignIn,
    /// Links the identity to the account of this session.
    Link(UserId, SessionId),
    /// Proves once more that it is the person of this session.
    Prove(UserId, SessionId),
}

/// Somebody who is at a provider.
pub struct Flow {
    pub provider: String,
    pub nonce: String,
    pub pkce_verifier: String,
    pub purpose: FlowPurpose,
    pub device_name: String,
    pub return_to: ReturnPath,
}

pub async fn begin_flow(
    database: &PgPool,
    state: &RandomToken,
    browser: &RandomToken,
    flow: &Flow,
    expires_unix_ms: u64,
) -> Result<(), Problem> {
    let (purpose, person) = match flow.purpose {
        FlowPurpose::SignIn => ("sign_in", None),
        FlowPurpose::Link(user, session) => ("link", Some((user, session))),
        FlowPurpose::Prove(user, session) => ("prove", Some((user, session))),
    };
    sqlx::query(
        "INSERT INTO oidc_flows (state_hash, browser_hash, provider, nonce, pkce_verifier, purpose,
                                 user_id, session_id, device_name, return_to, expires_unix_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(state.hash().as_slice())
    .bind(browser.hash().as_slice())
    .bind(&flow.provider)
    .bind(&flow.nonce)
    .bind(&flow.pkce_verifier)
    .bind(purpose)
    .bind(person.map(|(user, _)| user.as_uuid()))
    .bind(person.map(|(_, session)| session.as_uuid()))
    .bind(&flow.device_name)
    .bind(flow.return_to.as_str())
    .bind(ms(expires_unix_ms))
    .execute(database)
    .await
    .map_err(failed)?;
    Ok(())
}

/// The flow of this `state`, if it began in this browser. It is used up.
pub async fn take_flow(
    database: &PgPool,
    state: &RandomToken,
    browser: &RandomToken,
    now_unix_ms: u64,
) -> Result<Option<Flow>, Problem> {
    type Row = (
        String,
        String,
        String,
        String,
        Option<Uuid>,
        Option<Uuid>,
        String,
        String,
    );
    let row: Option<Row> = sqlx::query_as(
        "DELETE FROM oidc_flows
         WHERE state_hash = $1 AND browser_hash = $2 AND expires_unix_ms > $3
         RETURNING provider, nonce, pkce_verifier, purpose, user_id, session_id, device_name,
                   return_to",
    )
    .bind(state.hash().as_slice())
    .bind(browser.hash().as_slice())
    .bind(ms(now_unix_ms))
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    Ok(row.and_then(
        |(provider, nonce, pkce_verifier, purpose, user, session, device_name, return_to)| {
            let person = user
                .map(UserId::from_uuid)
                .zip(session.map(SessionId::from_uuid));
            Some(Flow {
                purpose: match (purpose.as_str(), person) {
                    ("sign_in", None) => FlowPurpose::SignIn,
                    ("link", Some((user, session))) => FlowPurpose::Link(user, session),
                    ("prove", Some((user, session))) => FlowPurpose::Prove(user, session),
                    _ => return None,
                },
                provider,
                nonce,
                pkce_verifier,
                device_name,
                return_to: ReturnPath::parse(&return_to).ok()?,
            })
        },
    ))
}

pub async fn forget_flows(database: &PgPool, now_unix_ms: u64) -> Result<u64, sqlx::Error> {
    Ok(
        sqlx::query("DELETE FROM oidc_flows WHERE expires_unix_ms <= $1")
            .bind(ms(now_unix_ms))
            .execute(database)
            .await?
            .rows_affected(),
    )
}

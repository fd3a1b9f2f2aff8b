//! Who blocks whom, and what of it the conversation service has yet to learn.

use ids::UserId;
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{contacts, failed, ms};
use crate::domain::MAX_BLOCKS;
use crate::domain::page::{Latest, ListSize};

/// What one person has decided about another, as the conversation service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub blocker: UserId,
    pub blocked: UserId,
    pub state: BlockState,
    pub version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockState {
    Blocked,
    NotBlocked,
}

pub enum Blocked {
    /// The conversation service has to be told, or told again.
    Untold(Decision),
    /// It knows.
    Told,
    UserUnknown,
    Full,
}

/// Somebody who is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub user: UserId,
    pub since_unix_ms: i64,
}

/// Blocks, and ends what is between the two.
pub async fn block(
    database: &PgPool,
    blocker: UserId,
    blocked: UserId,
    now_unix_ms: u64,
) -> Result<Blocked, Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    contacts::lock_pair(&mut transaction, blocker, blocked).await?;
    if !contacts::exists(&mut transaction, blocked).await? {
        return Ok(Blocked::UserUnknown);
    }
    let already = current(&mut transaction, blocker, blocked).await?;
    if !already.is_some_and(|row| row.active) {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM blocks WHERE blocker_id = $1 AND active")
                .bind(blocker.as_uuid())
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?;
        if count >= MAX_BLOCKS {
            return Ok(Blocked::Full);
        }
    }
    contacts::part(&mut transaction, blocker, blocked).await?;
    let row = set(
        &mut transaction,
        (blocker, blocked),
        already,
        BlockState::Blocked,
        now_unix_ms,
    )
    .await?;
    transaction.commit().await.map_err(failed)?;
    Ok(row.decision(blocker, blocked))
}

/// Ends a block; nothing to do where there never was one.
pub async fn unblock(
    database: &PgPool,
    blocker: UserId,
    blocked: UserId,
    now_unix_ms: u64,
) -> Result<Blocked, Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    contacts::lock_pair(&mut transaction, blocker, blocked).await?;
    let already = current(&mut transaction, blocker, blocked).await?;
    if already.is_none() {
        return Ok(Blocked::Told);
    }
    let row = set(
        &mut transaction,
        (blocker, blocked),
        already,
        BlockState::NotBlocked,
        now_unix_ms,
    )
    .await?;
    transaction.commit().await.map_err(failed)?;
    Ok(row.decision(blocker, blocked))
}

/// Whether one of the two blocks the other.
pub(super) async fn is_between(
    transaction: &mut Transaction<'_, Postgres>,
    one: UserId,
    other: UserId,
) -> Result<bool, Problem> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM blocks WHERE active
           AND ((blocker_id = $1 AND blocked_id = $2) OR (blocker_id = $2 AND blocked_id = $1)))",
    )
    .bind(one.as_uuid())
    .bind(other.as_uuid())
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed)
}

/// A page of those whom somebody blocks, the latest first.
pub async fn list(
    database: &PgPool,
    blocker: UserId,
    after: Option<Latest>,
    size: ListSize,
) -> Result<Vec<Entry>, Problem> {
    let after = after.unwrap_or(contacts::LATEST);
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT blocked_id, changed_unix_ms FROM blocks
         WHERE blocker_id = $1 AND active AND (changed_unix_ms, blocked_id) < ($2, $3)
         ORDER BY changed_unix_ms DESC, blocked_id DESC LIMIT $4",
    )
    .bind(blocker.as_uuid())
    .bind(after.unix_ms)
    .bind(after.user.as_uuid())
    .bind(size.and_one())
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|(user, since_unix_ms)| Entry {
            user: UserId::from_uuid(user),
            since_unix_ms,
        })
        .collect())
}

/// What the conversation service has yet to learn, the oldest first; of changes made before `before`,
/// because the call that made a younger one tells it itself.
pub async fn untold(
    database: &PgPool,
    before_unix_ms: u64,
    limit: i64,
) -> Result<Vec<Decision>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid, bool, i64)> = sqlx::query_as(
        "SELECT blocker_id, blocked_id, active, version FROM blocks
         WHERE told_version < version AND changed_unix_ms <= $1
         ORDER BY changed_unix_ms LIMIT $2",
    )
    .bind(ms(before_unix_ms))
    .bind(limit)
    .fetch_all(database)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(blocker, blocked, active, version)| Decision {
            blocker: UserId::from_uuid(blocker),
            blocked: UserId::from_uuid(blocked),
            state: state_of(active),
            version,
        })
        .collect())
}

/// When the oldest change was made that the conversation service has yet to learn.
pub async fn oldest_untold(database: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT min(changed_unix_ms) FROM blocks WHERE told_version < version")
        .fetch_one(database)
        .await
}

/// The conversation service knows this version.
pub async fn note_told(database: &PgPool, decision: Decision) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE blocks SET told_version = greatest(told_version, $3)
         WHERE blocker_id = $1 AND blocked_id = $2",
    )
    .bind(decision.blocker.as_uuid())
    .bind(decision.blocked.as_uuid())
    .bind(decision.version)
    .execute(database)
    .await?;
    Ok(())
}

#[derive(Debug, Clone, Copy, sqlx::FromRow)]
struct Row {
    active: bool,
    version: i64,
    told_version: i64,
}

impl Row {
    const fn decision(self, blocker: UserId, blocked: UserId) -> Blocked {
        if self.told_version >= self.version {
            return Blocked::Told;
        }
        Blocked::Untold(Decision {
            blocker,
            blocked,
            state: state_of(self.active),
            version: self.version,
        })
    }
}

const fn state_of(active: bool) -> BlockState {
    if active {
        BlockState::Blocked
    } else {
        BlockState::NotBlocked
    }
}

async fn current(
    transaction: &mut Transaction<'_, Postgres>,
    blocker: UserId,
    blocked: UserId,
) -> Result<Option<Row>, Problem> {
    sqlx::query_as(
        "SELECT active, version, told_version FROM blocks
         WHERE blocker_id = $1 AND blocked_id = $2",
    )
    .bind(blocker.as_uuid())
    .bind(blocked.as_uuid())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)
}

/// Takes the next version, unless it is so already.
async fn set(
    transaction: &mut Transaction<'_, Postgres>,
    (blocker, blocked): (UserId, UserId),
    already: Option<Row>,
    state: BlockState,
    now_unix_ms: u64,
) -> Result<Row, Problem> {
    if let Some(row) = already
        && state_of(row.active) == state
    {
        return Ok(row);
    }
    sqlx::query_as(
        "INSERT INTO blocks (blocker_id, blocked_id, active, version, told_version, changed_unix_ms)
         VALUES ($1, $2, $3, 1, 0, $4)
         ON CONFLICT (blocker_id, blocked_id) DO UPDATE
         SET active = excluded.active, version = blocks.version + 1,
             changed_unix_ms = excluded.changed_unix_ms
         RETURNING active, version, told_version",
    )
    .bind(blocker.as_uuid())
    .bind(blocked.as_uuid())
    .bind(state == BlockState::Blocked)
    .bind(ms(now_unix_ms))
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed)
}

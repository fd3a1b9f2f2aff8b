//! Contacts and invitations. What two people change of each other is done one after the other, under
//! a lock of the pair, so that both rows always agree.

use ids::UserId;
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{blocks, failed, ms};
use crate::domain::page::{Latest, ListSize};
use crate::domain::{ContactState, MAX_CONTACTS, MAX_SENT, quarantine};

/// Somebody on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub user: UserId,
    pub state: ContactState,
    pub since_unix_ms: i64,
}

pub enum Invited {
    /// Invited now, or contacts now because the other had invited before.
    Changed(Entry),
    /// It was so already.
    AsBefore(Entry),
    UserUnknown,
    /// By a block, or because an invitation was declined.
    NotAllowed,
    /// The inviter's own list, or their open invitations.
    Full,
}

type Row = (Uuid, String, i64);

fn entry((user, state, since_unix_ms): Row) -> Result<Entry, Problem> {
    let state = ContactState::parse(&state)
        .ok_or_else(|| failed(sqlx::Error::Decode(format!("state `{state}`").into())))?;
    Ok(Entry {
        user: UserId::from_uuid(user),
        state,
        since_unix_ms,
    })
}

/// Until the transaction ends, nobody else changes what is between the two.
pub(super) async fn lock_pair(
    transaction: &mut Transaction<'_, Postgres>,
    one: UserId,
    other: UserId,
) -> Result<(), Problem> {
    // The same from both sides. Pairs with the same key would only wait for each other.
    let key = random_half(one) ^ random_half(other);
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(key)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

/// RFC 9562, section 5.7: the end of an id is random.
fn random_half(user: UserId) -> i64 {
    let [_, _, _, _, _, _, _, _, tail @ ..] = *user.as_bytes();
    i64::from_be_bytes(tail)
}

pub async fn invite(
    database: &PgPool,
    inviter: UserId,
    invitee: UserId,
    now_unix_ms: u64,
) -> Result<Invited, Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    lock_pair(&mut transaction, inviter, invitee).await?;
    if !exists(&mut transaction, invitee).await? {
        return Ok(Invited::UserUnknown);
    }
    if blocks::is_between(&mut transaction, inviter, invitee).await? {
        return Ok(Invited::NotAllowed);
    }
    match find(&mut transaction, inviter, invitee).await? {
        Some(entry) if entry.state != ContactState::InvitationReceived => {
            return Ok(Invited::AsBefore(entry));
        }
        Some(_) => {
            let entry = become_contacts(&mut transaction, inviter, invitee, now_unix_ms).await?;
            transaction.commit().await.map_err(failed)?;
            return Ok(Invited::Changed(entry));
        }
        None => {}
    }
    if is_quarantined(&mut transaction, inviter, invitee, now_unix_ms).await? {
        return Ok(Invited::NotAllowed);
    }
    // Two invitations at once may go one beyond a limit: it is for storage, not for safety.
    let (own, sent, theirs): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE owner_id = $1),
                count(*) FILTER (WHERE owner_id = $1 AND state = 'invitation_sent'),
                count(*) FILTER (WHERE owner_id = $2)
         FROM contacts WHERE owner_id IN ($1, $2)",
    )
    .bind(inviter.as_uuid())
    .bind(invitee.as_uuid())
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed)?;
    if own >= MAX_CONTACTS || sent >= MAX_SENT {
        return Ok(Invited::Full);
    }
    if theirs >= MAX_CONTACTS {
        // Another's list is nobody's business.
        return Ok(Invited::NotAllowed);
    }
    sqlx::query(
        "INSERT INTO contacts (owner_id, other_id, state, since_unix_ms)
         VALUES ($1, $2, 'invitation_sent', $3), ($2, $1, 'invitation_received', $3)",
    )
    .bind(inviter.as_uuid())
    .bind(invitee.as_uuid())
    .bind(ms(now_unix_ms))
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Invited::Changed(Entry {
        user: invitee,
        state: ContactState::InvitationSent,
        since_unix_ms: ms(now_unix_ms),
    }))
}

/// Accepts what `inviter` sent; `None` when there is nothing to accept.
pub async fn accept(
    database: &PgPool,
    invitee: UserId,
    inviter: UserId,
    now_unix_ms: u64,
) -> Result<Option<Entry>, Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    lock_pair(&mut transaction, invitee, inviter).await?;
    match find(&mut transaction, invitee, inviter).await? {
        Some(entry) if entry.state == ContactState::Contact => Ok(Some(entry)),
        Some(entry) if entry.state == ContactState::InvitationReceived => {
            let entry = become_contacts(&mut transaction, invitee, inviter, now_unix_ms).await?;
            transaction.commit().await.map_err(failed)?;
            Ok(Some(entry))
        }
        Some(_) | None => Ok(None),
    }
}

/// Declines what `inviter` sent, if there is something.
pub async fn decline(
    database: &PgPool,
    invitee: UserId,
    inviter: UserId,
    now_unix_ms: u64,
) -> Result<(), Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    lock_pair(&mut transaction, invitee, inviter).await?;
    let state = find(&mut transaction, invitee, inviter).await?;
    if state.is_some_and(|entry| entry.state == ContactState::InvitationReceived) {
        note_decline(&mut transaction, inviter, invitee, now_unix_ms).await?;
        part(&mut transaction, invitee, inviter).await?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

/// Takes `other` off the list of `owner`, whatever they were there.
pub async fn remove(
    database: &PgPool,
    owner: UserId,
    other: UserId,
    now_unix_ms: u64,
) -> Result<(), Problem> {
    let mut transaction = database.begin().await.map_err(failed)?;
    lock_pair(&mut transaction, owner, other).await?;
    let Some(entry) = find(&mut transaction, owner, other).await? else {
        return Ok(());
    };
    if entry.state == ContactState::InvitationReceived {
        note_decline(&mut transaction, other, owner, now_unix_ms).await?;
    }
    part(&mut transaction, owner, other).await?;
    transaction.commit().await.map_err(failed)
}

/// A page of a list, the latest change first.
pub async fn list(
    database: &PgPool,
    owner: UserId,
    state: Option<ContactState>,
    after: Option<Latest>,
    size: ListSize,
) -> Result<Vec<Entry>, Problem> {
    let after = after.unwrap_or(LATEST);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT other_id, state, since_unix_ms FROM contacts
         WHERE owner_id = $1 AND ($2::text IS NULL OR state = $2)
           AND (since_unix_ms, other_id) < ($3, $4)
         ORDER BY since_unix_ms DESC, other_id DESC LIMIT $5",
    )
    .bind(owner.as_uuid())
    .bind(state.map(ContactState::as_str))
    .bind(after.unix_ms)
    .bind(after.user.as_uuid())
    .bind(size.and_one())
    .fetch_all(database)
    .await
    .map_err(failed)?;
    rows.into_iter().map(entry).collect()
}

/// Before all places of a list.
pub(super) const LATEST: Latest = Latest {
    unix_ms: i64::MAX,
    user: UserId::from_bytes([0xff; 16]),
};

/// Nothing is between the two any more, in either list.
pub(super) async fn part(
    transaction: &mut Transaction<'_, Postgres>,
    one: UserId,
    other: UserId,
) -> Result<(), Problem> {
    sqlx::query(
        "DELETE FROM contacts
         WHERE (owner_id = $1 AND other_id = $2) OR (owner_id = $2 AND other_id = $1)",
    )
    .bind(one.as_uuid())
    .bind(other.as_uuid())
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn exists(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
) -> Result<bool, Problem> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM users WHERE user_id = $1 AND deleted_unix_ms IS NULL)",
    )
    .bind(user.as_uuid())
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed)
}

async fn find(
    transaction: &mut Transaction<'_, Postgres>,
    owner: UserId,
    other: UserId,
) -> Result<Option<Entry>, Problem> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT other_id, state, since_unix_ms FROM contacts WHERE owner_id = $1 AND other_id = $2",
    )
    .bind(owner.as_uuid())
    .bind(other.as_uuid())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    row.map(entry).transpose()
}

async fn become_contacts(
    transaction: &mut Transaction<'_, Postgres>,
    one: UserId,
    other: UserId,
    now_unix_ms: u64,
) -> Result<Entry, Problem> {
    sqlx::query(
        "UPDATE contacts SET state = 'contact', since_unix_ms = $3
         WHERE (owner_id = $1 AND other_id = $2) OR (owner_id = $2 AND other_id = $1)",
    )
    .bind(one.as_uuid())
    .bind(other.as_uuid())
    .bind(ms(now_unix_ms))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    // What was declined before is forgiven.
    sqlx::query(
        "DELETE FROM declined_invitations
         WHERE (inviter_id = $1 AND invitee_id = $2) OR (inviter_id = $2 AND invitee_id = $1)",
    )
    .bind(one.as_uuid())
    .bind(other.as_uuid())
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(Entry {
        user: other,
        state: ContactState::Contact,
        since_unix_ms: ms(now_unix_ms),
    })
}

async fn is_quarantined(
    transaction: &mut Transaction<'_, Postgres>,
    inviter: UserId,
    invitee: UserId,
    now_unix_ms: u64,
) -> Result<bool, Problem> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM declined_invitations
         WHERE inviter_id = $1 AND invitee_id = $2 AND until_unix_ms > $3)",
    )
    .bind(inviter.as_uuid())
    .bind(invitee.as_uuid())
    .bind(ms(now_unix_ms))
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed)
}

async fn note_decline(
    transaction: &mut Transaction<'_, Postgres>,
    inviter: UserId,
    invitee: UserId,
    now_unix_ms: u64,
) -> Result<(), Problem> {
    let before: Option<i32> = sqlx::query_scalar(
        "SELECT times FROM declined_invitations WHERE inviter_id = $1 AND invitee_id = $2",
    )
    .bind(inviter.as_uuid())
    .bind(invitee.as_uuid())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    let times = before.unwrap_or(0).saturating_add(1);
    let until =
        quarantine(times as u32).map_or(i64::MAX, |wait| ms(now_unix_ms + wait.as_millis() as u64));
    sqlx::query(
        "INSERT INTO declined_invitations (inviter_id, invitee_id, times, until_unix_ms)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (inviter_id, invitee_id) DO UPDATE
         SET times = excluded.times, until_unix_ms = excluded.until_unix_ms",
    )
    .bind(inviter.as_uuid())
    .bind(invitee.as_uuid())
    .bind(times)
    .bind(until)
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(())
}

/// A change of somebody's contacts, in the outbox.
pub struct Change {
    pub position: i64,
    pub user: UserId,
}

/// What devices have yet to hear of, the oldest first. Written by a trigger of the table.
pub async fn pending_changes(database: &PgPool) -> Result<Vec<Change>, sqlx::Error> {
    let rows: Vec<(i64, Uuid)> = sqlx::query_as(
        "SELECT position, user_id FROM changed_contacts ORDER BY position LIMIT 1000",
    )
    .fetch_all(database)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(position, user)| Change {
            position,
            user: UserId::from_uuid(user),
        })
        .collect())
}

pub async fn forget_changes(database: &PgPool, positions: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM changed_contacts WHERE position = ANY($1)")
        .bind(positions)
        .execute(database)
        .await?;
    Ok(())
}

//! People: who they are to others, and what proves them.

use ids::{FileId, UserId};
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{failed, ms};
use crate::domain::{DisplayName, Email, Handle, Metadata, Picture, Profile, StatusText};

pub struct NewUser<'a> {
    pub user: UserId,
    pub email: &'a Email,
    pub email_verified_unix_ms: Option<u64>,
    pub handle: &'a str,
    pub display_name: &'a str,
    /// `None`: signs in by an identity of another provider.
    pub password_hash: Option<&'a str>,
    pub created_unix_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    Done,
    EmailTaken,
    HandleTaken,
}

/// The columns of a [`ProfileRow`]. A macro, because a query's text must be a constant.
macro_rules! profile {
    ($rest:literal) => {
        concat!(
            "SELECT user_id, handle, display_name, status_text, picture, deleted_unix_ms FROM users ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    user_id: Uuid,
    handle: String,
    display_name: String,
    status_text: String,
    picture: String,
    deleted_unix_ms: Option<i64>,
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        Self {
            user: UserId::from_uuid(row.user_id),
            handle: row.handle,
            display_name: row.display_name,
            status_text: row.status_text,
            // A shipped picture that is no longer shipped is none.
            picture: Picture::parse(&row.picture).unwrap_or_default(),
            deleted: row.deleted_unix_ms.is_some(),
        }
    }
}

/// A person as their password proves them.
pub struct Credentials {
    pub profile: Profile,
    /// `None`: the person has no password.
    pub password_hash: Option<String>,
    pub version: i64,
}

/// Leaves the transaction usable when a name is taken.
pub async fn insert(
    transaction: &mut Transaction<'_, Postgres>,
    new: &NewUser<'_>,
) -> Result<Inserted, Problem> {
    let inserted = sqlx::query(
        "INSERT INTO users (user_id, email, email_verified_unix_ms, handle, display_name,
                            password_hash, created_unix_ms)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE NOT EXISTS (SELECT 1 FROM retired_handles WHERE handle = $4 AND until_unix_ms > $7)
         ON CONFLICT DO NOTHING",
    )
    .bind(new.user.as_uuid())
    .bind(new.email.as_str())
    .bind(new.email_verified_unix_ms.map(ms))
    .bind(new.handle)
    .bind(new.display_name)
    .bind(new.password_hash)
    .bind(ms(new.created_unix_ms))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    if inserted.rows_affected() == 1 {
        return Ok(Inserted::Done);
    }
    let email_taken: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE email = $1)")
            .bind(new.email.as_str())
            .fetch_one(&mut **transaction)
            .await
            .map_err(failed)?;
    Ok(if email_taken {
        Inserted::EmailTaken
    } else {
        Inserted::HandleTaken
    })
}

pub async fn credentials(database: &PgPool, email: &Email) -> Result<Option<Credentials>, Problem> {
    type Row = (Uuid, Option<String>, i64);
    let row: Option<Row> = sqlx::query_as(
        "SELECT user_id, password_hash, credentials_version FROM users WHERE email = $1",
    )
    .bind(email.as_str())
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    let Some((user, password_hash, version)) = row else {
        return Ok(None);
    };
    let profile = by_id(database, UserId::from_uuid(user)).await?;
    Ok(profile.map(|profile| Credentials {
        profile,
        password_hash,
        version,
    }))
}

/// Puts a stronger hash of the same password in the place of `old`.
pub async fn strengthen(
    database: &PgPool,
    user: UserId,
    old: &str,
    new: &str,
) -> Result<(), Problem> {
    sqlx::query("UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2")
        .bind(user.as_uuid())
        .bind(old)
        .bind(new)
        .execute(database)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Sets a password, if what proves the person is still what it was when it was checked.
pub async fn set_password(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    credentials_version: i64,
    password_hash: &str,
) -> Result<bool, Problem> {
    let set = sqlx::query(
        "UPDATE users SET password_hash = $3, credentials_version = credentials_version + 1
         WHERE user_id = $1 AND credentials_version = $2 AND deleted_unix_ms IS NULL",
    )
    .bind(user.as_uuid())
    .bind(credentials_version)
    .bind(password_hash)
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(set.rows_affected() == 1)
}

/// Keeps what proves the person as it is until the transaction ends, if it is still that.
pub async fn hold_credentials(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    credentials_version: i64,
) -> Result<bool, Problem> {
    let held: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM users
         WHERE user_id = $1 AND credentials_version = $2 AND deleted_unix_ms IS NULL FOR SHARE",
    )
    .bind(user.as_uuid())
    .bind(credentials_version)
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(held.is_some())
}

/// Makes whoever else changes what proves the person wait until the transaction ends.
pub async fn lock(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
) -> Result<(), Problem> {
    sqlx::query("SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE")
        .bind(user.as_uuid())
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

/// What only the person themselves may read.
#[derive(Debug, Clone)]
pub struct Own {
    pub profile: Profile,
    pub email: Email,
    pub email_verified: bool,
    pub password_hash: Option<String>,
    pub metadata: Metadata,
    pub created_unix_ms: u64,
    /// Of the profile.
    pub version: i64,
    pub credentials_version: i64,
}

#[derive(sqlx::FromRow)]
struct OwnRow {
    #[sqlx(flatten)]
    profile: ProfileRow,
    email: String,
    email_verified_unix_ms: Option<i64>,
    password_hash: Option<String>,
    metadata: String,
    created_unix_ms: i64,
    version: i64,
    credentials_version: i64,
}

/// `None` also for an account that was deleted.
pub async fn own(
    database: impl sqlx::PgExecutor<'_>,
    user: UserId,
) -> Result<Option<Own>, Problem> {
    let row: Option<OwnRow> = sqlx::query_as(
        "SELECT user_id, handle, display_name, status_text, picture, deleted_unix_ms, email,
                email_verified_unix_ms, password_hash, metadata, created_unix_ms, version,
                credentials_version
         FROM users WHERE user_id = $1 AND deleted_unix_ms IS NULL",
    )
    .bind(user.as_uuid())
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    row.map(|row| {
        Ok(Own {
            profile: row.profile.into(),
            // Only what was read by the same rules is ever stored.
            email: Email::parse(&row.email).map_err(|e| Problem::internal(&e))?,
            email_verified: row.email_verified_unix_ms.is_some(),
            password_hash: row.password_hash,
            metadata: Metadata::from_json(&row.metadata),
            created_unix_ms: row.created_unix_ms as u64,
            version: row.version,
            credentials_version: row.credentials_version,
        })
    })
    .transpose()
}

/// The pictures of those of these people whose profile names a file.
pub async fn file_pictures(
    database: &PgPool,
    people: &[UserId],
) -> Result<Vec<(UserId, FileId)>, Problem> {
    let ids: Vec<Uuid> = people.iter().map(UserId::as_uuid).collect();
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT user_id, picture FROM users
         WHERE user_id = ANY($1) AND deleted_unix_ms IS NULL AND picture LIKE 'file:%'",
    )
    .bind(ids)
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .filter_map(|(user, picture)| match Picture::parse(&picture) {
            Ok(Picture::File(file)) => Some((UserId::from_uuid(user), file)),
            _ => None,
        })
        .collect())
}

/// What a profile becomes; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct ProfileChange {
    pub display_name: Option<DisplayName>,
    pub handle: Option<Handle>,
    pub status_text: Option<StatusText>,
    pub picture: Option<Picture>,
    pub metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    Done,
    /// Another change came first.
    Stale,
    HandleTaken,
}

/// Changes the profile that has this version. The old handle is kept for its owner for a while.
pub async fn update_profile(
    transaction: &mut Transaction<'_, Postgres>,
    own: &Own,
    change: &ProfileChange,
    now_unix_ms: u64,
    quarantine_ms: u64,
) -> Result<Updated, Problem> {
    let user = own.profile.user;
    let handle = change
        .handle
        .as_ref()
        .filter(|handle| handle.as_str() != own.profile.handle);
    if let Some(handle) = handle {
        let quarantined: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM retired_handles
             WHERE handle = $1 AND until_unix_ms > $2 AND user_id <> $3)",
        )
        .bind(handle.as_str())
        .bind(ms(now_unix_ms))
        .bind(user.as_uuid())
        .fetch_one(&mut **transaction)
        .await
        .map_err(failed)?;
        if quarantined {
            return Ok(Updated::HandleTaken);
        }
    }
    let updated = sqlx::query(
        "UPDATE users SET
             handle = coalesce($3, handle),
             display_name = coalesce($4, display_name),
             status_text = coalesce($5, status_text),
             picture = coalesce($6, picture),
             metadata = coalesce($7, metadata),
             version = version + 1
         WHERE user_id = $1 AND version = $2 AND deleted_unix_ms IS NULL",
    )
    .bind(user.as_uuid())
    .bind(own.version)
    .bind(handle.map(Handle::as_str))
    .bind(change.display_name.as_ref().map(DisplayName::as_str))
    .bind(change.status_text.as_ref().map(StatusText::as_str))
    .bind(change.picture.as_ref().map(ToString::to_string))
    .bind(change.metadata.as_ref().map(Metadata::to_json))
    .execute(&mut **transaction)
    .await;
    match updated {
        Ok(updated) if updated.rows_affected() == 0 => return Ok(Updated::Stale),
        Ok(_) => {}
        Err(error) if is_unique_violation(&error) => return Ok(Updated::HandleTaken),
        Err(error) => return Err(failed(error)),
    }
    if handle.is_some() {
        let until = now_unix_ms + quarantine_ms;
        retire_handle(transaction, user, &own.profile.handle, until).await?;
    }
    Ok(Updated::Done)
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

async fn retire_handle(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    handle: &str,
    until_unix_ms: u64,
) -> Result<(), Problem> {
    sqlx::query(
        "INSERT INTO retired_handles (handle, user_id, until_unix_ms) VALUES ($1, $2, $3)
         ON CONFLICT (handle) DO UPDATE
         SET user_id = excluded.user_id, until_unix_ms = excluded.until_unix_ms",
    )
    .bind(handle)
    .bind(user.as_uuid())
    .bind(ms(until_unix_ms))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(())
}

/// What came of a mailed proof that a mailbox is the person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailProved {
    /// It was the account's address already.
    Verified,
    /// It became the account's address.
    Changed,
    /// Somebody else's account has it.
    Taken,
    /// There is no such account any more.
    Gone,
}

pub async fn prove_email(
    transaction: &mut Transaction<'_, Postgres>,
    user: UserId,
    email: &Email,
    now_unix_ms: u64,
) -> Result<EmailProved, Problem> {
    let current: Option<Option<String>> = sqlx::query_scalar(
        "SELECT email FROM users WHERE user_id = $1 AND deleted_unix_ms IS NULL FOR UPDATE",
    )
    .bind(user.as_uuid())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    let Some(current) = current else {
        return Ok(EmailProved::Gone);
    };
    let updated = sqlx::query(
        "UPDATE users SET email = $2, version = version + 1,
             email_verified_unix_ms = CASE WHEN email = $2
                 THEN coalesce(email_verified_unix_ms, $3) ELSE $3 END
         WHERE user_id = $1",
    )
    .bind(user.as_uuid())
    .bind(email.as_str())
    .bind(ms(now_unix_ms))
    .execute(&mut **transaction)
    .await;
    match updated {
        Ok(_) if current.as_deref() == Some(email.as_str()) => Ok(EmailProved::Verified),
        Ok(_) => Ok(EmailProved::Changed),
        Err(error) if is_unique_violation(&error) => Ok(EmailProved::Taken),
        Err(error) => Err(failed(error)),
    }
}

/// Turns the account into a tombstone: nothing of the person is left but the id.
pub async fn bury(
    transaction: &mut Transaction<'_, Postgres>,
    own: &Own,
    now_unix_ms: u64,
    quarantine_ms: u64,
) -> Result<bool, Problem> {
    let user = own.profile.user;
    let buried = sqlx::query(
        "UPDATE users SET email = NULL, email_verified_unix_ms = NULL, password_hash = NULL,
             handle = $2, display_name = 'Deleted account', status_text = '', picture = '',
             metadata = '{}', version = version + 1,
             credentials_version = credentials_version + 1, deleted_unix_ms = $3
         WHERE user_id = $1 AND deleted_unix_ms IS NULL",
    )
    .bind(user.as_uuid())
    // No handle has a `-`, so nobody can have or take it.
    .bind(format!("deleted-{}", user.as_uuid().as_simple()))
    .bind(ms(now_unix_ms))
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    if buried.rows_affected() == 0 {
        return Ok(false);
    }
    let until = now_unix_ms + quarantine_ms;
    retire_handle(transaction, user, &own.profile.handle, until).await?;
    for statement in [
        "DELETE FROM identities WHERE user_id = $1",
        "DELETE FROM one_time_links WHERE user_id = $1",
        "DELETE FROM oidc_flows WHERE user_id = $1",
        "DELETE FROM security_events WHERE user_id = $1",
        "UPDATE sessions SET device_name = '', user_agent = '' WHERE user_id = $1",
    ] {
        sqlx::query(statement)
            .bind(user.as_uuid())
            .execute(&mut **transaction)
            .await
            .map_err(failed)?;
    }
    sqlx::query("DELETE FROM mail_outbox WHERE recipient = $1 OR user_id = $2")
        .bind(own.email.as_str())
        .bind(user.as_uuid())
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(true)
}

pub async fn by_id(
    database: impl sqlx::PgExecutor<'_>,
    user: UserId,
) -> Result<Option<Profile>, Problem> {
    let row: Option<ProfileRow> = sqlx::query_as(profile!("WHERE user_id = $1"))
        .bind(user.as_uuid())
        .fetch_optional(database)
        .await
        .map_err(failed)?;
    Ok(row.map(Profile::from))
}

/// Tombstones too: who wrote with somebody still sees that there was somebody.
pub async fn by_ids(database: &PgPool, users: &[UserId]) -> Result<Vec<Profile>, Problem> {
    let ids: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let rows: Vec<ProfileRow> =
        sqlx::query_as(profile!("WHERE user_id = ANY($1) ORDER BY user_id"))
            .bind(ids)
            .fetch_all(database)
            .await
            .map_err(failed)?;
    Ok(rows.into_iter().map(Profile::from).collect())
}

pub async fn by_email(database: &PgPool, email: &Email) -> Result<Option<Profile>, Problem> {
    let row: Option<ProfileRow> = sqlx::query_as(profile!("WHERE email = $1"))
        .bind(email.as_str())
        .fetch_optional(database)
        .await
        .map_err(failed)?;
    Ok(row.map(Profile::from))
}

/// Removes what reserved handles until then.
pub async fn forget_handles(database: &PgPool, now_unix_ms: u64) -> Result<u64, sqlx::Error> {
    Ok(
        sqlx::query("DELETE FROM retired_handles WHERE until_unix_ms <= $1")
            .bind(ms(now_unix_ms))
            .execute(database)
            .await?
            .rows_affected(),
    )
}

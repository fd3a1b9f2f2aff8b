//! The outbox of mails. What waits here holds no secret: the link is made when its mail is sent.

use ids::UserId;
use problem::{Kind, Problem};
use sqlx::PgPool;
use uuid::Uuid;

use super::{failed, ms};
use crate::domain::Email;

/// A kind of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A link that proves the mailbox.
    VerifyEmail,
    /// A link that sets a new password.
    Recover,
    /// Tells that the password was changed.
    PasswordChanged,
}

impl MailKind {
    const ALL: [Self; 3] = [Self::VerifyEmail, Self::Recover, Self::PasswordChanged];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::Recover => "recover",
            Self::PasswordChanged => "password_changed",
        }
    }
}

pub struct NewMail<'a> {
    pub kind: MailKind,
    pub recipient: &'a Email,
    /// `None`: whoever has the address, if anybody. So asking needs no look-up, and takes as long
    /// whether somebody has it or not.
    pub user: Option<UserId>,
    pub now_unix_ms: u64,
    pub expires_unix_ms: u64,
    /// Most mails that may wait.
    pub limit: u32,
}

/// Puts a mail into the outbox; one of the same kind and recipient that waits already is enough.
///
/// # Errors
/// `mails_waiting` when the outbox is full.
pub async fn put(database: impl sqlx::PgExecutor<'_>, new: &NewMail<'_>) -> Result<(), Problem> {
    let full: bool = sqlx::query_scalar(
        "WITH waiting AS (SELECT count(*) AS n FROM mail_outbox),
         put AS (
             INSERT INTO mail_outbox (kind, recipient, user_id, next_try_unix_ms, expires_unix_ms)
             SELECT $1, $2, $3, $4, $5 FROM waiting WHERE n < $6
             ON CONFLICT (kind, recipient) DO UPDATE
             SET user_id = excluded.user_id, expires_unix_ms = excluded.expires_unix_ms)
         SELECT n >= $6 FROM waiting",
    )
    .bind(new.kind.as_str())
    .bind(new.recipient.as_str())
    .bind(new.user.map(|user| user.as_uuid()))
    .bind(ms(new.now_unix_ms))
    .bind(ms(new.expires_unix_ms))
    .bind(i64::from(new.limit))
    .fetch_one(database)
    .await
    .map_err(failed)?;
    if full {
        return Err(Problem::new(
            Kind::Unavailable,
            "mails_waiting",
            "Too many mails wait to be sent. Try again later.",
        )
        .with_retry_after(std::time::Duration::from_secs(60)));
    }
    Ok(())
}

/// A mail to send now.
pub struct Mail {
    pub id: i64,
    pub kind: MailKind,
    pub recipient: Email,
    pub user: Option<UserId>,
    /// This one included.
    pub tries: i32,
    pub expires_unix_ms: u64,
}

/// Takes mails that are due, and leaves them to others again after `lease_ms` should we fall silent.
pub async fn claim(
    database: &PgPool,
    count: i64,
    now_unix_ms: u64,
    lease_ms: u64,
) -> Result<Vec<Mail>, sqlx::Error> {
    type Row = (i64, String, String, Option<Uuid>, i32, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE mail_outbox SET tries = tries + 1, next_try_unix_ms = $2
         WHERE mail_id IN (
             SELECT mail_id FROM mail_outbox WHERE next_try_unix_ms <= $1
             ORDER BY next_try_unix_ms LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING mail_id, kind, recipient, user_id, tries, expires_unix_ms",
    )
    .bind(ms(now_unix_ms))
    .bind(ms(now_unix_ms + lease_ms))
    .bind(count)
    .fetch_all(database)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, kind, recipient, user, tries, expires)| {
            Some(Mail {
                id,
                // Of a newer version: that one sends it.
                kind: MailKind::ALL.into_iter().find(|k| k.as_str() == kind)?,
                recipient: Email::parse(&recipient).ok()?,
                user: user.map(UserId::from_uuid),
                tries,
                expires_unix_ms: expires as u64,
            })
        })
        .collect())
}

pub async fn remove(database: &PgPool, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM mail_outbox WHERE mail_id = $1")
        .bind(id)
        .execute(database)
        .await?;
    Ok(())
}

pub async fn postpone(database: &PgPool, id: i64, until_unix_ms: u64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE mail_outbox SET next_try_unix_ms = $2 WHERE mail_id = $1")
        .bind(id)
        .bind(ms(until_unix_ms))
        .execute(database)
        .await?;
    Ok(())
}

pub async fn waiting(database: &PgPool) -> Result<u64, sqlx::Error> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM mail_outbox")
        .fetch_one(database)
        .await?;
    Ok(count as u64)
}

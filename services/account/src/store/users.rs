use ids::UserId;
use problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::failed;
use crate::domain::{Email, Profile};

pub struct NewUser<'a> {
    pub user: UserId,
    pub email: &'a Email,
    pub handle: &'a str,
    pub display_name: &'a str,
    pub password_hash: &'a str,
    pub created_unix_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    Done,
    EmailTaken,
    HandleTaken,
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    user_id: Uuid,
    handle: String,
    display_name: String,
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        Self {
            user: UserId::from_uuid(row.user_id),
            handle: row.handle,
            display_name: row.display_name,
        }
    }
}

/// A person as their password proves them.
pub struct Credentials {
    pub profile: Profile,
    pub password_hash: String,
}

/// Leaves the transaction usable when a name is taken.
pub async fn insert(
    transaction: &mut Transaction<'_, Postgres>,
    new: &NewUser<'_>,
) -> Result<Inserted, Problem> {
    let inserted = sqlx::query(
        "INSERT INTO users (user_id, email, handle, display_name, password_hash, created_unix_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(new.user.as_uuid())
    .bind(new.email.as_str())
    .bind(new.handle)
    .bind(new.display_name)
    .bind(new.password_hash)
    .bind(super::ms(new.created_unix_ms))
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
    let row: Option<(Uuid, String, String, String)> = sqlx::query_as(
        "SELECT user_id, handle, display_name, password_hash FROM users WHERE email = $1",
    )
    .bind(email.as_str())
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    Ok(row.map(
        |(user_id, handle, display_name, password_hash)| Credentials {
            profile: Profile {
                user: UserId::from_uuid(user_id),
                handle,
                display_name,
            },
            password_hash,
        },
    ))
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

/// With the e-mail address, for the person themselves.
pub async fn own(database: &PgPool, user: UserId) -> Result<Option<(Profile, String)>, Problem> {
    let row: Option<(Uuid, String, String, String)> =
        sqlx::query_as("SELECT user_id, handle, display_name, email FROM users WHERE user_id = $1")
            .bind(user.as_uuid())
            .fetch_optional(database)
            .await
            .map_err(failed)?;
    Ok(row.map(|(user_id, handle, display_name, email)| {
        let profile = Profile {
            user: UserId::from_uuid(user_id),
            handle,
            display_name,
        };
        (profile, email)
    }))
}

pub async fn by_ids(database: &PgPool, users: &[UserId]) -> Result<Vec<Profile>, Problem> {
    let ids: Vec<Uuid> = users.iter().map(UserId::as_uuid).collect();
    let rows: Vec<ProfileRow> = sqlx::query_as(
        "SELECT user_id, handle, display_name FROM users WHERE user_id = ANY($1) ORDER BY user_id",
    )
    .bind(ids)
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(Profile::from).collect())
}

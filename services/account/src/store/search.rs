//! Who is found, by whom. A block hides both people from each other, and each of the three ways to be
//! found has a setting; oneself is always found exactly, and never by a beginning.

use ids::UserId;
use problem::Problem;
use sqlx::PgPool;
use uuid::Uuid;

use super::failed;
use crate::domain::page::{Found, SearchSize};
use crate::domain::privacy::Privacy;
use crate::domain::{Email, Handle};

/// No block between `$1` and a row of `users u`.
macro_rules! not_blocked {
    () => {
        "NOT EXISTS (SELECT 1 FROM blocks b WHERE b.active
             AND ((b.blocker_id = $1 AND b.blocked_id = u.user_id)
               OR (b.blocker_id = u.user_id AND b.blocked_id = $1)))"
    };
}

pub async fn by_handle(
    database: &PgPool,
    seeker: UserId,
    handle: &Handle,
) -> Result<Option<UserId>, Problem> {
    let found: Option<Uuid> = sqlx::query_scalar(concat!(
        "SELECT u.user_id FROM users u LEFT JOIN privacy p USING (user_id)
         WHERE u.handle = $2 AND u.deleted_unix_ms IS NULL AND (u.user_id = $1 OR (coalesce(p.found_by_handle, $3) AND ",
        not_blocked!(),
        "))"
    ))
    .bind(seeker.as_uuid())
    .bind(handle.as_str())
    .bind(defaults().found_by_handle)
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    Ok(found.map(UserId::from_uuid))
}

pub async fn by_email(
    database: &PgPool,
    seeker: UserId,
    email: &Email,
) -> Result<Option<UserId>, Problem> {
    let found: Option<Uuid> = sqlx::query_scalar(concat!(
        "SELECT u.user_id FROM users u LEFT JOIN privacy p USING (user_id)
         WHERE u.email = $2 AND u.deleted_unix_ms IS NULL AND (u.user_id = $1 OR (coalesce(p.found_by_email, $3) AND ",
        not_blocked!(),
        "))"
    ))
    .bind(seeker.as_uuid())
    .bind(email.as_str())
    .bind(defaults().found_by_email)
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    Ok(found.map(UserId::from_uuid))
}

/// A page of those of whom a word begins like that, each by the first such word. Who isn't to be found
/// by name is still found by the whole handle.
pub async fn by_prefix(
    database: &PgPool,
    seeker: UserId,
    prefix: &str,
    after: Option<&Found>,
    size: SearchSize,
) -> Result<Vec<Found>, Problem> {
    let rows: Vec<(String, Uuid)> = sqlx::query_as(concat!(
        // No word has U+10FFFF: Unicode gives it to nobody.
        "SELECT w.word, w.user_id
         FROM search_words w JOIN users u USING (user_id) LEFT JOIN privacy p USING (user_id)
         WHERE w.word >= search_form($2) AND w.word < search_form($2) || U&'\\+10FFFF'
           AND (w.word, w.user_id) > ($3, $4)
           AND u.user_id <> $1 AND u.deleted_unix_ms IS NULL
           AND (coalesce(p.found_by_name, $5)
                OR (coalesce(p.found_by_handle, $6) AND u.handle = search_form($2)))
           AND ",
        not_blocked!(),
        " AND NOT EXISTS (SELECT 1 FROM search_words e
                           WHERE e.user_id = w.user_id AND e.word >= search_form($2)
                             AND e.word < w.word)
         ORDER BY w.word, w.user_id LIMIT $7"
    ))
    .bind(seeker.as_uuid())
    .bind(prefix)
    .bind(after.map_or("", |after| after.word.as_str()))
    .bind(after.map_or(Uuid::nil(), |after| after.user.as_uuid()))
    .bind(defaults().found_by_name)
    .bind(defaults().found_by_handle)
    .bind(size.and_one())
    .fetch_all(database)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|(word, user)| Found {
            word,
            user: UserId::from_uuid(user),
        })
        .collect())
}

fn defaults() -> Privacy {
    Privacy::default()
}

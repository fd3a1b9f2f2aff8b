//! What people allow others, and what follows for two people.

use ids::UserId;
use problem::Problem;
use sqlx::PgPool;
use uuid::Uuid;

use super::failed;
use crate::domain::privacy::{
    MayWrite, Permissions, PresenceVisibility, Privacy, PrivacyChange, Relation,
};

/// A row of `privacy`, or the nulls of a missing one.
#[derive(Default, sqlx::FromRow)]
struct Row {
    may_write: Option<String>,
    presence_visibility: Option<String>,
    found_by_handle: Option<bool>,
    found_by_email: Option<bool>,
    found_by_name: Option<bool>,
}

impl Row {
    fn privacy(&self) -> Result<Privacy, Problem> {
        Ok(Privacy::default().changed(PrivacyChange {
            may_write: read(self.may_write.as_deref(), MayWrite::parse)?,
            presence_visibility: read(
                self.presence_visibility.as_deref(),
                PresenceVisibility::parse,
            )?,
            found_by_handle: self.found_by_handle,
            found_by_email: self.found_by_email,
            found_by_name: self.found_by_name,
        }))
    }
}

fn read<T>(text: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    text.map(|text| {
        parse(text).ok_or_else(|| failed(sqlx::Error::Decode(format!("setting `{text}`").into())))
    })
    .transpose()
}

pub async fn get(database: &PgPool, user: UserId) -> Result<Privacy, Problem> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT may_write, presence_visibility, found_by_handle, found_by_email, found_by_name
         FROM privacy WHERE user_id = $1",
    )
    .bind(user.as_uuid())
    .fetch_optional(database)
    .await
    .map_err(failed)?;
    row.unwrap_or_default().privacy()
}

/// Changes what is given. Two changes at once both count, where they are about different settings.
pub async fn change(
    database: &PgPool,
    user: UserId,
    change: PrivacyChange,
) -> Result<Privacy, Problem> {
    let first = Privacy::default().changed(change);
    let row: Row = sqlx::query_as(
        "INSERT INTO privacy (user_id, may_write, presence_visibility, found_by_handle,
                              found_by_email, found_by_name)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id) DO UPDATE
         SET may_write = coalesce($7, privacy.may_write),
             presence_visibility = coalesce($8, privacy.presence_visibility),
             found_by_handle = coalesce($9, privacy.found_by_handle),
             found_by_email = coalesce($10, privacy.found_by_email),
             found_by_name = coalesce($11, privacy.found_by_name)
         RETURNING may_write, presence_visibility, found_by_handle, found_by_email, found_by_name",
    )
    .bind(user.as_uuid())
    .bind(first.may_write.as_str())
    .bind(first.presence_visibility.as_str())
    .bind(first.found_by_handle)
    .bind(first.found_by_email)
    .bind(first.found_by_name)
    .bind(change.may_write.map(MayWrite::as_str))
    .bind(change.presence_visibility.map(PresenceVisibility::as_str))
    .bind(change.found_by_handle)
    .bind(change.found_by_email)
    .bind(change.found_by_name)
    .fetch_one(database)
    .await
    .map_err(failed)?;
    row.privacy()
}

#[derive(sqlx::FromRow)]
struct Between {
    user_id: Uuid,
    own_may_write: Option<String>,
    own_presence: Option<String>,
    may_write: Option<String>,
    presence: Option<String>,
    contact: bool,
    blocked: bool,
}

/// What `person` and each of `others` may do towards each other, in one query. Others without an
/// account are left out, and so is everybody when `person` has none.
pub async fn permissions(
    database: &PgPool,
    person: UserId,
    others: &[UserId],
) -> Result<Vec<(UserId, Permissions)>, Problem> {
    let ids: Vec<Uuid> = others.iter().map(UserId::as_uuid).collect();
    let rows: Vec<Between> = sqlx::query_as(
        "SELECT other.user_id,
                own_privacy.may_write AS own_may_write,
                own_privacy.presence_visibility AS own_presence,
                privacy.may_write, privacy.presence_visibility AS presence,
                EXISTS (SELECT 1 FROM contacts c
                        WHERE c.owner_id = own.user_id AND c.other_id = other.user_id
                          AND c.state = 'contact') AS contact,
                EXISTS (SELECT 1 FROM blocks b WHERE b.active
                          AND ((b.blocker_id = own.user_id AND b.blocked_id = other.user_id)
                            OR (b.blocker_id = other.user_id AND b.blocked_id = own.user_id)))
                    AS blocked
         FROM users own
         LEFT JOIN privacy own_privacy ON own_privacy.user_id = own.user_id
         JOIN users other ON other.user_id = ANY($2) AND other.deleted_unix_ms IS NULL
         LEFT JOIN privacy ON privacy.user_id = other.user_id
         WHERE own.user_id = $1 AND own.deleted_unix_ms IS NULL",
    )
    .bind(person.as_uuid())
    .bind(ids)
    .fetch_all(database)
    .await
    .map_err(failed)?;
    rows.into_iter()
        .map(|row| {
            let user = UserId::from_uuid(row.user_id);
            let relation = if user == person {
                Relation::Oneself
            } else if row.blocked {
                Relation::Blocked
            } else if row.contact {
                Relation::Contacts
            } else {
                Relation::Strangers
            };
            let settings = |may_write, presence_visibility| {
                Row {
                    may_write,
                    presence_visibility,
                    ..Row::default()
                }
                .privacy()
            };
            let own = settings(row.own_may_write, row.own_presence)?;
            let theirs = settings(row.may_write, row.presence)?;
            Ok((user, Permissions::between(own, theirs, relation)))
        })
        .collect()
}

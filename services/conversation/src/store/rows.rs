//! What the operations on conversations share: their rows, locks and versions.

use ids::{ConversationId, FileId, UserId};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::outbox::{self, Change};
use crate::domain::conversation::{
    Conversation, Group, GroupCard, Kind, Pair, Standing, Version, Visibility,
};
use crate::domain::description::Description;
use crate::domain::group_name::GroupName;
use crate::domain::member::Role;
use crate::domain::settings::{Mute, Settings};

pub(super) type Tx<'a> = Transaction<'a, Postgres>;

/// Columns of a [`ConversationRow`], of a table `c`.
macro_rules! conversation_columns {
    () => {
        "c.id, c.name, c.low, c.high, c.version, c.member_count, c.created_at_unix_ms, c.visibility, \
         c.description, c.picture_id, c.deleted_at_unix_ms"
    };
}

/// `SELECT` of a [`ConversationRow`], with what follows `FROM conversations c`.
macro_rules! select_conversation {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            $crate::store::rows::conversation_columns!(),
            " FROM conversations c ",
            $rest
        )
    };
}
pub(super) use {conversation_columns, select_conversation};

#[derive(sqlx::FromRow)]
pub(super) struct ConversationRow {
    pub id: Uuid,
    pub name: Option<String>,
    low: Option<Uuid>,
    high: Option<Uuid>,
    pub version: i64,
    pub member_count: i32,
    created_at_unix_ms: i64,
    visibility: String,
    description: String,
    picture_id: Option<Uuid>,
    deleted_at_unix_ms: Option<i64>,
}

/// A row that the table's constraints rule out.
#[derive(Debug, thiserror::Error)]
#[error("conversation `{0}` is neither direct nor a group")]
struct Malformed(Uuid);

impl ConversationRow {
    pub fn id(&self) -> ConversationId {
        ConversationId::from_uuid(self.id)
    }

    pub fn standing(&self) -> Standing {
        Standing {
            conversation: self.id(),
            version: Version::new(self.version as u64),
        }
    }

    pub fn is_direct(&self) -> bool {
        self.name.is_none()
    }

    pub const fn is_deleted(&self) -> bool {
        self.deleted_at_unix_ms.is_some()
    }

    pub fn is_public(&self) -> bool {
        self.visibility == Visibility::Public.as_str()
    }

    pub fn conversation(&self) -> Result<Conversation, sqlx::Error> {
        let kind = match (self.low, self.high) {
            (Some(low), Some(high)) => Pair::of(UserId::from_uuid(low), UserId::from_uuid(high))
                .map(Kind::Direct)
                .map_err(|_| self.malformed())?,
            _ => Kind::Group(self.group()?),
        };
        Ok(Conversation {
            id: self.id(),
            kind,
            created_at_unix_ms: self.created_at_unix_ms as u64,
        })
    }

    pub fn card(&self, role: Option<Role>) -> Result<GroupCard, sqlx::Error> {
        Ok(GroupCard {
            id: self.id(),
            group: self.group()?,
            role,
        })
    }

    fn group(&self) -> Result<Group, sqlx::Error> {
        let name = self.name.as_deref().map(GroupName::parse);
        let (Some(Ok(name)), Some(visibility), Ok(description)) = (
            name,
            Visibility::parse(&self.visibility),
            Description::parse(&self.description),
        ) else {
            return Err(self.malformed());
        };
        Ok(Group {
            name,
            visibility,
            description,
            picture: self.picture_id.map(FileId::from_uuid),
            member_count: self.member_count as u32,
        })
    }

    fn malformed(&self) -> sqlx::Error {
        sqlx::Error::Decode(Malformed(self.id).into())
    }
}

/// Columns of a member's own settings.
#[derive(sqlx::FromRow)]
pub(super) struct SettingsRow {
    settings_version: i64,
    muted_until_unix_ms: Option<i64>,
    archived: bool,
    pin_position: Option<i32>,
}

/// Muted until then is muted for ever.
const FOREVER_UNIX_MS: i64 = i64::MAX;

impl SettingsRow {
    pub fn settings(&self) -> Settings {
        Settings {
            version: self.settings_version as u64,
            mute: match self.muted_until_unix_ms {
                None => Mute::Off,
                Some(FOREVER_UNIX_MS) => Mute::Forever,
                Some(until) => Mute::Until(until as u64),
            },
            archived: self.archived,
            pin_position: self.pin_position.map(|position| position as u32),
        }
    }
}

pub(super) const fn muted_until_unix_ms(mute: Mute) -> Option<i64> {
    match mute {
        Mute::Off => None,
        Mute::Until(until) => Some(until as i64),
        Mute::Forever => Some(FOREVER_UNIX_MS),
    }
}

pub(super) enum Membership {
    Current(Role),
    /// Left, or was removed at a time (Unix milliseconds).
    Former {
        removed_at_unix_ms: Option<u64>,
    },
    Never,
}

/// The row, locked until the transaction ends: changes of one conversation happen one after the other.
pub(super) async fn lock(
    tx: &mut Tx<'_>,
    id: ConversationId,
) -> Result<Option<ConversationRow>, sqlx::Error> {
    sqlx::query_as(select_conversation!("WHERE c.id = $1 FOR UPDATE"))
        .bind(id.as_uuid())
        .fetch_optional(&mut **tx)
        .await
}

pub(super) async fn membership(
    tx: &mut Tx<'_>,
    id: ConversationId,
    user: UserId,
) -> Result<Membership, sqlx::Error> {
    let row: Option<(String, bool, Option<i64>)> = sqlx::query_as(
        "SELECT role, left_version IS NULL, removed_at_unix_ms FROM members
         WHERE conversation_id = $1 AND user_id = $2",
    )
    .bind(id.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(match row {
        Some((role, true, _)) => Membership::Current(read_role(&role)?),
        Some((_, false, removed)) => Membership::Former {
            removed_at_unix_ms: removed.map(|at| at as u64),
        },
        None => Membership::Never,
    })
}

pub(super) fn read_role(text: &str) -> Result<Role, sqlx::Error> {
    Role::parse(text).ok_or_else(|| sqlx::Error::Decode(format!("role `{text}`").into()))
}

/// Takes the next version of a locked conversation for a change, which goes to the outbox. The row
/// follows.
pub(super) async fn record(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    actor: UserId,
    change: Change<'_>,
) -> Result<(), sqlx::Error> {
    let joined = match change {
        Change::Joined(..) => 1,
        Change::Left(_) | Change::AccountDeleted(_) => -1,
        Change::Deleted => -row.member_count,
        Change::Created { .. }
        | Change::Renamed(_)
        | Change::RoleChanged(..)
        | Change::PictureChanged(_)
        | Change::HistoryOpened { .. }
        | Change::BlockChanged(..)
        | Change::SettingsChanged { .. } => 0,
    };
    take_version(tx, row, joined).await?;
    outbox::append(tx, row.standing(), actor, change).await
}

/// As [`record`], for a change that is kept already.
pub(super) async fn tell(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    actor: UserId,
    change: Change<'_>,
) -> Result<(), sqlx::Error> {
    take_version(tx, row, 0).await?;
    outbox::append(tx, row.standing(), actor, change).await
}

async fn take_version(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    joined: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE conversations SET version = version + 1, member_count = member_count + $2
         WHERE id = $1",
    )
    .bind(row.id)
    .bind(joined)
    .execute(&mut **tx)
    .await?;
    row.version += 1;
    row.member_count += joined;
    Ok(())
}

/// Puts somebody who isn't in it into a locked group. The first in an empty one becomes its owner.
pub(super) async fn put_in(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    actor: UserId,
    user: UserId,
    now_unix_ms: u64,
) -> Result<(), sqlx::Error> {
    let role = if row.member_count == 0 {
        Role::Owner
    } else {
        Role::Member
    };
    record(tx, row, actor, Change::Joined(user, role)).await?;
    // Coming back doesn't reveal the time between: what was opened before is closed again.
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, joined_at_unix_ms, joined_version)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (conversation_id, user_id) DO UPDATE
         SET role = excluded.role, joined_at_unix_ms = excluded.joined_at_unix_ms,
             joined_version = excluded.joined_version, left_version = NULL,
             removed_at_unix_ms = NULL, history_from = NULL",
    )
    .bind(row.id)
    .bind(user.as_uuid())
    .bind(role.as_str())
    .bind(now_unix_ms as i64)
    .bind(row.version)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives a current member of a locked group a role.
pub(super) async fn set_role(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    actor: UserId,
    user: UserId,
    role: Role,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE members SET role = $3 WHERE conversation_id = $1 AND user_id = $2")
        .bind(row.id)
        .bind(user.as_uuid())
        .bind(role.as_str())
        .execute(&mut **tx)
        .await?;
    record(tx, row, actor, Change::RoleChanged(user, role)).await
}

/// Whether a locked group has another owner than `user`.
pub(super) async fn has_other_owner(
    tx: &mut Tx<'_>,
    row: &ConversationRow,
    user: UserId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM members
                        WHERE conversation_id = $1 AND user_id <> $2 AND role = 'owner'
                          AND left_version IS NULL)",
    )
    .bind(row.id)
    .bind(user.as_uuid())
    .fetch_one(&mut **tx)
    .await
}

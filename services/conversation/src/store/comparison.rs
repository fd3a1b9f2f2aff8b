//! What is kept here against what the log has.

use std::collections::{BTreeMap, BTreeSet};

use ids::{ConversationId, UserId};
use uuid::Uuid;

use super::conversations::Conversations;
use super::outbox::Change;
use super::rows::{ConversationRow, Tx, lock, read_role, tell};
use crate::domain::comparison::{Kept, KeptKind, KeptMember, Logged, Missing, missing};
use crate::domain::conversation::{Kind, Standing};

/// What was put on its way to the log.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub changes: usize,
    /// When the log has applied this, it has what is kept.
    pub standing: Standing,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: Uuid,
    role: String,
    history_from: Option<i64>,
}

impl Conversations {
    /// Conversations in the order of their ids, those after `after`.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn ids_after(
        &self,
        after: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<ConversationId>, sqlx::Error> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM conversations WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after.map(|id| id.as_uuid()))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().map(ConversationId::from_uuid).collect())
    }

    /// Puts into the outbox what the log lacks, with versions above all that it has applied. Changes that
    /// were made since `logged` was read are on their way by themselves and make no difference: the log
    /// ignores who comes twice and who leaves twice. `None`: nothing is lacking.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn tell_missing(
        &self,
        id: ConversationId,
        logged: &Logged,
    ) -> Result<Option<Told>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let Some(mut row) = lock(&mut tx, id).await? else {
            return Ok(None);
        };
        let kept = kept(&mut tx, &row).await?;
        let changes = missing(&kept, logged);
        // A Postgres that was restored would else give versions that the log has passed.
        let version = row.version.max(logged.version as i64);
        if version > row.version {
            sqlx::query("UPDATE conversations SET version = $2 WHERE id = $1")
                .bind(row.id)
                .bind(version)
                .execute(&mut *tx)
                .await?;
            row.version = version;
        }
        let somebody = kept.members.keys().chain(logged.members.keys()).next();
        for change in &changes {
            let Some(actor) = change.user().or(somebody.copied()) else {
                continue;
            };
            tell(&mut tx, &mut row, actor, change.into()).await?;
        }
        // What else was lost, a name for example, the lists of clients have from here. Without a record the
        // next change would look as if one before it were missing.
        let is_behind = changes.is_empty() && version as u64 > logged.version;
        if let Some(user) = somebody.copied().filter(|_| is_behind) {
            let nothing_new = Change::SettingsChanged {
                user,
                settings_version: 0,
            };
            tell(&mut tx, &mut row, user, nothing_new).await?;
        }
        tx.commit().await?;
        let told = Told {
            changes: changes.len(),
            standing: row.standing(),
        };
        Ok((row.version > version).then_some(told))
    }
}

async fn kept(tx: &mut Tx<'_>, row: &ConversationRow) -> Result<Kept, sqlx::Error> {
    let rows: Vec<MemberRow> = sqlx::query_as(
        "SELECT user_id, role, history_from FROM members
         WHERE conversation_id = $1 AND left_version IS NULL",
    )
    .bind(row.id)
    .fetch_all(&mut **tx)
    .await?;
    let mut members = BTreeMap::new();
    for member in rows {
        let kept = KeptMember {
            role: read_role(&member.role)?,
            history_from: member.history_from.map(|from| from.max(1) as u64),
        };
        members.insert(UserId::from_uuid(member.user_id), kept);
    }
    let kind = match row.conversation()?.kind {
        Kind::Direct(pair) => {
            let blockers: Vec<Uuid> = sqlx::query_scalar(
                "SELECT blocker_id FROM blocks WHERE active
                   AND ((blocker_id = $1 AND blocked_id = $2) OR (blocker_id = $2 AND blocked_id = $1))",
            )
            .bind(pair.low().as_uuid())
            .bind(pair.high().as_uuid())
            .fetch_all(&mut **tx)
            .await?;
            let blockers: BTreeSet<_> = blockers.into_iter().map(UserId::from_uuid).collect();
            KeptKind::Direct { blockers }
        }
        Kind::Group(_) if row.is_deleted() => KeptKind::DeletedGroup,
        Kind::Group(_) => KeptKind::Group,
    };
    Ok(Kept { kind, members })
}

impl<'a> From<&'a Missing> for Change<'a> {
    fn from(missing: &'a Missing) -> Self {
        match missing {
            Missing::Created { members, owner } => Self::Created {
                members,
                owner: *owner,
            },
            Missing::Joined(user, role) => Self::Joined(*user, *role),
            Missing::Left(user) => Self::Left(*user),
            Missing::AccountDeleted(user) => Self::AccountDeleted(*user),
            Missing::RoleChanged(user, role) => Self::RoleChanged(*user, *role),
            Missing::HistoryOpened { user, from_number } => Self::HistoryOpened {
                user: *user,
                from_number: *from_number,
            },
            Missing::BlockChanged(user, state) => Self::BlockChanged(*user, *state),
            Missing::Deleted => Self::Deleted,
        }
    }
}

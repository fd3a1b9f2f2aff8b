//! What a group is called, who leads it, and how it is found.

use ids::{ConversationId, UserId};
use uuid::Uuid;

use super::conversations::{Conversations, bury};
use super::departures::holds_departed;
use super::outbox::Change;
use super::rows::{
    ConversationRow, Membership, Tx, has_other_owner, lock, membership, put_in, read_role, record,
    select_conversation, set_role,
};
use crate::domain::conversation::{Conversation, GroupCard, GroupChanges, Kind, Picture, Standing};
use crate::domain::group_name::{GroupName, GroupNamePrefix};
use crate::domain::member::{Action, Role};

/// Why a group was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("not a member, or no such conversation")]
    Unknown,
    #[error("a direct conversation is as it is")]
    Direct,
    #[error("the role doesn't allow it")]
    NotAllowed,
    #[error("whom it is about is not a member")]
    MemberUnknown,
    #[error("the group would have no owner")]
    OwnerRequired,
    #[error("the name belongs to another group")]
    NameTaken,
    #[error("the group has no room for them")]
    Full,
    #[error("one of them has no account any more")]
    Departed,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Conversations {
    /// Puts people into a group, all or none; who is in it stays as they are.
    ///
    /// # Errors
    /// [`ChangeError`]; [`ChangeError::Full`] at the limit, [`ChangeError::Departed`].
    pub async fn add_members(
        &self,
        id: ConversationId,
        actor: UserId,
        users: &[UserId],
        now_unix_ms: u64,
    ) -> Result<Standing, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let mut row = open_group(&mut tx, id, actor, Action::AddMembers).await?;
        if holds_departed(&mut tx, users).await? {
            return Err(ChangeError::Departed);
        }
        for user in users {
            if matches!(
                membership(&mut tx, id, *user).await?,
                Membership::Current(_)
            ) {
                continue;
            }
            if row.member_count as u32 >= self.max_members {
                return Err(ChangeError::Full);
            }
            put_in(&mut tx, &mut row, actor, *user, now_unix_ms).await?;
        }
        tx.commit().await?;
        Ok(row.standing())
    }

    /// Changes what a group says of itself. What is as it should be already takes no version.
    ///
    /// # Errors
    /// [`ChangeError`]; [`ChangeError::NameTaken`] by any other group.
    pub async fn change_group(
        &self,
        id: ConversationId,
        actor: UserId,
        changes: &GroupChanges,
    ) -> Result<(Conversation, Standing), ChangeError> {
        let mut tx = self.pool.begin().await?;
        let mut row = open_group(&mut tx, id, actor, Action::Describe).await?;
        let conversation = row.conversation()?;
        let Kind::Group(group) = &conversation.kind else {
            return Err(ChangeError::Direct);
        };
        if let Some(visibility) = changes.visibility
            && visibility != group.visibility
        {
            require(&mut tx, id, actor, Action::ChangeVisibility).await?;
            sqlx::query("UPDATE conversations SET visibility = $2 WHERE id = $1")
                .bind(row.id)
                .bind(visibility.as_str())
                .execute(&mut *tx)
                .await?;
        }
        if let Some(description) = &changes.description {
            sqlx::query("UPDATE conversations SET description = $2 WHERE id = $1")
                .bind(row.id)
                .bind(description.as_str())
                .execute(&mut *tx)
                .await?;
        }
        if let Some(name) = &changes.name
            && *name != group.name
        {
            rename(&mut tx, &row, name).await?;
            record(&mut tx, &mut row, actor, Change::Renamed(name)).await?;
        }
        let current = group.picture.map_or(Picture::None, Picture::File);
        if let Some(picture) = changes.picture
            && picture != current
        {
            let file: Option<Uuid> = match picture {
                Picture::File(file) => Some(file.as_uuid()),
                Picture::None => None,
            };
            sqlx::query("UPDATE conversations SET picture_id = $2 WHERE id = $1")
                .bind(row.id)
                .bind(file)
                .execute(&mut *tx)
                .await?;
            record(&mut tx, &mut row, actor, Change::PictureChanged(picture)).await?;
        }
        let row = lock(&mut tx, id).await?.ok_or(ChangeError::Unknown)?;
        tx.commit().await?;
        Ok((row.conversation()?, row.standing()))
    }

    /// Gives a member a role. Stepping down is free, but somebody stays owner.
    ///
    /// # Errors
    /// [`ChangeError`]; [`ChangeError::OwnerRequired`] for the last owner.
    pub async fn set_role(
        &self,
        id: ConversationId,
        actor: UserId,
        target: UserId,
        role: Role,
    ) -> Result<Standing, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let (mut row, actor_role) = open(&mut tx, id, actor).await?;
        let steps_down = target == actor && role <= actor_role;
        if !steps_down && !actor_role.may(Action::ChangeRole) {
            return Err(ChangeError::NotAllowed);
        }
        let Membership::Current(current) = membership(&mut tx, id, target).await? else {
            return Err(ChangeError::MemberUnknown);
        };
        if current != role {
            if current == Role::Owner && !has_other_owner(&mut tx, &row, target).await? {
                return Err(ChangeError::OwnerRequired);
            }
            set_role(&mut tx, &mut row, actor, target, role).await?;
        }
        tx.commit().await?;
        Ok(row.standing())
    }

    /// Lets a member see entries from a number on that were written before they came. It never closes
    /// what was open.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn open_history(
        &self,
        id: ConversationId,
        actor: UserId,
        target: UserId,
        from_number: u64,
    ) -> Result<Standing, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let mut row = open_group(&mut tx, id, actor, Action::OpenHistory).await?;
        if !matches!(
            membership(&mut tx, id, target).await?,
            Membership::Current(_)
        ) {
            return Err(ChangeError::MemberUnknown);
        }
        let opened = sqlx::query(
            "UPDATE members SET history_from = $3
             WHERE conversation_id = $1 AND user_id = $2
               AND (history_from IS NULL OR history_from > $3)",
        )
        .bind(row.id)
        .bind(target.as_uuid())
        .bind(i64::try_from(from_number).unwrap_or(i64::MAX))
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if opened {
            let change = Change::HistoryOpened {
                user: target,
                from_number,
            };
            record(&mut tx, &mut row, actor, change).await?;
        }
        tx.commit().await?;
        Ok(row.standing())
    }

    /// Deletes a group: nobody is in it any more, its name is free, its invitations end. To its members
    /// of before the same call gets the same answer.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn delete_group(
        &self,
        id: ConversationId,
        actor: UserId,
        now_unix_ms: u64,
    ) -> Result<Standing, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let mut row = lock(&mut tx, id).await?.ok_or(ChangeError::Unknown)?;
        match membership(&mut tx, id, actor).await? {
            Membership::Former { .. } if row.is_deleted() => return Ok(row.standing()),
            Membership::Former { .. } | Membership::Never => return Err(ChangeError::Unknown),
            Membership::Current(_) if row.is_direct() => return Err(ChangeError::Direct),
            Membership::Current(role) if !role.may(Action::Delete) => {
                return Err(ChangeError::NotAllowed);
            }
            Membership::Current(_) => {}
        }
        record(&mut tx, &mut row, actor, Change::Deleted).await?;
        sqlx::query(
            "UPDATE members SET left_version = $2
             WHERE conversation_id = $1 AND left_version IS NULL",
        )
        .bind(row.id)
        .bind(row.version)
        .execute(&mut *tx)
        .await?;
        bury(&mut tx, &row, now_unix_ms).await?;
        tx.commit().await?;
        Ok(row.standing())
    }

    /// Public groups whose names begin with `prefix`, in the order of names, those after `after`.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn public_groups(
        &self,
        viewer: UserId,
        prefix: &GroupNamePrefix,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Vec<GroupCard>, sqlx::Error> {
        let rows: Vec<ConversationRow> = sqlx::query_as(select_conversation!(
            r#"WHERE c.visibility = 'public' AND c.name IS NOT NULL
                 AND c.deleted_at_unix_ms IS NULL
                 AND c.name COLLATE "C" >= $1 AND c.name COLLATE "C" < $2
                 AND c.name COLLATE "C" > $3
               ORDER BY c.name COLLATE "C" LIMIT $4"#
        ))
        .bind(prefix.first())
        .bind(prefix.above())
        .bind(after.map_or("", GroupName::as_str))
        .bind(limit as i64)
        .fetch_all(&self.pool)
        .await?;
        self.cards(viewer, &rows).await
    }

    /// A group by its name, if it is public or the viewer is in it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn group_by_name(
        &self,
        viewer: UserId,
        name: &GroupName,
    ) -> Result<Option<GroupCard>, sqlx::Error> {
        let rows: Vec<ConversationRow> = sqlx::query_as(select_conversation!(
            "WHERE c.name = $1
               AND (c.visibility = 'public'
                    OR EXISTS (SELECT 1 FROM members m
                               WHERE m.conversation_id = c.id AND m.user_id = $2
                                 AND m.left_version IS NULL))"
        ))
        .bind(name.as_str())
        .bind(viewer.as_uuid())
        .fetch_all(&self.pool)
        .await?;
        Ok(self.cards(viewer, &rows).await?.pop())
    }

    /// Adds the viewer's role to groups.
    pub(super) async fn cards(
        &self,
        viewer: UserId,
        rows: &[ConversationRow],
    ) -> Result<Vec<GroupCard>, sqlx::Error> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let roles: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT conversation_id, role FROM members
             WHERE user_id = $1 AND conversation_id = ANY($2) AND left_version IS NULL",
        )
        .bind(viewer.as_uuid())
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let role = roles
                    .iter()
                    .find(|(id, _)| *id == row.id)
                    .map(|(_, role)| read_role(role))
                    .transpose()?;
                row.card(role)
            })
            .collect()
    }
}

/// A locked group, for one of its members, and their role.
async fn open(
    tx: &mut Tx<'_>,
    id: ConversationId,
    actor: UserId,
) -> Result<(ConversationRow, Role), ChangeError> {
    let row = lock(tx, id).await?.ok_or(ChangeError::Unknown)?;
    let Membership::Current(role) = membership(tx, id, actor).await? else {
        return Err(ChangeError::Unknown);
    };
    if row.is_direct() {
        return Err(ChangeError::Direct);
    }
    Ok((row, role))
}

/// A locked group, for a member whose role allows what they want.
pub(super) async fn open_group(
    tx: &mut Tx<'_>,
    id: ConversationId,
    actor: UserId,
    action: Action,
) -> Result<ConversationRow, ChangeError> {
    let (row, role) = open(tx, id, actor).await?;
    if role.may(action) {
        Ok(row)
    } else {
        Err(ChangeError::NotAllowed)
    }
}

async fn require(
    tx: &mut Tx<'_>,
    id: ConversationId,
    actor: UserId,
    action: Action,
) -> Result<(), ChangeError> {
    match membership(tx, id, actor).await? {
        Membership::Current(role) if role.may(action) => Ok(()),
        _ => Err(ChangeError::NotAllowed),
    }
}

async fn rename(
    tx: &mut Tx<'_>,
    row: &ConversationRow,
    name: &GroupName,
) -> Result<(), ChangeError> {
    let renamed = sqlx::query("UPDATE conversations SET name = $2 WHERE id = $1")
        .bind(row.id)
        .bind(name.as_str())
        .execute(&mut **tx)
        .await;
    match renamed {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(ChangeError::NameTaken)
        }
        Err(error) => Err(error.into()),
    }
}

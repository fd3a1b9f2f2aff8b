use std::iter;

use ids::{ConversationId, UserId};
use sqlx::PgPool;
use uuid::Uuid;

use super::blocks;
use super::departures::holds_departed;
use super::outbox::{self, Change};
use super::rows::{
    ConversationRow, Membership, SettingsRow, Tx, has_other_owner, lock, membership, put_in,
    read_role, record, select_conversation, set_role,
};
use crate::domain::conversation::{Conversation, Pair, Standing, Version, Visibility};
use crate::domain::description::Description;
use crate::domain::group_name::GroupName;
use crate::domain::member::{Action, Member, Role};
use crate::domain::page::{MemberCursor, PageSize};
use crate::domain::settings::Settings;

#[derive(Clone)]
pub struct Conversations {
    pub(super) pool: PgPool,
    pub(super) max_members: u32,
}

/// A group to make.
#[derive(Debug, Clone)]
pub struct NewGroup {
    pub name: GroupName,
    pub visibility: Visibility,
    pub description: Description,
    /// Besides its owner.
    pub members: Vec<UserId>,
}

/// What a person sees of a conversation that they are in.
#[derive(Debug, Clone)]
pub struct View {
    pub conversation: Conversation,
    pub standing: Standing,
    /// The viewer's own.
    pub role: Role,
    /// A page of them, in the order in which they joined.
    pub members: Vec<Member>,
    /// Where the next page begins, if there are more.
    pub next: Option<MemberCursor>,
    /// The viewer's own.
    pub settings: Settings,
}

#[derive(sqlx::FromRow)]
struct ViewerRow {
    role: String,
    #[sqlx(flatten)]
    settings: SettingsRow,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: Uuid,
    role: String,
    joined_at_unix_ms: i64,
    joined_version: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenDirectError {
    #[error("one of the two blocks the other")]
    Blocked,
    #[error("one of the two has no account any more")]
    Departed,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum CreateGroupError {
    #[error("the name belongs to another group")]
    NameTaken,
    #[error("one of the members has no account any more")]
    Departed,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("no public group has this name")]
    Unknown,
    #[error("the group is full")]
    Full,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    #[error("never a member, or no such conversation")]
    Unknown,
    #[error("a direct conversation can't be left")]
    Direct,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error("not a member, or no such conversation")]
    Unknown,
    #[error("nobody can be removed from a direct conversation")]
    Direct,
    #[error("the role doesn't allow it")]
    NotAllowed,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Conversations {
    #[must_use]
    pub const fn new(pool: PgPool, max_members: u32) -> Self {
        Self { pool, max_members }
    }

    /// The conversation of a pair, as it stands.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn find_direct(
        &self,
        pair: Pair,
    ) -> Result<Option<(Conversation, Standing)>, sqlx::Error> {
        let row: Option<ConversationRow> =
            sqlx::query_as(select_conversation!("WHERE c.low = $1 AND c.high = $2"))
                .bind(pair.low().as_uuid())
                .bind(pair.high().as_uuid())
                .fetch_optional(&self.pool)
                .await?;
        row.map(|row| Ok((row.conversation()?, row.standing())))
            .transpose()
    }

    /// Opens the one conversation of a pair under `new_id`, or returns it as it stands.
    ///
    /// # Errors
    /// [`OpenDirectError::Blocked`] and [`OpenDirectError::Departed`] where there is none and none may be.
    pub async fn open_direct(
        &self,
        pair: Pair,
        opener: UserId,
        new_id: ConversationId,
        now_unix_ms: u64,
    ) -> Result<(Conversation, Standing), OpenDirectError> {
        let both = [pair.low(), pair.high()];
        let mut tx = self.pool.begin().await?;
        // A block comes before, and is met, or after, and meets the conversation.
        blocks::lock_pair(&mut tx, pair).await?;
        let inserted = sqlx::query(
            "INSERT INTO conversations (id, low, high, version, member_count, created_by,
                                        created_with, created_at_unix_ms)
             VALUES ($1, $2, $3, 1, 2, $4, '{}', $5)
             ON CONFLICT (low, high) DO NOTHING",
        )
        .bind(new_id.as_uuid())
        .bind(pair.low().as_uuid())
        .bind(pair.high().as_uuid())
        .bind(opener.as_uuid())
        .bind(now_unix_ms as i64)
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if inserted {
            if blocks::is_between(&mut tx, pair).await? {
                return Err(OpenDirectError::Blocked);
            }
            if holds_departed(&mut tx, &both).await? {
                return Err(OpenDirectError::Departed);
            }
            insert_members(&mut tx, new_id, &both, Role::Member, now_unix_ms).await?;
            let standing = Standing {
                conversation: new_id,
                version: Version::new(1),
            };
            let change = Change::Created {
                members: &both,
                owner: None,
            };
            outbox::append(&mut tx, standing, opener, change).await?;
        }
        tx.commit().await?;
        let opened = self.find_direct(pair).await?;
        Ok(opened.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Creates a group, or returns it if this same call made it before and its maker is still in it.
    ///
    /// # Errors
    /// [`CreateGroupError::NameTaken`] by any other group; [`CreateGroupError::Departed`].
    pub async fn create_group(
        &self,
        group: &NewGroup,
        owner: UserId,
        new_id: ConversationId,
        now_unix_ms: u64,
    ) -> Result<(Conversation, Standing), CreateGroupError> {
        let mut others = group.members.clone();
        others.sort_unstable();
        others.dedup();
        others.retain(|user| *user != owner);
        let created_with: Vec<Uuid> = others.iter().map(|user| user.as_uuid()).collect();
        let mut tx = self.pool.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO conversations (id, name, visibility, description, version, member_count,
                                        created_by, created_with, created_at_unix_ms)
             VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(new_id.as_uuid())
        .bind(group.name.as_str())
        .bind(group.visibility.as_str())
        .bind(group.description.as_str())
        .bind(others.len() as i32 + 1)
        .bind(owner.as_uuid())
        .bind(&created_with)
        .bind(now_unix_ms as i64)
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if inserted {
            let everybody: Vec<UserId> = iter::once(owner).chain(others.iter().copied()).collect();
            if holds_departed(&mut tx, &everybody).await? {
                return Err(CreateGroupError::Departed);
            }
            insert_members(&mut tx, new_id, &[owner], Role::Owner, now_unix_ms).await?;
            insert_members(&mut tx, new_id, &others, Role::Member, now_unix_ms).await?;
            let standing = Standing {
                conversation: new_id,
                version: Version::new(1),
            };
            let change = Change::Created {
                members: &everybody,
                owner: Some(owner),
            };
            outbox::append(&mut tx, standing, owner, change).await?;
        }
        tx.commit().await?;
        let row: Option<ConversationRow> = sqlx::query_as(select_conversation!(
            "WHERE c.name = $1 AND c.created_by = $2 AND c.created_with = $3
               AND EXISTS (SELECT 1 FROM members m
                           WHERE m.conversation_id = c.id AND m.user_id = $2
                             AND m.left_version IS NULL)"
        ))
        .bind(group.name.as_str())
        .bind(owner.as_uuid())
        .bind(&created_with)
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or(CreateGroupError::NameTaken)?;
        Ok((row.conversation()?, row.standing()))
    }

    /// Puts somebody into a public group. Who is in one already stays as they are, also where it is
    /// private. The first in an empty group becomes its owner.
    ///
    /// # Errors
    /// [`JoinError::Unknown`] for a name that no group has, or a private one; [`JoinError::Full`] at the
    /// limit.
    pub async fn join(
        &self,
        name: &GroupName,
        user: UserId,
        now_unix_ms: u64,
    ) -> Result<(Conversation, Standing), JoinError> {
        let mut tx = self.pool.begin().await?;
        let row: Option<ConversationRow> =
            sqlx::query_as(select_conversation!("WHERE c.name = $1 FOR UPDATE"))
                .bind(name.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        let mut row = row.ok_or(JoinError::Unknown)?;
        match membership(&mut tx, row.id(), user).await? {
            Membership::Current(_) => {}
            Membership::Former { .. } | Membership::Never if !row.is_public() => {
                return Err(JoinError::Unknown);
            }
            Membership::Former { .. } | Membership::Never => {
                if row.member_count as u32 >= self.max_members {
                    return Err(JoinError::Full);
                }
                // Their access token is good for some minutes yet.
                if holds_departed(&mut tx, &[user]).await? {
                    return Err(JoinError::Unknown);
                }
                put_in(&mut tx, &mut row, user, user, now_unix_ms).await?;
            }
        }
        tx.commit().await?;
        Ok((row.conversation()?, row.standing()))
    }

    /// Takes the caller out of a group; who left before stays out. The last owner hands the group to the
    /// admin, else the member, who has been in it longest. The last one leaves a public group empty: it
    /// keeps its name and can be joined. A private one, which nobody could find again, is gone.
    ///
    /// # Errors
    /// [`LeaveError::Unknown`] for who never was in it, [`LeaveError::Direct`] for a direct one.
    pub async fn leave(
        &self,
        id: ConversationId,
        user: UserId,
        now_unix_ms: u64,
    ) -> Result<Standing, LeaveError> {
        let mut tx = self.pool.begin().await?;
        let mut row = lock(&mut tx, id).await?.ok_or(LeaveError::Unknown)?;
        match membership(&mut tx, id, user).await? {
            Membership::Never => return Err(LeaveError::Unknown),
            _ if row.is_direct() => return Err(LeaveError::Direct),
            Membership::Former { .. } => {}
            Membership::Current(role) => {
                take_out(&mut tx, &mut row, user, (user, role), now_unix_ms).await?;
            }
        }
        tx.commit().await?;
        Ok(row.standing())
    }

    /// Takes somebody else out of a group; who is not in it stays out.
    ///
    /// # Errors
    /// [`RemoveError::Unknown`] for an actor who isn't in it, [`RemoveError::NotAllowed`] by the roles.
    pub async fn remove(
        &self,
        id: ConversationId,
        actor: UserId,
        target: UserId,
        now_unix_ms: u64,
    ) -> Result<Standing, RemoveError> {
        let mut tx = self.pool.begin().await?;
        let mut row = lock(&mut tx, id).await?.ok_or(RemoveError::Unknown)?;
        let Membership::Current(actor_role) = membership(&mut tx, id, actor).await? else {
            return Err(RemoveError::Unknown);
        };
        if row.is_direct() {
            return Err(RemoveError::Direct);
        }
        match membership(&mut tx, id, target).await? {
            Membership::Current(role) if actor_role.may(Action::Remove(role)) => {
                take_out(&mut tx, &mut row, actor, (target, role), now_unix_ms).await?;
            }
            Membership::Former { .. } | Membership::Never
                if actor_role.may(Action::Remove(Role::Member)) => {}
            _ => return Err(RemoveError::NotAllowed),
        }
        tx.commit().await?;
        Ok(row.standing())
    }

    /// A conversation with the members after a cursor, for one of them; nobody else learns that it exists.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn view(
        &self,
        id: ConversationId,
        viewer: UserId,
        after: Option<MemberCursor>,
        size: PageSize,
    ) -> Result<Option<View>, sqlx::Error> {
        // One snapshot: the members belong to the version that is returned with them.
        let mut tx = self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .await?;
        let own: Option<ViewerRow> = sqlx::query_as(
            "SELECT role, settings_version, muted_until_unix_ms, archived, pin_position FROM members
             WHERE conversation_id = $1 AND user_id = $2 AND left_version IS NULL",
        )
        .bind(id.as_uuid())
        .bind(viewer.as_uuid())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(own) = own else {
            return Ok(None);
        };
        let row: ConversationRow = sqlx::query_as(select_conversation!("WHERE c.id = $1"))
            .bind(id.as_uuid())
            .fetch_one(&mut *tx)
            .await?;
        // Versions begin with 1: before everybody.
        let (version, user) = after.map_or((0, Uuid::nil()), |cursor| {
            (cursor.joined_version as i64, cursor.user.as_uuid())
        });
        let mut members: Vec<MemberRow> = sqlx::query_as(
            "SELECT user_id, role, joined_at_unix_ms, joined_version FROM members
             WHERE conversation_id = $1 AND left_version IS NULL
                 AND (joined_version, user_id) > ($2, $3)
             ORDER BY joined_version, user_id LIMIT $4",
        )
        .bind(id.as_uuid())
        .bind(version)
        .bind(user)
        // One more, to know whether there is another page.
        .bind(size.get() as i64 + 1)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let more = members.len() > size.get();
        members.truncate(size.get());
        let next = members.last().filter(|_| more).map(|last| MemberCursor {
            joined_version: last.joined_version as u64,
            user: UserId::from_uuid(last.user_id),
        });
        Ok(Some(View {
            conversation: row.conversation()?,
            standing: row.standing(),
            role: read_role(&own.role)?,
            members: members
                .into_iter()
                .map(|row| {
                    Ok(Member {
                        user: UserId::from_uuid(row.user_id),
                        role: read_role(&row.role)?,
                        joined_at_unix_ms: row.joined_at_unix_ms as u64,
                    })
                })
                .collect::<Result<_, sqlx::Error>>()?,
            next,
            settings: own.settings.settings(),
        }))
    }

    /// Whether somebody is a member now.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn is_member(&self, id: ConversationId, user: UserId) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM members
                            WHERE conversation_id = $1 AND user_id = $2 AND left_version IS NULL)",
        )
        .bind(id.as_uuid())
        .bind(user.as_uuid())
        .fetch_one(&self.pool)
        .await
    }

    /// Conversations by id, in no order; unknown ones are left out. Asks nobody's membership.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn by_ids(&self, ids: &[ConversationId]) -> Result<Vec<Conversation>, sqlx::Error> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows: Vec<ConversationRow> = sqlx::query_as(select_conversation!(
            "WHERE c.id = ANY($1) AND c.deleted_at_unix_ms IS NULL"
        ))
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(ConversationRow::conversation).collect()
    }
}

/// Takes a current member out of a locked group.
pub(super) async fn take_out(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    actor: UserId,
    (user, role): (UserId, Role),
    now_unix_ms: u64,
) -> Result<(), sqlx::Error> {
    record(tx, row, actor, Change::Left(user)).await?;
    let removed_at = (actor != user).then_some(now_unix_ms as i64);
    sqlx::query(
        "UPDATE members SET left_version = $3, removed_at_unix_ms = $4
         WHERE conversation_id = $1 AND user_id = $2",
    )
    .bind(row.id)
    .bind(user.as_uuid())
    .bind(row.version)
    .bind(removed_at)
    .execute(&mut **tx)
    .await?;
    if row.member_count == 0 {
        if !row.is_public() {
            bury(tx, row, now_unix_ms).await?;
        }
        return Ok(());
    }
    if role == Role::Owner && !has_other_owner(tx, row, user).await? {
        let successor: Uuid = sqlx::query_scalar(
            "SELECT user_id FROM members
             WHERE conversation_id = $1 AND left_version IS NULL
             ORDER BY role = 'admin' DESC, joined_version, user_id
             LIMIT 1",
        )
        .bind(row.id)
        .fetch_one(&mut **tx)
        .await?;
        let successor = UserId::from_uuid(successor);
        set_role(tx, row, actor, successor, Role::Owner).await?;
    }
    Ok(())
}

/// Frees the name of a locked group that nobody is in, and ends its invitations.
pub(super) async fn bury(
    tx: &mut Tx<'_>,
    row: &ConversationRow,
    now_unix_ms: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE conversations SET name = '~' || id, deleted_at_unix_ms = $2 WHERE id = $1")
        .bind(row.id)
        .bind(now_unix_ms as i64)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM invitations WHERE conversation_id = $1")
        .bind(row.id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn insert_members(
    tx: &mut Tx<'_>,
    id: ConversationId,
    users: &[UserId],
    role: Role,
    now_unix_ms: u64,
) -> Result<(), sqlx::Error> {
    let users: Vec<Uuid> = users.iter().map(|user| user.as_uuid()).collect();
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, joined_at_unix_ms, joined_version)
         SELECT $1, user_id, $3, $4, 1 FROM unnest($2) AS user_id",
    )
    .bind(id.as_uuid())
    .bind(&users)
    .bind(role.as_str())
    .bind(now_unix_ms as i64)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

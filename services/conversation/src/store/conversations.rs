use ids::{ConversationId, UserId};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::blocks;
use super::outbox::{self, Change};
use crate::domain::conversation::{Conversation, Kind, Pair, Standing, Version};
use crate::domain::group_name::GroupName;
use crate::domain::member::{Member, Role};

type Tx<'a> = Transaction<'a, Postgres>;

#[derive(Clone)]
pub struct Conversations {
    pool: PgPool,
    max_members: u32,
}

/// What a person sees of a conversation that they are in.
#[derive(Debug, Clone)]
pub struct View {
    pub conversation: Conversation,
    pub standing: Standing,
    pub members: Vec<Member>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenDirectError {
    #[error("one of the two blocks the other")]
    Blocked,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum CreateGroupError {
    #[error("the name belongs to another group")]
    NameTaken,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("no group has this name")]
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

#[derive(sqlx::FromRow)]
struct ConversationRow {
    id: Uuid,
    name: Option<String>,
    low: Option<Uuid>,
    high: Option<Uuid>,
    version: i64,
    member_count: i32,
    created_at_unix_ms: i64,
}

/// A row that the table's constraints rule out.
#[derive(Debug, thiserror::Error)]
#[error("conversation `{0}` is neither direct nor a group")]
struct Malformed(Uuid);

impl ConversationRow {
    fn id(&self) -> ConversationId {
        ConversationId::from_uuid(self.id)
    }

    fn standing(&self) -> Standing {
        Standing {
            conversation: self.id(),
            version: Version::new(self.version as u64),
        }
    }

    fn is_direct(&self) -> bool {
        self.name.is_none()
    }

    fn conversation(&self) -> Result<Conversation, sqlx::Error> {
        let kind = match (&self.name, self.low, self.high) {
            (Some(name), None, None) => GroupName::parse(name).ok().map(Kind::Group),
            (None, Some(low), Some(high)) => {
                Pair::of(UserId::from_uuid(low), UserId::from_uuid(high))
                    .ok()
                    .map(Kind::Direct)
            }
            _ => None,
        };
        Ok(Conversation {
            id: self.id(),
            kind: kind.ok_or_else(|| sqlx::Error::Decode(Malformed(self.id).into()))?,
            created_at_unix_ms: self.created_at_unix_ms as u64,
        })
    }
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
        let row: Option<ConversationRow> = sqlx::query_as(
            "SELECT id, name, low, high, version, member_count, created_at_unix_ms
             FROM conversations WHERE low = $1 AND high = $2",
        )
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
    /// [`OpenDirectError::Blocked`] where there is none and none may be.
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
            insert_members(&mut tx, new_id, &both, Role::Member, now_unix_ms).await?;
            let standing = Standing {
                conversation: new_id,
                version: Version::new(1),
            };
            outbox::append(&mut tx, standing, opener, Change::Created(&both)).await?;
        }
        tx.commit().await?;
        let opened = self.find_direct(pair).await?;
        Ok(opened.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Creates a group with `owner` and `others`, or returns it if this same call made it before and
    /// its maker is still in it.
    ///
    /// # Errors
    /// [`CreateGroupError::NameTaken`] by any other group.
    pub async fn create_group(
        &self,
        name: &GroupName,
        owner: UserId,
        others: &[UserId],
        new_id: ConversationId,
        now_unix_ms: u64,
    ) -> Result<(Conversation, Standing), CreateGroupError> {
        let mut others = others.to_vec();
        others.sort_unstable();
        others.dedup();
        others.retain(|user| *user != owner);
        let created_with: Vec<Uuid> = others.iter().map(|user| user.as_uuid()).collect();
        let mut tx = self.pool.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO conversations (id, name, version, member_count, created_by, created_with,
                                        created_at_unix_ms)
             VALUES ($1, $2, 1, $3, $4, $5, $6)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(new_id.as_uuid())
        .bind(name.as_str())
        .bind(others.len() as i32 + 1)
        .bind(owner.as_uuid())
        .bind(&created_with)
        .bind(now_unix_ms as i64)
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if inserted {
            insert_members(&mut tx, new_id, &[owner], Role::Owner, now_unix_ms).await?;
            insert_members(&mut tx, new_id, &others, Role::Member, now_unix_ms).await?;
            let standing = Standing {
                conversation: new_id,
                version: Version::new(1),
            };
            let mut everybody = vec![owner];
            everybody.append(&mut others);
            outbox::append(&mut tx, standing, owner, Change::Created(&everybody)).await?;
        }
        tx.commit().await?;
        let row: Option<ConversationRow> = sqlx::query_as(
            "SELECT id, name, low, high, version, member_count, created_at_unix_ms
             FROM conversations c
             WHERE name = $1 AND created_by = $2 AND created_with = $3
               AND EXISTS (SELECT 1 FROM members m
                           WHERE m.conversation_id = c.id AND m.user_id = $2
                             AND m.left_version IS NULL)",
        )
        .bind(name.as_str())
        .bind(owner.as_uuid())
        .bind(&created_with)
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or(CreateGroupError::NameTaken)?;
        Ok((row.conversation()?, row.standing()))
    }

    /// Puts somebody into a group. Who is in already stays as they are. The first in an empty group
    /// becomes its owner.
    ///
    /// # Errors
    /// [`JoinError::Unknown`] for a name that no group has, [`JoinError::Full`] at the limit.
    pub async fn join(
        &self,
        name: &GroupName,
        user: UserId,
        now_unix_ms: u64,
    ) -> Result<(Conversation, Standing), JoinError> {
        let mut tx = self.pool.begin().await?;
        let row: Option<ConversationRow> = sqlx::query_as(
            "SELECT id, name, low, high, version, member_count, created_at_unix_ms
             FROM conversations WHERE name = $1 FOR UPDATE",
        )
        .bind(name.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let row = row.ok_or(JoinError::Unknown)?;
        let standing = match role_of(&mut tx, row.id(), user).await? {
            Membership::Current(_) => row.standing(),
            Membership::Former | Membership::Never => {
                if row.member_count as u32 >= self.max_members {
                    return Err(JoinError::Full);
                }
                let role = if row.member_count == 0 {
                    Role::Owner
                } else {
                    Role::Member
                };
                let standing = advance(&mut tx, &row, 1).await?;
                sqlx::query(
                    "INSERT INTO members (conversation_id, user_id, role, joined_at_unix_ms,
                                          joined_version)
                     VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (conversation_id, user_id) DO UPDATE
                     SET role = excluded.role, joined_at_unix_ms = excluded.joined_at_unix_ms,
                         joined_version = excluded.joined_version, left_version = NULL",
                )
                .bind(row.id)
                .bind(user.as_uuid())
                .bind(role.as_str())
                .bind(now_unix_ms as i64)
                .bind(standing.version.get() as i64)
                .execute(&mut *tx)
                .await?;
                outbox::append(&mut tx, standing, user, Change::Joined(user)).await?;
                standing
            }
        };
        tx.commit().await?;
        Ok((row.conversation()?, standing))
    }

    /// Takes the caller out of a group; who left before stays out. An owner hands the group to the
    /// admin, else the member, who has been in it longest. The last one leaves an empty group behind,
    /// which keeps its name and can be joined.
    ///
    /// # Errors
    /// [`LeaveError::Unknown`] for who never was in it, [`LeaveError::Direct`] for a direct one.
    pub async fn leave(&self, id: ConversationId, user: UserId) -> Result<Standing, LeaveError> {
        let mut tx = self.pool.begin().await?;
        let row = lock(&mut tx, id).await?.ok_or(LeaveError::Unknown)?;
        let membership = role_of(&mut tx, id, user).await?;
        let standing = match membership {
            Membership::Never => return Err(LeaveError::Unknown),
            _ if row.is_direct() => return Err(LeaveError::Direct),
            Membership::Former => row.standing(),
            Membership::Current(role) => take_out(&mut tx, &row, user, user, role).await?,
        };
        tx.commit().await?;
        Ok(standing)
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
    ) -> Result<Standing, RemoveError> {
        let mut tx = self.pool.begin().await?;
        let row = lock(&mut tx, id).await?.ok_or(RemoveError::Unknown)?;
        let Membership::Current(actor_role) = role_of(&mut tx, id, actor).await? else {
            return Err(RemoveError::Unknown);
        };
        if row.is_direct() {
            return Err(RemoveError::Direct);
        }
        let standing = match role_of(&mut tx, id, target).await? {
            Membership::Current(role) if actor_role.may_remove(role) => {
                take_out(&mut tx, &row, actor, target, role).await?
            }
            Membership::Former | Membership::Never if actor_role.may_remove(Role::Member) => {
                row.standing()
            }
            _ => return Err(RemoveError::NotAllowed),
        };
        tx.commit().await?;
        Ok(standing)
    }

    /// A conversation with its members, for one of them; nobody else learns that it exists.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn view(
        &self,
        id: ConversationId,
        viewer: UserId,
    ) -> Result<Option<View>, sqlx::Error> {
        let row: Option<ConversationRow> = sqlx::query_as(
            "SELECT id, name, low, high, version, member_count, created_at_unix_ms
             FROM conversations c
             WHERE id = $1
               AND EXISTS (SELECT 1 FROM members m
                           WHERE m.conversation_id = c.id AND m.user_id = $2
                             AND m.left_version IS NULL)",
        )
        .bind(id.as_uuid())
        .bind(viewer.as_uuid())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let members: Vec<(Uuid, String, i64)> = sqlx::query_as(
            "SELECT user_id, role, joined_at_unix_ms FROM members
             WHERE conversation_id = $1 AND left_version IS NULL
             ORDER BY joined_version, user_id",
        )
        .bind(id.as_uuid())
        .fetch_all(&self.pool)
        .await?;
        Ok(Some(View {
            conversation: row.conversation()?,
            standing: row.standing(),
            members: members
                .into_iter()
                .map(|(user, role, joined)| {
                    Ok(Member {
                        user: UserId::from_uuid(user),
                        role: read_role(&role)?,
                        joined_at_unix_ms: joined as u64,
                    })
                })
                .collect::<Result<_, sqlx::Error>>()?,
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

    /// All conversations that somebody is in now, in no order.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn ids_of(&self, user: UserId) -> Result<Vec<ConversationId>, sqlx::Error> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT conversation_id FROM members WHERE user_id = $1 AND left_version IS NULL",
        )
        .bind(user.as_uuid())
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().map(ConversationId::from_uuid).collect())
    }

    /// Conversations by id, in no order; unknown ones are left out. Asks nobody's membership.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn by_ids(&self, ids: &[ConversationId]) -> Result<Vec<Conversation>, sqlx::Error> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows: Vec<ConversationRow> = sqlx::query_as(
            "SELECT id, name, low, high, version, member_count, created_at_unix_ms
             FROM conversations WHERE id = ANY($1)",
        )
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(ConversationRow::conversation).collect()
    }
}

enum Membership {
    Current(Role),
    Former,
    Never,
}

/// The row, locked until the transaction ends: changes of one conversation happen one after the other.
async fn lock(tx: &mut Tx<'_>, id: ConversationId) -> Result<Option<ConversationRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, name, low, high, version, member_count, created_at_unix_ms
         FROM conversations WHERE id = $1 FOR UPDATE",
    )
    .bind(id.as_uuid())
    .fetch_optional(&mut **tx)
    .await
}

async fn role_of(
    tx: &mut Tx<'_>,
    id: ConversationId,
    user: UserId,
) -> Result<Membership, sqlx::Error> {
    let row: Option<(String, bool)> = sqlx::query_as(
        "SELECT role, left_version IS NULL FROM members
         WHERE conversation_id = $1 AND user_id = $2",
    )
    .bind(id.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(match row {
        Some((role, true)) => Membership::Current(read_role(&role)?),
        Some((_, false)) => Membership::Former,
        None => Membership::Never,
    })
}

fn read_role(text: &str) -> Result<Role, sqlx::Error> {
    Role::parse(text).ok_or_else(|| sqlx::Error::Decode(format!("role `{text}`").into()))
}

/// Takes the next version of a locked conversation.
async fn advance(
    tx: &mut Tx<'_>,
    row: &ConversationRow,
    joined: i32,
) -> Result<Standing, sqlx::Error> {
    sqlx::query(
        "UPDATE conversations SET version = version + 1, member_count = member_count + $2
         WHERE id = $1",
    )
    .bind(row.id)
    .bind(joined)
    .execute(&mut **tx)
    .await?;
    Ok(Standing {
        conversation: row.id(),
        version: Version::new(row.version as u64 + 1),
    })
}

/// Takes a current member out of a locked group.
async fn take_out(
    tx: &mut Tx<'_>,
    row: &ConversationRow,
    actor: UserId,
    user: UserId,
    role: Role,
) -> Result<Standing, sqlx::Error> {
    let standing = advance(tx, row, -1).await?;
    sqlx::query("UPDATE members SET left_version = $3 WHERE conversation_id = $1 AND user_id = $2")
        .bind(row.id)
        .bind(user.as_uuid())
        .bind(standing.version.get() as i64)
        .execute(&mut **tx)
        .await?;
    if role == Role::Owner {
        sqlx::query(
            "UPDATE members SET role = 'owner'
             WHERE conversation_id = $1 AND user_id = (
                 SELECT user_id FROM members
                 WHERE conversation_id = $1 AND left_version IS NULL
                 ORDER BY role = 'admin' DESC, joined_version, user_id
                 LIMIT 1)",
        )
        .bind(row.id)
        .execute(&mut **tx)
        .await?;
    }
    outbox::append(tx, standing, actor, Change::Left(user)).await?;
    Ok(standing)
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

//! What the log has yet to learn. A row is written in the transaction of its change, and deleted
//! when Kafka has acknowledged it.

use std::time::Duration;

use ids::{ConversationId, UserId};
use proto::Message as _;
use proto::event::membership_change as wire;
use proto::event::{LogRecord, MembershipChange, log_record};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::domain::block::BlockState;
use crate::domain::conversation::{Picture, Standing, Version};
use crate::domain::group_name::GroupName;
use crate::domain::member::Role;

/// A change of membership, or of what members have to learn in its order.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    Created {
        members: &'a [UserId],
        /// Of a group.
        owner: Option<UserId>,
    },
    Joined(UserId, Role),
    Left(UserId),
    Renamed(&'a GroupName),
    RoleChanged(UserId, Role),
    PictureChanged(Picture),
    HistoryOpened {
        user: UserId,
        from_number: u64,
    },
    SettingsChanged {
        user: UserId,
        settings_version: u64,
    },
    /// The group is gone.
    Deleted,
    /// One of a one-to-one has gone for good.
    AccountDeleted(UserId),
    /// By whom, in a one-to-one.
    BlockChanged(UserId, BlockState),
}

/// A change on its way to the log.
#[derive(Debug, sqlx::FromRow)]
pub struct Pending {
    version: i64,
    /// An encoded [`LogRecord`].
    pub record: Vec<u8>,
    pub traceparent: Option<String>,
}

impl Pending {
    #[must_use]
    pub const fn version(&self) -> Version {
        Version::new(self.version as u64)
    }
}

/// Writes a change beside the rows that it is about.
pub(super) async fn append(
    tx: &mut Transaction<'_, Postgres>,
    standing: Standing,
    actor: UserId,
    change: Change<'_>,
) -> Result<(), sqlx::Error> {
    let record = encode(standing.version, actor, change);
    sqlx::query(
        "INSERT INTO outbox (conversation_id, version, record, traceparent)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(standing.conversation.as_uuid())
    .bind(standing.version.get() as i64)
    .bind(record)
    .bind(telemetry::current_traceparent())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn encode(version: Version, actor: UserId, change: Change<'_>) -> Vec<u8> {
    let change = match change {
        Change::Created { members, owner } => wire::Change::Created(wire::Created {
            members: members.iter().map(UserId::to_vec).collect(),
            owner: owner.map(|owner| owner.to_vec()).unwrap_or_default(),
        }),
        Change::Joined(user, role) => wire::Change::Joined(wire::Joined {
            user: user.to_vec(),
            role: wire_role(role).into(),
        }),
        Change::Left(user) => wire::Change::Left(wire::Left {
            user: user.to_vec(),
        }),
        Change::Renamed(name) => wire::Change::Renamed(wire::Renamed {
            name: name.to_string(),
        }),
        Change::RoleChanged(user, role) => wire::Change::RoleChanged(wire::RoleChanged {
            user: user.to_vec(),
            role: wire_role(role).into(),
        }),
        Change::PictureChanged(picture) => wire::Change::PictureChanged(wire::PictureChanged {
            picture: match picture {
                Picture::File(file) => file.to_string(),
                Picture::None => String::new(),
            },
        }),
        Change::HistoryOpened { user, from_number } => {
            wire::Change::HistoryOpened(wire::HistoryOpened {
                user: user.to_vec(),
                from_number,
            })
        }
        Change::SettingsChanged {
            user,
            settings_version,
        } => wire::Change::SettingsChanged(wire::SettingsChanged {
            user: user.to_vec(),
            settings_version,
        }),
        Change::BlockChanged(blocker, state) => wire::Change::BlockChanged(wire::BlockChanged {
            blocker: blocker.to_vec(),
            block: match state {
                BlockState::Blocked => proto::event::Block::Set,
                BlockState::NotBlocked => proto::event::Block::Lifted,
            }
            .into(),
        }),
        Change::Deleted => wire::Change::Deleted(wire::Deleted {}),
        Change::AccountDeleted(user) => wire::Change::AccountDeleted(wire::AccountDeleted {
            user: user.to_vec(),
        }),
    };
    LogRecord {
        // Nobody waits for it on a deliveries partition: the call asks for the version instead.
        origin: None,
        change: Some(log_record::Change::Membership(MembershipChange {
            version: version.get(),
            actor: actor.to_vec(),
            change: Some(change),
        })),
    }
    .encode_to_vec()
}

const fn wire_role(role: Role) -> proto::event::Role {
    match role {
        Role::Member => proto::event::Role::Member,
        Role::Admin => proto::event::Role::Admin,
        Role::Owner => proto::event::Role::Owner,
    }
}

#[derive(Clone)]
pub struct Outbox {
    pool: PgPool,
}

/// The right to publish the changes of one conversation: one holder at a time, in any process.
pub struct Publication {
    tx: Transaction<'static, Postgres>,
    conversation: ConversationId,
}

/// How much the log has yet to learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Seconds since the oldest row was written; 0 when there is none.
    pub oldest_seconds: f64,
}

impl Outbox {
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Whether a change, or one before it, is still here.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn holds(&self, standing: Standing) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE conversation_id = $1 AND version <= $2)",
        )
        .bind(standing.conversation.as_uuid())
        .bind(standing.version.get() as i64)
        .fetch_one(&self.pool)
        .await
    }

    /// Takes the right to publish a conversation's changes; `None` while another has it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn try_publication(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<Publication>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(lock_key(conversation))
            .fetch_one(&mut *tx)
            .await?;
        Ok(taken.then_some(Publication { tx, conversation }))
    }

    /// Conversations with a change older than `age`, those that wait longest first.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn overdue(
        &self,
        age: Duration,
        limit: u32,
    ) -> Result<Vec<ConversationId>, sqlx::Error> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT conversation_id FROM outbox
             WHERE created_at <= now() - make_interval(secs => $1)
             GROUP BY conversation_id ORDER BY min(created_at) LIMIT $2",
        )
        .bind(age.as_secs_f64())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().map(ConversationId::from_uuid).collect())
    }

    /// # Errors
    /// When Postgres fails.
    pub async fn backlog(&self) -> Result<Backlog, sqlx::Error> {
        let oldest_seconds: f64 = sqlx::query_scalar(
            "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM outbox",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Backlog { oldest_seconds })
    }
}

impl Publication {
    /// The oldest changes that are still here, in the order of their versions. A version commits only
    /// after the one before it, so what is seen has no gap.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn oldest(&mut self, limit: u32) -> Result<Vec<Pending>, sqlx::Error> {
        sqlx::query_as(
            "SELECT version, record, traceparent FROM outbox
             WHERE conversation_id = $1 ORDER BY version LIMIT $2",
        )
        .bind(self.conversation.as_uuid())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.tx)
        .await
    }

    /// Deletes what Kafka has acknowledged, up to and including `version`.
    ///
    /// # Errors
    /// When Postgres fails: then the rows stay and are published again, which the log ignores.
    pub async fn acknowledged(&mut self, version: Version) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM outbox WHERE conversation_id = $1 AND version <= $2")
            .bind(self.conversation.as_uuid())
            .bind(version.get() as i64)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Makes the deletions stand and gives the right back. Dropped without it, everything stays.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn finish(self) -> Result<(), sqlx::Error> {
        self.tx.commit().await
    }
}

/// The random half of the id (RFC 9562, section 5.7). Two conversations with the same key would only
/// wait for each other.
fn lock_key(conversation: ConversationId) -> i64 {
    let [_, _, _, _, _, _, _, _, tail @ ..] = *conversation.as_bytes();
    i64::from_be_bytes(tail)
}

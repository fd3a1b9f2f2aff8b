//! Who is in a conversation and what they may do, as the log has it.

use events::{Block, MembershipChange, membership_change};
use ids::{InvalidId, UserId};

use super::Position;

/// What a member may do, as far as the log has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Member,
    Admin,
    Owner,
}

impl Role {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The other way; `None` for a name of another version.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.as_str() == name)
    }

    const fn of(role: events::Role) -> Self {
        match role {
            events::Role::Owner => Self::Owner,
            events::Role::Admin => Self::Admin,
            events::Role::Member | events::Role::Unspecified => Self::Member,
        }
    }
}

impl From<Role> for events::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

/// A change of membership, parsed.
#[derive(Debug, Clone)]
pub struct Membership {
    pub version: u64,
    pub actor: UserId,
    pub change: MembershipEvent,
}

#[derive(Debug, Clone)]
pub enum MembershipEvent {
    Created {
        members: Vec<UserId>,
        owner: Option<UserId>,
    },
    Joined(UserId, Role),
    Left(UserId),
    Renamed(String),
    RoleChanged(UserId, Role),
    PictureChanged(String),
    HistoryOpened {
        user: UserId,
        from_number: u64,
    },
    Blocked(UserId),
    Unblocked(UserId),
    SettingsChanged {
        user: UserId,
        version: u64,
    },
    /// Everybody leaves: the group is gone.
    Deleted,
    /// One of a one-to-one has gone for good.
    AccountDeleted(UserId),
}

impl Membership {
    /// `None` when the record has a change that this version doesn't know: poison.
    ///
    /// # Errors
    /// When a field holds no id.
    pub fn parse(record: MembershipChange) -> Result<Option<Self>, InvalidId> {
        use membership_change::Change;
        let Some(change) = record.change else {
            return Ok(None);
        };
        let change = match change {
            Change::Created(created) => MembershipEvent::Created {
                members: created
                    .members
                    .iter()
                    .map(|id| UserId::from_slice(id))
                    .collect::<Result<_, _>>()?,
                owner: if created.owner.is_empty() {
                    None
                } else {
                    Some(UserId::from_slice(&created.owner)?)
                },
            },
            Change::Joined(joined) => {
                MembershipEvent::Joined(UserId::from_slice(&joined.user)?, Role::of(joined.role()))
            }
            Change::Left(left) => MembershipEvent::Left(UserId::from_slice(&left.user)?),
            Change::Renamed(renamed) => MembershipEvent::Renamed(renamed.name),
            Change::RoleChanged(changed) => MembershipEvent::RoleChanged(
                UserId::from_slice(&changed.user)?,
                Role::of(changed.role()),
            ),
            Change::PictureChanged(changed) => MembershipEvent::PictureChanged(changed.picture),
            Change::HistoryOpened(opened) => MembershipEvent::HistoryOpened {
                user: UserId::from_slice(&opened.user)?,
                from_number: opened.from_number,
            },
            Change::BlockChanged(changed) => {
                let blocker = UserId::from_slice(&changed.blocker)?;
                match changed.block() {
                    Block::Set => MembershipEvent::Blocked(blocker),
                    Block::Lifted => MembershipEvent::Unblocked(blocker),
                    Block::Unspecified => return Ok(None),
                }
            }
            Change::SettingsChanged(changed) => MembershipEvent::SettingsChanged {
                user: UserId::from_slice(&changed.user)?,
                version: changed.settings_version,
            },
            Change::Deleted(_) => MembershipEvent::Deleted,
            Change::AccountDeleted(deleted) => {
                MembershipEvent::AccountDeleted(UserId::from_slice(&deleted.user)?)
            }
        };
        Ok(Some(Self {
            version: record.version,
            actor: UserId::from_slice(&record.actor)?,
            change,
        }))
    }
}

/// A row of the history of membership; never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Whom it is about; of what is about nobody, who did it.
    pub user: UserId,
    pub position: Position,
    /// The entry that says it; 0: none.
    pub number: u64,
    pub event: MemberEvent,
}

/// What a [`MemberRow`] says of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberEvent {
    Joined(Role),
    Left,
    /// Left a one-to-one for good: nobody writes there any more.
    AccountDeleted,
    RoleChanged(Role),
    /// May see what came before, from this number on.
    HistoryOpened(u64),
    /// Blocks the other one.
    Blocked,
    Unblocked,
    /// Something of the conversation itself: kept so that it can be told again.
    OfConversation,
}

/// Somebody who is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Number of the entry by which they came.
    pub joined: u64,
    /// The first number that they may see.
    pub sees_from: u64,
    pub role: Role,
}

impl Member {
    pub const fn new(joined: u64, role: Role) -> Self {
        Self {
            joined,
            sees_from: joined,
            role,
        }
    }
}

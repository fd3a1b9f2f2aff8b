use ids::{ConversationId, FileId, UserId};

use super::description::Description;
use super::group_name::GroupName;
use super::member::Role;

/// A conversation as its members know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    pub kind: Kind,
    pub created_at_unix_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Direct(Pair),
    Group(Group),
}

/// What a group says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: GroupName,
    pub visibility: Visibility,
    pub description: Description,
    pub picture: Option<FileId>,
    pub member_count: u32,
}

/// Who can find a group and join it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody, by its name.
    Public,
    /// Who is added or invited.
    Private,
}

impl Visibility {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }

    /// From the spelling of [`Visibility::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Public, Self::Private]
            .into_iter()
            .find(|visibility| visibility.as_str() == text)
    }
}

/// What to change of a group; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChanges {
    pub name: Option<GroupName>,
    pub description: Option<Description>,
    pub picture: Option<Picture>,
    pub visibility: Option<Visibility>,
}

/// Another picture, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    File(FileId),
    None,
}

/// A group as somebody sees it who need not be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCard {
    pub id: ConversationId,
    pub group: Group,
    /// The viewer's; `None`: not in it.
    pub role: Option<Role>,
}

/// Two different people, in no order: whoever opens their conversation, it is the same pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    low: UserId,
    high: UserId,
}

/// There is no conversation of one with oneself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pair needs two different people")]
pub struct SamePerson;

impl Pair {
    /// # Errors
    /// [`SamePerson`] when both are the same.
    pub fn of(one: UserId, other: UserId) -> Result<Self, SamePerson> {
        match one.cmp(&other) {
            std::cmp::Ordering::Less => Ok(Self {
                low: one,
                high: other,
            }),
            std::cmp::Ordering::Greater => Ok(Self {
                low: other,
                high: one,
            }),
            std::cmp::Ordering::Equal => Err(SamePerson),
        }
    }

    #[must_use]
    pub const fn low(self) -> UserId {
        self.low
    }

    #[must_use]
    pub const fn high(self) -> UserId {
        self.high
    }

    /// The one of the two that `viewer` is not.
    #[must_use]
    pub fn peer_of(self, viewer: UserId) -> UserId {
        if viewer == self.low {
            self.high
        } else {
            self.low
        }
    }
}

/// The place of a conversation's membership in its own history: 1, 2, 3, … without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u64);

impl Version {
    #[must_use]
    pub const fn new(version: u64) -> Self {
        Self(version)
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What a change of membership left: the caller answers only after the log has applied `version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub conversation: ConversationId,
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_same_from_both_sides() {
        let (a, b) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let pair = Pair::of(a, b).unwrap();
        assert_eq!(Pair::of(b, a), Ok(pair));
        assert_eq!(pair.peer_of(a), b);
        assert_eq!(pair.peer_of(b), a);
        assert_eq!(Pair::of(a, a), Err(SamePerson));
    }
}

//! What callers are told. `docs/errors.md` lists the codes.

use std::time::Duration;

use problem::{Kind, Problem};

use crate::domain::conversation::SamePerson;
use crate::store::conversations::{
    CreateGroupError, JoinError, LeaveError, OpenDirectError, RemoveError,
};

/// One answer for "there is none" and "you are not in it": nobody can find out which conversations
/// exist.
pub fn conversation_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "conversation_unknown",
        "There is no such conversation, or you are not in it.",
    )
}

pub fn user_unknown() -> Problem {
    Problem::new(Kind::NotFound, "user_unknown", "There is no such person.")
}

/// The same for a block and for a setting: nobody learns that they were blocked.
pub fn not_allowed() -> Problem {
    Problem::new(Kind::PermissionDenied, "not_allowed", NOT_ALLOWED)
}

pub const NOT_ALLOWED: &str = "You can't reach this person.";

/// The change stands; only the log has not told yet that it has applied it.
pub fn membership_pending() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "membership_pending",
        "The change is made but has not reached everybody yet. The same call again waits for it.",
    )
    .with_retry_after(Duration::from_secs(1))
}

fn direct_is_fixed() -> Problem {
    Problem::new(
        Kind::FailedPrecondition,
        "direct_conversation_fixed",
        "Nobody leaves a one-to-one conversation or is removed from it.",
    )
}

impl From<SamePerson> for Problem {
    fn from(_: SamePerson) -> Self {
        Self::new(
            Kind::InvalidInput,
            "cannot_open_with_self",
            "A one-to-one conversation needs somebody else.",
        )
    }
}

impl From<OpenDirectError> for Problem {
    fn from(error: OpenDirectError) -> Self {
        match error {
            OpenDirectError::Blocked => not_allowed(),
            OpenDirectError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<CreateGroupError> for Problem {
    fn from(error: CreateGroupError) -> Self {
        match error {
            CreateGroupError::NameTaken => Self::new(
                Kind::AlreadyExists,
                "group_name_taken",
                "Another group has this name.",
            ),
            CreateGroupError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Unknown => Self::new(
                Kind::NotFound,
                "group_unknown",
                "There is no group of this name.",
            ),
            JoinError::Full => Self::new(
                Kind::FailedPrecondition,
                "group_full",
                "The group has as many members as a group may have.",
            ),
            JoinError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<LeaveError> for Problem {
    fn from(error: LeaveError) -> Self {
        match error {
            LeaveError::Unknown => conversation_unknown(),
            LeaveError::Direct => direct_is_fixed(),
            LeaveError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Unknown => conversation_unknown(),
            RemoveError::Direct => direct_is_fixed(),
            RemoveError::NotAllowed => Self::new(
                Kind::PermissionDenied,
                "role_insufficient",
                "Only owners, and admins for plain members, can remove somebody.",
            ),
            RemoveError::Database(error) => postgres::problem(&error),
        }
    }
}

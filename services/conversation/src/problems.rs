//! What callers are told. `docs/errors.md` lists the codes.

use std::time::Duration;

use problem::{Kind, Problem};

use crate::domain::conversation::SamePerson;
use crate::store::conversations::{
    CreateGroupError, JoinError, LeaveError, OpenDirectError, RemoveError,
};
use crate::store::groups::ChangeError;
use crate::store::invitations::{AcceptError, InviteError, MAX_OPEN};
use crate::store::settings::SettingsError;

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

pub fn group_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "group_unknown",
        "There is no public group of this name.",
    )
}

/// One answer for all tokens that let nobody in, whatever they were.
pub fn invitation_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "invitation_unknown",
        "There is no such invitation, or it has expired, was withdrawn or is used up.",
    )
}

fn name_taken() -> Problem {
    Problem::new(
        Kind::AlreadyExists,
        "group_name_taken",
        "Another group has this name.",
    )
}

fn group_full() -> Problem {
    Problem::new(
        Kind::FailedPrecondition,
        "group_full",
        "The group has as many members as a group may have.",
    )
}

fn role_insufficient() -> Problem {
    Problem::new(
        Kind::PermissionDenied,
        "role_insufficient",
        "Your role in this group doesn't allow it.",
    )
}

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
        "A one-to-one conversation has its two people, and no name, roles or invitations.",
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
            OpenDirectError::Departed => user_unknown(),
            OpenDirectError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<CreateGroupError> for Problem {
    fn from(error: CreateGroupError) -> Self {
        match error {
            CreateGroupError::NameTaken => name_taken(),
            CreateGroupError::Departed => user_unknown(),
            CreateGroupError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Unknown => group_unknown(),
            JoinError::Full => group_full(),
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
            RemoveError::NotAllowed => role_insufficient(),
            RemoveError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown => conversation_unknown(),
            ChangeError::Direct => direct_is_fixed(),
            ChangeError::NotAllowed => role_insufficient(),
            ChangeError::MemberUnknown => Self::new(
                Kind::NotFound,
                "member_unknown",
                "The group has no such member.",
            ),
            ChangeError::OwnerRequired => Self::new(
                Kind::FailedPrecondition,
                "owner_required",
                "A group has an owner: make somebody else one first.",
            ),
            ChangeError::NameTaken => name_taken(),
            ChangeError::Full => group_full(),
            ChangeError::Departed => user_unknown(),
            ChangeError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Group(error) => error.into(),
            InviteError::TooMany => Self::new(
                Kind::FailedPrecondition,
                "too_many_invitations",
                format!("A group has at most {MAX_OPEN} open invitations: revoke one first."),
            ),
            InviteError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Unknown => invitation_unknown(),
            AcceptError::Full => group_full(),
            AcceptError::Database(error) => postgres::problem(&error),
        }
    }
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Unknown => conversation_unknown(),
            SettingsError::TooManyPins => Self::new(
                Kind::FailedPrecondition,
                "too_many_pins",
                "No more conversations can be pinned: unpin one first.",
            ),
            SettingsError::PinsChanged => Self::new(
                Kind::FailedPrecondition,
                "pins_changed",
                "Other conversations are pinned than these: fetch them again.",
            ),
            SettingsError::Database(error) => postgres::problem(&error),
        }
    }
}

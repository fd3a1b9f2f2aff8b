//! What one record comes to: what is stored, and who is told what.

use ids::{MessageId, UserId};
use proto::socket::{Entry, Hidden, Receipt};

use crate::domain::membership::MemberRow;
use crate::domain::readers::{HiddenRow, ReaderRow};
use crate::domain::submission::IdKey;

/// A place in the log: offsets start anew with each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub epoch: u64,
    pub offset: i64,
}

/// Why the log refused a message, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    ConversationUnknown,
    NotAMember,
    Conflict,
    Expired,
    InFuture,
    ReplyToInvalid,
    NotAllowed,
    TargetUnknown,
    TargetDeleted,
    NotTheAuthor,
    TooManyChanges,
}

impl RefusalCode {
    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConversationUnknown => "conversation_unknown",
            Self::NotAMember => "not_a_member",
            Self::Conflict => "client_message_id_conflict",
            Self::Expired => "client_message_id_expired",
            Self::InFuture => "client_message_id_in_future",
            Self::ReplyToInvalid => "reply_to_invalid",
            Self::NotAllowed => "not_allowed",
            Self::TargetUnknown => "target_unknown",
            Self::TargetDeleted => "target_deleted",
            Self::NotTheAuthor => "not_the_author",
            Self::TooManyChanges => "too_many_changes",
        }
    }

    /// The sentence for people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::ConversationUnknown => "There is no such conversation.",
            Self::NotAMember => "Only members can write here.",
            Self::Conflict => "This client_message_id was used with other content.",
            Self::Expired => {
                "This client_message_id is older than 29 days and was never accepted: make a new one."
            }
            Self::InFuture => "The time in this client_message_id lies in the future.",
            Self::ReplyToInvalid => "reply_to_number names no entry of this conversation.",
            Self::NotAllowed => "You can't write here.",
            Self::TargetUnknown => "There is no such message for you in this conversation.",
            Self::TargetDeleted => "This message was deleted.",
            Self::NotTheAuthor => "Only who wrote a message can change it so.",
            Self::TooManyChanges => "This message was changed too often.",
        }
    }

    /// The other way; `None` for a code of another version.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        [
            Self::ConversationUnknown,
            Self::NotAMember,
            Self::Conflict,
            Self::Expired,
            Self::InFuture,
            Self::ReplyToInvalid,
            Self::NotAllowed,
            Self::TargetUnknown,
            Self::TargetDeleted,
            Self::NotTheAuthor,
            Self::TooManyChanges,
        ]
        .into_iter()
        .find(|refusal| refusal.as_str() == code)
    }
}

/// What became of a client message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accepted {
        number: u64,
        message_id: MessageId,
        time_unix_ms: i64,
    },
    Refused(RefusalCode),
}

/// The first record with a client message id, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstSeen {
    pub position: Position,
    /// Of the content: another one under the same id is a conflict.
    pub digest: [u8; 32],
    pub outcome: Outcome,
}

/// A row that says how a message was changed; kept with the message. Never changed once written.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    /// Number of the message.
    pub target: u64,
    /// The entry of the change.
    pub entry: Entry,
    pub position: Position,
}

/// A row that says that a message counts no longer; never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionRow {
    pub target: u64,
    pub position: Position,
}

/// What must be stored for one record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    pub entry: Option<StoredEntry>,
    pub first_seen: Option<(IdKey, FirstSeen)>,
    pub members: Vec<MemberRow>,
    pub reader: Option<ReaderRow>,
    pub hidden: Option<HiddenRow>,
    pub change: Option<ChangeRow>,
    pub deletion: Option<DeletionRow>,
}

impl Rows {
    pub(super) fn of_entry(
        entry: &Entry,
        position: Position,
        countable_sender: Option<UserId>,
    ) -> Self {
        Self {
            entry: Some(StoredEntry {
                entry: entry.clone(),
                position,
                countable_sender,
            }),
            ..Self::default()
        }
    }
}

/// An entry as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    pub entry: Entry,
    pub position: Position,
    /// Whose unread count it doesn't raise; absent: it raises nobody's.
    pub countable_sender: Option<UserId>,
}

/// What somebody is told of one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Everybody in `to` gets the entry; its origin takes it as the acknowledgement.
    Entry { to: Vec<UserId>, entry: Entry },
    /// Only the origin: the message had been decided before, or is refused.
    Outcome { key: IdKey, outcome: Outcome },
    /// The reader's devices (and the origin) learn where the reader stands now, if `standing` says so; the
    /// authors of what was reached learn how far the reader got.
    Moved {
        reader: UserId,
        standing: Standing,
        receipt: Option<(Vec<UserId>, Receipt)>,
    },
    /// The reader's devices learn what was hidden, and where the reader stands now.
    Hid {
        reader: UserId,
        hidden: Option<Hidden>,
    },
    /// The user's devices learn that the user's settings have changed.
    Settings { user: UserId, version: u64 },
    /// Only the origin: nothing that anybody has to learn.
    Nothing,
}

/// Who is told where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All devices of the reader.
    Devices,
    /// Whoever waits for it.
    Origin,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub rows: Rows,
    pub told: Told,
}

impl Applied {
    pub(super) fn nothing() -> Self {
        Self {
            rows: Rows::default(),
            told: Told::Nothing,
        }
    }

    pub(super) fn outcome(key: IdKey, outcome: Outcome) -> Self {
        Self {
            rows: Rows::default(),
            told: Told::Outcome { key, outcome },
        }
    }
}

//! How far members have got, and what they hid.

use std::collections::BTreeSet;

use ids::UserId;

use super::Position;

/// Most entries that a member may hide in one conversation.
pub const MAX_HIDDEN: usize = 10_000;

/// A row of the history of a reader's marks: all of them, after one moved. Never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderRow {
    pub reader: UserId,
    pub position: Position,
    pub time_unix_ms: i64,
    pub marks: Marks,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    pub delivered: u64,
    pub read: u64,
    /// Marked as unread by the reader.
    pub is_marked_unread: bool,
    /// How many entries the reader has hidden.
    pub hidden_count: u64,
    /// How often any of these changed.
    pub version: u64,
}

/// An entry that a member has hidden; never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenRow {
    pub reader: UserId,
    pub number: u64,
    /// How many are hidden with it: the order of hiding.
    pub count: u64,
    pub position: Position,
}

/// A reader as an owner has them in memory.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    pub marks: Marks,
    pub hidden: BTreeSet<u64>,
}

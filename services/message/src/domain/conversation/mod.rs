//! The state machine of a conversation: a pure function of its records in the log.
//!
//! A replay, or an owner that was paused and wakes up late, must come to the same bytes. So every
//! decision reads only what began before the record's own position in the log, times are the record's,
//! and nothing here depends on where a batch begins. What a decision needs from the store is fetched
//! beforehand and passed in, with the positions at which it began.

mod applied;
mod members;
mod messages;
mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ids::{ConversationId, UserId};
use proto::socket::{Entry, entry};

pub use self::applied::{
    Applied, ChangeRow, DeletionRow, FirstSeen, Outcome, Position, RefusalCode, Rows, Standing,
    StoredEntry, Told,
};
pub use self::messages::{IsDeletion, StoredTarget};
pub use self::reading::RECEIPTS_UP_TO_MEMBERS;
use super::membership::{Member, MemberEvent, MemberRow};
use super::readers::Reader;
use super::recent::{Recent, RecentEntries, Target};
use super::remembered_ids::RememberedIds;

/// Messages from before memory that are kept for the next change of them.
const REMEMBERED_TARGETS: usize = 1_024;

/// The head of a conversation as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub last_number: u64,
    pub countable_total: u64,
    pub membership_version: u64,
    pub position: Position,
    /// The broker's time of the last applied record.
    pub applied_time_unix_ms: i64,
    /// The broker's time of the last entry, for the order of lists.
    pub last_time_unix_ms: i64,
    /// The last entry that a list shows: no change of a message.
    pub last_shown_number: u64,
    /// Changes of messages, and how many of them are deletions: 0 saves reading them.
    pub changes_total: u64,
    pub deletions_total: u64,
}

/// A conversation as its owner has it in memory.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub id: ConversationId,
    /// `None`: nothing was applied yet.
    pub position: Option<Position>,
    pub last_number: u64,
    pub countable_total: u64,
    pub membership_version: u64,
    pub applied_time_unix_ms: i64,
    pub last_time_unix_ms: i64,
    pub last_shown_number: u64,
    pub changes_total: u64,
    pub deletions_total: u64,
    pub members: BTreeMap<UserId, Member>,
    /// Who blocks the other one of a one-to-one.
    blockers: BTreeSet<UserId>,
    /// One of a one-to-one has gone for good.
    is_closed: bool,
    /// Readers that were asked for.
    readers: HashMap<UserId, Reader>,
    /// Messages from before memory that were asked for, as of this state; `None`: no message.
    targets: HashMap<u64, Option<Target>>,
    /// What was deleted and may not be in the store yet.
    new_deletions: BTreeSet<u64>,
    ids: RememberedIds,
    recent: RecentEntries,
}

/// What an entry is to lists and counts.
enum Weight {
    /// A message: counts as unread for all but who wrote it.
    Countable(UserId),
    /// Stands in lists.
    Shown,
    /// A change of something that was there.
    Silent,
}

impl Conversation {
    /// A conversation of which the store knows nothing.
    #[must_use]
    pub fn unknown(id: ConversationId) -> Self {
        Self {
            id,
            position: None,
            last_number: 0,
            countable_total: 0,
            membership_version: 0,
            applied_time_unix_ms: 0,
            last_time_unix_ms: 0,
            last_shown_number: 0,
            changes_total: 0,
            deletions_total: 0,
            members: BTreeMap::new(),
            blockers: BTreeSet::new(),
            is_closed: false,
            readers: HashMap::new(),
            targets: HashMap::new(),
            new_deletions: BTreeSet::new(),
            // Every id of a conversation that begins now will be met here.
            ids: RememberedIds::since(0),
            recent: RecentEntries::default(),
        }
    }

    /// The state as of a stored head. `members` may hold rows from beyond the head, written by an owner
    /// that went further: they are not read.
    #[must_use]
    pub fn as_of(id: ConversationId, head: Head, mut members: Vec<MemberRow>) -> Self {
        members.retain(|row| row.position <= head.position);
        members.sort_by_key(|row| row.position);
        let mut state = Self {
            position: Some(head.position),
            last_number: head.last_number,
            countable_total: head.countable_total,
            membership_version: head.membership_version,
            applied_time_unix_ms: head.applied_time_unix_ms,
            last_time_unix_ms: head.last_time_unix_ms,
            last_shown_number: head.last_shown_number,
            changes_total: head.changes_total,
            deletions_total: head.deletions_total,
            ids: RememberedIds::since(head.applied_time_unix_ms.max(0) as u64),
            recent: RecentEntries::after(head.last_number),
            ..Self::unknown(id)
        };
        for row in members {
            state.take_in(&row);
        }
        state
    }

    fn take_in(&mut self, row: &MemberRow) {
        match row.event {
            MemberEvent::Joined(role) => {
                self.members.insert(row.user, Member::new(row.number, role));
            }
            MemberEvent::Left => {
                self.members.remove(&row.user);
            }
            MemberEvent::AccountDeleted => {
                self.members.remove(&row.user);
                self.is_closed = true;
            }
            MemberEvent::RoleChanged(role) => {
                if let Some(member) = self.members.get_mut(&row.user) {
                    member.role = role;
                }
            }
            MemberEvent::HistoryOpened(from) => {
                if let Some(member) = self.members.get_mut(&row.user) {
                    member.sees_from = member.sees_from.min(from);
                }
            }
            MemberEvent::Blocked => {
                self.blockers.insert(row.user);
            }
            MemberEvent::Unblocked => {
                self.blockers.remove(&row.user);
            }
            MemberEvent::OfConversation => {}
        }
    }

    /// The head to store; `None` while nothing was applied.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.position.map(|position| Head {
            last_number: self.last_number,
            countable_total: self.countable_total,
            membership_version: self.membership_version,
            position,
            applied_time_unix_ms: self.applied_time_unix_ms,
            last_time_unix_ms: self.last_time_unix_ms,
            last_shown_number: self.last_shown_number,
            changes_total: self.changes_total,
            deletions_total: self.deletions_total,
        })
    }

    /// Who blocks the other one of a one-to-one.
    pub fn blockers(&self) -> impl Iterator<Item = UserId> {
        self.blockers.iter().copied()
    }

    /// Whether the record at `position` is in this state already.
    #[must_use]
    pub fn has_applied(&self, position: Position) -> bool {
        self.position.is_some_and(|applied| applied >= position)
    }

    /// Lets go of what is too old to keep. Only before a batch, when the one before it is stored:
    /// [`Self::must_look_up`] and [`Self::must_fetch_target`] must stay true until the batch is applied.
    pub fn forget_oldest(&mut self) {
        self.ids.forget_oldest();
        self.new_deletions.clear();
        if self.targets.len() > REMEMBERED_TARGETS {
            self.targets.clear();
        }
    }

    /// Goes past a record that was set aside.
    pub fn skip(&mut self, position: Position, time_unix_ms: i64) {
        self.advance(position, time_unix_ms);
    }

    fn advance(&mut self, position: Position, time_unix_ms: i64) {
        self.position = Some(position);
        self.applied_time_unix_ms = time_unix_ms;
    }

    fn number(
        &mut self,
        time_unix_ms: i64,
        actor: UserId,
        weight: Weight,
        change: entry::Change,
    ) -> Entry {
        // Gapless: a reader counts what it missed by subtraction.
        self.last_number += 1;
        match weight {
            Weight::Silent => {}
            Weight::Shown | Weight::Countable(_) => {
                self.last_time_unix_ms = time_unix_ms;
                self.last_shown_number = self.last_number;
            }
        }
        self.recent.push(match weight {
            Weight::Countable(author) => {
                self.countable_total += 1;
                Recent::Message(Target {
                    author,
                    is_deleted: false,
                    changes: 0,
                })
            }
            Weight::Shown | Weight::Silent => Recent::Other,
        });
        Entry {
            conversation_id: self.id.to_string(),
            number: self.last_number,
            previous_number: self.last_number - 1,
            countable_total: self.countable_total,
            time_unix_ms,
            actor_id: actor.to_string(),
            change: Some(change),
        }
    }
}

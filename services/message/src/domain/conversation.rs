//! The state machine of a conversation: a pure function of its records in the log.
//!
//! A replay, or an owner that was paused and wakes up late, must come to the same bytes. So every
//! decision reads only what began before the record's own position in the log, times are the record's,
//! and nothing here depends on where a batch begins. What a decision needs from the store is fetched
//! beforehand and passed in, with the positions at which it began.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use events::{CLIENT_MESSAGE_ID_MAX_AGE_MS, CLIENT_MESSAGE_ID_MAX_AHEAD_MS};
use ids::{ConversationId, MessageId, UserId};
use proto::socket::{
    Created, Deleted, Edited, Entry, GroupDeleted, Hidden, HistoryOpened, Joined, Left, Message,
    PictureChanged, Reacted, Receipt, Renamed, RoleChanged, entry, reacted,
};

use super::membership::{Member, MemberEvent, MemberRow, Membership, MembershipEvent, Role};
use super::readers::{HiddenRow, MAX_HIDDEN, Marks, Reader, ReaderRow};
use super::recent::{Recent, RecentEntries, Target};
use super::remembered_ids::RememberedIds;
use super::submission::{Content, IdKey, MessageChange, Submission};

/// How often one message may be changed; it can always be deleted.
const MAX_CHANGES: u32 = 5_000;
/// In conversations up to this size authors are told how far readers have got; in larger ones they ask.
pub const RECEIPTS_UP_TO_MEMBERS: usize = 100;
/// Messages from before memory that are kept for the next change of them.
const REMEMBERED_TARGETS: usize = 1_024;

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
    ConversationClosed,
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
            Self::ConversationClosed => "conversation_closed",
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
            Self::ConversationClosed => {
                "The other one's account was deleted: nobody writes here any more."
            }
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
            Self::ConversationClosed,
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

/// What the store has of a message that is to be changed, from before or after any position.
#[derive(Debug, Clone, Default)]
pub struct StoredTarget {
    pub entry: Option<StoredEntry>,
    /// Where it was changed, and whether that was a deletion.
    pub changes: Vec<(Position, IsDeletion)>,
}

/// Whether a change took the message away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsDeletion {
    Yes,
    No,
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

    /// The key under which the store may know this message from a time before this state was loaded;
    /// `None` when memory alone can tell.
    #[must_use]
    pub fn must_look_up(&self, submission: &Submission) -> Option<IdKey> {
        let key = submission.key();
        let in_memory =
            self.ids.get(&key).is_some() || self.ids.covers(submission.client_message_id);
        (!in_memory).then_some(key)
    }

    /// Whether the message with this number has to be fetched before it is changed.
    #[must_use]
    pub fn must_fetch_target(&self, number: u64) -> bool {
        (1..=self.last_number).contains(&number)
            && !self.recent.keeps_through_a_batch(number)
            && !self.targets.contains_key(&number)
    }

    /// A message as of this state, from the store's rows: rows from beyond it are not read.
    pub fn learn_target(&mut self, number: u64, stored: &StoredTarget) {
        let entry = stored
            .entry
            .as_ref()
            .filter(|stored| self.has_applied(stored.position));
        let target = entry
            .and_then(|stored| stored.countable_sender)
            .map(|author| {
                let changes = stored
                    .changes
                    .iter()
                    .filter(|(position, _)| self.has_applied(*position));
                Target {
                    author,
                    is_deleted: changes.clone().any(|(_, is)| *is == IsDeletion::Yes),
                    changes: u32::try_from(changes.count()).unwrap_or(u32::MAX),
                }
            });
        self.targets.entry(number).or_insert(target);
    }

    /// Whether the reader has to be fetched before [`Self::mark`], [`Self::mark_unread`] and [`Self::hide`].
    #[must_use]
    pub fn knows_reader(&self, reader: UserId) -> bool {
        self.readers.contains_key(&reader)
    }

    /// The reader as of this state, from the store's rows (any order): rows from beyond it are not read.
    pub fn learn_reader(&mut self, reader: UserId, rows: &[ReaderRow], hidden: &[HiddenRow]) {
        let marks = rows
            .iter()
            .filter(|row| self.has_applied(row.position))
            .max_by_key(|row| row.position)
            .map(|row| row.marks)
            .unwrap_or_default();
        let hidden = hidden
            .iter()
            .filter(|row| self.has_applied(row.position))
            .map(|row| row.number)
            .collect();
        self.readers
            .entry(reader)
            .or_insert(Reader { marks, hidden });
    }

    /// Applies a message or a change of one. `found` is what the store has under its client message id, if
    /// that was looked up. The message that is changed must be known ([`Self::must_fetch_target`]).
    pub fn submit(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        submission: Submission,
        found: Option<&FirstSeen>,
    ) -> Applied {
        let key = submission.key();
        let digest = submission.digest();
        // The store may show this very record, or later ones, written by another owner: only what was
        // first seen at a smaller position was there before it.
        let first = self
            .ids
            .get(&key)
            .or(found)
            .filter(|first| first.position < position)
            .cloned();
        self.advance(position, time_unix_ms);
        if let Some(first) = first {
            let outcome = if first.digest == digest {
                first.outcome.clone()
            } else {
                Outcome::Refused(RefusalCode::Conflict)
            };
            self.ids.remember(key, first, time_unix_ms);
            return Applied::outcome(key, outcome);
        }
        if self.membership_version == 0 {
            return Applied::outcome(key, Outcome::Refused(RefusalCode::ConversationUnknown));
        }
        let now = time_unix_ms.max(0) as u64;
        let made = submission.client_message_id.unix_ms();
        // These two depend on the record's time alone and are not remembered.
        if made > now.saturating_add(CLIENT_MESSAGE_ID_MAX_AHEAD_MS) {
            return Applied::outcome(key, Outcome::Refused(RefusalCode::InFuture));
        }
        if made.saturating_add(CLIENT_MESSAGE_ID_MAX_AGE_MS) < now {
            return Applied::outcome(key, Outcome::Refused(RefusalCode::Expired));
        }
        if let Some(refusal) = self.refusal(&submission) {
            let outcome = Outcome::Refused(refusal);
            let first = FirstSeen {
                position,
                digest,
                outcome: outcome.clone(),
            };
            self.ids.remember(key, first.clone(), time_unix_ms);
            return Applied {
                rows: Rows {
                    first_seen: Some((key, first)),
                    ..Rows::default()
                },
                told: Told::Outcome { key, outcome },
            };
        }

        let id = submission.id;
        let (entry, rows) = self.append(position, time_unix_ms, submission);
        let first = FirstSeen {
            position,
            digest,
            outcome: Outcome::Accepted {
                number: entry.number,
                message_id: id,
                time_unix_ms,
            },
        };
        self.ids.remember(key, first.clone(), time_unix_ms);
        Applied {
            rows: Rows {
                first_seen: Some((key, first)),
                ..rows
            },
            told: Told::Entry {
                to: self.members.keys().copied().collect(),
                entry,
            },
        }
    }

    /// Why the log refuses it, from what the log itself says.
    fn refusal(&self, submission: &Submission) -> Option<RefusalCode> {
        let Some(member) = self.members.get(&submission.sender) else {
            return Some(RefusalCode::NotAMember);
        };
        let is_deletion = matches!(
            submission.content,
            Content::Change {
                change: MessageChange::Delete,
                ..
            }
        );
        if self.is_closed && !is_deletion {
            return Some(RefusalCode::ConversationClosed);
        }
        if !self.blockers.is_empty() && !is_deletion {
            return Some(RefusalCode::NotAllowed);
        }
        let (target, change) = match &submission.content {
            Content::Message {
                reply_to_number, ..
            } => {
                return (*reply_to_number > self.last_number)
                    .then_some(RefusalCode::ReplyToInvalid);
            }
            Content::Change { target, change } => (*target, change),
        };
        let Some(message) = self.target(target) else {
            return Some(RefusalCode::TargetUnknown);
        };
        let is_author = message.author == submission.sender;
        if !is_author && target < member.sees_from {
            return Some(RefusalCode::TargetUnknown);
        }
        if message.is_deleted {
            return Some(RefusalCode::TargetDeleted);
        }
        match change {
            MessageChange::Delete => {
                (!is_author && member.role < Role::Admin).then_some(RefusalCode::NotTheAuthor)
            }
            MessageChange::Edit { .. } if !is_author => Some(RefusalCode::NotTheAuthor),
            _ => (message.changes >= MAX_CHANGES).then_some(RefusalCode::TooManyChanges),
        }
    }

    fn target(&self, number: u64) -> Option<Target> {
        match self.recent.get(number) {
            Some(Recent::Message(message)) => Some(message),
            Some(Recent::Other) => None,
            None => self.targets.get(&number).copied().flatten(),
        }
    }

    /// Numbers what was not refused.
    fn append(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        submission: Submission,
    ) -> (Entry, Rows) {
        let sender = submission.sender;
        let client_message_id = submission.client_message_id.to_string();
        let (target, change) = match submission.content {
            Content::Message {
                text,
                attachments,
                reply_to_number,
            } => {
                let entry = self.number(
                    time_unix_ms,
                    sender,
                    Weight::Countable(sender),
                    entry::Change::Message(Message {
                        message_id: submission.id.to_string(),
                        client_message_id,
                        text,
                        attachment_ids: attachments.iter().map(ToString::to_string).collect(),
                        reply_to_number,
                        ..Message::default()
                    }),
                );
                let rows = Rows::of_entry(&entry, position, Some(sender));
                return (entry, rows);
            }
            Content::Change { target, change } => (target, change),
        };
        let is_deletion = change == MessageChange::Delete;
        let change_id = submission.id.to_string();
        let reacted = |reaction| {
            entry::Change::Reacted(Reacted {
                client_message_id: client_message_id.clone(),
                number: target,
                change_id: change_id.clone(),
                reaction: Some(reaction),
            })
        };
        let change = match change {
            MessageChange::Edit { text } => entry::Change::Edited(Edited {
                client_message_id,
                number: target,
                text,
                change_id,
            }),
            MessageChange::Delete => entry::Change::Deleted(Deleted {
                client_message_id,
                number: target,
                author_id: self
                    .target(target)
                    .map(|message| message.author.to_string())
                    .unwrap_or_default(),
                change_id,
            }),
            MessageChange::AddReaction(emoji) => reacted(reacted::Reaction::Added(emoji)),
            MessageChange::RemoveReaction(emoji) => reacted(reacted::Reaction::Removed(emoji)),
        };
        let changed = match self.recent.message_mut(target) {
            Some(message) => Some(message),
            None => self.targets.get_mut(&target).and_then(Option::as_mut),
        };
        if let Some(message) = changed {
            message.changes += 1;
            message.is_deleted |= is_deletion;
        }
        self.changes_total += 1;
        if is_deletion {
            self.deletions_total += 1;
            self.new_deletions.insert(target);
            self.recent.forget_all();
        }
        let entry = self.number(time_unix_ms, sender, Weight::Silent, change);
        let rows = Rows {
            change: Some(ChangeRow {
                target,
                entry: entry.clone(),
                position,
            }),
            deletion: is_deletion.then_some(DeletionRow { target, position }),
            ..Rows::of_entry(&entry, position, None)
        };
        (entry, rows)
    }

    /// Applies a change of membership. A version that was passed changes nothing.
    pub fn change_membership(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        membership: &Membership,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        if membership.version <= self.membership_version {
            return Applied::nothing();
        }
        self.membership_version = membership.version;
        let row = |user: UserId, event: MemberEvent| MemberRow {
            user,
            position,
            number: 0,
            event,
        };
        // What an entry says, and what of it is kept of whom.
        let (change, mut rows) = match &membership.change {
            MembershipEvent::Created { members, owner } => {
                let users: BTreeSet<UserId> = members
                    .iter()
                    .filter(|user| !self.members.contains_key(user))
                    .copied()
                    .collect();
                let role = |user| match owner {
                    Some(owner) if *owner == user => Role::Owner,
                    _ => Role::Member,
                };
                let change = entry::Change::Created(Created {
                    member_ids: users.iter().map(ToString::to_string).collect(),
                });
                let rows = users
                    .into_iter()
                    .map(|user| row(user, MemberEvent::Joined(role(user))))
                    .collect();
                (change, rows)
            }
            MembershipEvent::Joined(user, _) if self.members.contains_key(user) => {
                return Applied::nothing();
            }
            MembershipEvent::Joined(user, role) => (
                entry::Change::Joined(Joined {
                    user_id: user.to_string(),
                }),
                vec![row(*user, MemberEvent::Joined(*role))],
            ),
            MembershipEvent::Left(user)
            | MembershipEvent::AccountDeleted(user)
            | MembershipEvent::RoleChanged(user, _)
            | MembershipEvent::HistoryOpened { user, .. }
                if !self.members.contains_key(user) =>
            {
                return Applied::nothing();
            }
            MembershipEvent::Left(user) => (
                entry::Change::Left(Left {
                    user_id: user.to_string(),
                }),
                vec![row(*user, MemberEvent::Left)],
            ),
            MembershipEvent::AccountDeleted(user) => (
                entry::Change::Left(Left {
                    user_id: user.to_string(),
                }),
                vec![row(*user, MemberEvent::AccountDeleted)],
            ),
            MembershipEvent::RoleChanged(user, role) => (
                entry::Change::RoleChanged(RoleChanged {
                    user_id: user.to_string(),
                    role: role.as_str().to_owned(),
                }),
                vec![row(*user, MemberEvent::RoleChanged(*role))],
            ),
            MembershipEvent::HistoryOpened { user, from_number } => {
                let from_number = (*from_number).max(1);
                (
                    entry::Change::HistoryOpened(HistoryOpened {
                        user_id: user.to_string(),
                        from_number,
                    }),
                    vec![row(*user, MemberEvent::HistoryOpened(from_number))],
                )
            }
            MembershipEvent::Renamed(name) => (
                entry::Change::Renamed(Renamed { name: name.clone() }),
                vec![row(membership.actor, MemberEvent::OfConversation)],
            ),
            MembershipEvent::PictureChanged(picture) => (
                entry::Change::PictureChanged(PictureChanged {
                    picture: picture.clone(),
                }),
                vec![row(membership.actor, MemberEvent::OfConversation)],
            ),
            MembershipEvent::Deleted if self.members.is_empty() => return Applied::nothing(),
            MembershipEvent::Deleted => {
                let everybody = self.members.keys();
                let rows = everybody
                    .map(|user| row(*user, MemberEvent::Left))
                    .collect();
                (entry::Change::GroupDeleted(GroupDeleted {}), rows)
            }
            MembershipEvent::Blocked(user) => {
                return self.note_silently(row(*user, MemberEvent::Blocked));
            }
            MembershipEvent::Unblocked(user) => {
                return self.note_silently(row(*user, MemberEvent::Unblocked));
            }
            MembershipEvent::SettingsChanged { user, version } => {
                return Applied {
                    rows: Rows::default(),
                    told: Told::Settings {
                        user: *user,
                        version: *version,
                    },
                };
            }
        };
        let entry = self.number(time_unix_ms, membership.actor, Weight::Shown, change);
        // Who comes is told of it, and who leaves still sees that they left.
        let mut to: BTreeSet<UserId> = self.members.keys().copied().collect();
        for row in &mut rows {
            row.number = entry.number;
            self.take_in(row);
            self.recent.forget(row.user);
        }
        to.extend(self.members.keys());
        Applied {
            rows: Rows {
                members: rows,
                ..Rows::of_entry(&entry, position, None)
            },
            told: Told::Entry {
                to: to.into_iter().collect(),
                entry,
            },
        }
    }

    /// Keeps what nobody is told.
    fn note_silently(&mut self, row: MemberRow) -> Applied {
        self.take_in(&row);
        Applied {
            rows: Rows {
                members: vec![row],
                ..Rows::default()
            },
            told: Told::Nothing,
        }
    }

    /// Moves a reader's marks up; never beyond the head, never down. The reader must be known
    /// ([`Self::learn_reader`]).
    pub fn mark(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        reader: UserId,
        read: u64,
        delivered: u64,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        let last = self.last_number;
        let Some(marks) = self.marks_of_member(reader) else {
            return Applied::nothing();
        };
        let before = *marks;
        marks.read = marks.read.max(read.min(last));
        marks.delivered = marks.delivered.max(delivered.min(last)).max(marks.read);
        // Who reads to where they were takes their own mark off; what was read before it doesn't.
        if read > 0 && read.min(last) >= before.read {
            marks.is_marked_unread = false;
        }
        let moved = *marks != before;
        marks.version += u64::from(moved);
        let after = *marks;
        if after.read != before.read {
            self.recent.forget(reader);
        }
        let receipt = (moved && self.members.len() <= RECEIPTS_UP_TO_MEMBERS).then(|| {
            let begin = if after.read > before.read {
                before.read
            } else {
                before.delivered
            };
            let end = if after.delivered > before.delivered {
                after.delivered
            } else {
                after.read
            };
            let mut authors = self.recent.authors(begin, end);
            authors.retain(|author| *author != reader && self.members.contains_key(author));
            (authors, self.receipt(reader, after, time_unix_ms))
        });
        Applied {
            rows: Rows {
                reader: moved.then_some(ReaderRow {
                    reader,
                    position,
                    time_unix_ms,
                    marks: after,
                }),
                ..Rows::default()
            },
            told: Told::Moved {
                reader,
                standing: if read > 0 {
                    Standing::Devices
                } else {
                    Standing::Origin
                },
                receipt: receipt.filter(|(authors, _)| !authors.is_empty()),
            },
        }
    }

    /// What everybody else may be told again of a reader's marks.
    #[must_use]
    pub fn receipt_again(&self, reader: UserId) -> Option<(Vec<UserId>, Receipt)> {
        let marks = self.readers.get(&reader)?.marks;
        if self.members.len() > RECEIPTS_UP_TO_MEMBERS || !self.members.contains_key(&reader) {
            return None;
        }
        let others = self.members.keys().filter(|user| **user != reader);
        let receipt = self.receipt(reader, marks, self.applied_time_unix_ms);
        Some((others.copied().collect(), receipt))
    }

    fn receipt(&self, reader: UserId, marks: Marks, time_unix_ms: i64) -> Receipt {
        Receipt {
            conversation_id: self.id.to_string(),
            user_id: reader.to_string(),
            delivered_number: marks.delivered,
            read_number: marks.read,
            time_unix_ms,
        }
    }

    /// Marks the conversation as unread for one reader, who must be known.
    pub fn mark_unread(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        reader: UserId,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        let Some(marks) = self.marks_of_member(reader) else {
            return Applied::nothing();
        };
        let moved = !std::mem::replace(&mut marks.is_marked_unread, true);
        marks.version += u64::from(moved);
        let marks = *marks;
        Applied {
            rows: Rows {
                reader: moved.then_some(ReaderRow {
                    reader,
                    position,
                    time_unix_ms,
                    marks,
                }),
                ..Rows::default()
            },
            told: Told::Moved {
                reader,
                standing: Standing::Devices,
                receipt: None,
            },
        }
    }

    /// Hides an entry from one reader, who must be known. What isn't there, is hidden already or is one too
    /// many changes nothing.
    pub fn hide(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        reader: UserId,
        number: u64,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        if !self.members.contains_key(&reader) {
            return Applied::nothing();
        }
        let can_hide = (1..=self.last_number).contains(&number);
        let known = self.readers.entry(reader).or_default();
        if !can_hide || known.hidden.len() >= MAX_HIDDEN || !known.hidden.insert(number) {
            return Applied {
                rows: Rows::default(),
                told: Told::Hid {
                    reader,
                    hidden: None,
                },
            };
        }
        known.marks.hidden_count += 1;
        known.marks.version += 1;
        let marks = known.marks;
        self.recent.forget(reader);
        Applied {
            rows: Rows {
                reader: Some(ReaderRow {
                    reader,
                    position,
                    time_unix_ms,
                    marks,
                }),
                hidden: Some(HiddenRow {
                    reader,
                    number,
                    count: marks.hidden_count,
                    position,
                }),
                ..Rows::default()
            },
            told: Told::Hid {
                reader,
                hidden: Some(self.hidden(number, marks.hidden_count)),
            },
        }
    }

    /// What a reader's devices may be told again of an entry that the reader hid.
    #[must_use]
    pub fn hidden_again(&self, reader: UserId, number: u64) -> Option<Hidden> {
        let known = self.readers.get(&reader)?;
        known
            .hidden
            .contains(&number)
            .then(|| self.hidden(number, known.marks.hidden_count))
    }

    fn hidden(&self, number: u64, hidden_count: u64) -> Hidden {
        Hidden {
            conversation_id: self.id.to_string(),
            number,
            hidden_count,
        }
    }

    fn marks_of_member(&mut self, reader: UserId) -> Option<&mut Marks> {
        self.members
            .contains_key(&reader)
            .then(|| &mut self.readers.entry(reader).or_default().marks)
    }

    /// Goes past a record that was set aside.
    pub fn skip(&mut self, position: Position, time_unix_ms: i64) {
        self.advance(position, time_unix_ms);
    }

    /// The member's marks, and from where on their unread messages count: the mark, or the entry by which
    /// they came.
    #[must_use]
    pub fn counts_from(&self, reader: UserId) -> Option<(Marks, u64)> {
        let joined = self.members.get(&reader)?.joined;
        let marks = self
            .readers
            .get(&reader)
            .map(|reader| reader.marks)
            .unwrap_or_default();
        Some((marks, marks.read.max(joined)))
    }

    /// The reader's unread count: countable messages above `from` by others that are neither deleted nor
    /// hidden. `Err` holds the number up to which the store has to count first.
    ///
    /// # Errors
    /// The last number that memory doesn't cover; pass the count to [`Self::learn_unread`].
    pub fn unread_in_memory(&mut self, reader: UserId, from: u64) -> Result<u64, u64> {
        if let Some(unread) = self.recent.known(reader, self.countable_total) {
            return Ok(unread);
        }
        let before_memory = self.recent.before_memory();
        if from < before_memory {
            return Err(before_memory);
        }
        Ok(self.learn_unread(reader, from, 0))
    }

    /// Numbers that the store must not count for the reader, besides what it knows to be deleted as of this
    /// state.
    #[must_use]
    pub fn not_counted(&self, reader: UserId) -> BTreeSet<u64> {
        let mut numbers = self.new_deletions.clone();
        if let Some(reader) = self.readers.get(&reader) {
            numbers.extend(&reader.hidden);
        }
        numbers
    }

    /// Completes what the store counted up to where memory begins, keeps it and returns it.
    pub fn learn_unread(&mut self, reader: UserId, from: u64, in_store: u64) -> u64 {
        let hidden = self.readers.get(&reader).map(|reader| &reader.hidden);
        let in_memory = self.recent.by_others(reader, from, |number| {
            hidden.is_some_and(|hidden| hidden.contains(&number))
        });
        let unread = in_store + in_memory;
        self.recent.learn(reader, unread, self.countable_total);
        unread
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

impl Rows {
    fn of_entry(entry: &Entry, position: Position, countable_sender: Option<UserId>) -> Self {
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

impl Applied {
    fn nothing() -> Self {
        Self {
            rows: Rows::default(),
            told: Told::Nothing,
        }
    }

    fn outcome(key: IdKey, outcome: Outcome) -> Self {
        Self {
            rows: Rows::default(),
            told: Told::Outcome { key, outcome },
        }
    }
}

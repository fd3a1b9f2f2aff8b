//! The state machine of a conversation: a pure function of its records in the log.
//!
//! A replay, or an owner that was paused and wakes up late, must come to the same bytes. So every
//! decision reads only what began before the record's own position in the log, times are the record's,
//! and nothing here depends on where a batch begins. What a decision needs from the store is fetched
//! beforehand and passed in, with the positions at which it began.

use std::collections::{BTreeMap, HashMap, VecDeque};

use events::{
    CLIENT_MESSAGE_ID_MAX_AGE_MS, CLIENT_MESSAGE_ID_MAX_AHEAD_MS, MembershipChange, SendMessage,
    membership_change,
};
use ids::{ClientMessageId, ConversationId, FileId, InvalidId, MessageId, UserId};
use proto::socket::{Created, Entry, Joined, Left, Message, entry};
use sha2::{Digest as _, Sha256};

/// How many of the latest entries a conversation keeps in memory to count unread messages.
///
/// More than a batch of the log holds: what has left memory is in the store.
const RECENT_ENTRIES: usize = 1_024;
/// How many client message ids a conversation keeps in memory.
const REMEMBERED_IDS: usize = 1_024;
/// How much later than its own time a client message id may first have been met in the log, clock
/// steps of the broker included.
const ID_LEAD_MS: u64 = CLIENT_MESSAGE_ID_MAX_AHEAD_MS + 60_000;

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

/// Key of a client message id within a conversation.
pub type IdKey = (UserId, ClientMessageId);

/// A message as the log has it, parsed.
#[derive(Debug, Clone)]
pub struct Submission {
    pub sender: UserId,
    pub client_message_id: ClientMessageId,
    pub message_id: MessageId,
    pub text: String,
    pub attachments: Vec<FileId>,
    pub reply_to_number: u64,
}

impl TryFrom<SendMessage> for Submission {
    type Error = InvalidId;

    fn try_from(send: SendMessage) -> Result<Self, InvalidId> {
        Ok(Self {
            sender: UserId::from_slice(&send.sender)?,
            client_message_id: ClientMessageId::from_slice(&send.client_message_id)?,
            message_id: MessageId::from_slice(&send.message_id)?,
            text: send.text,
            attachments: send
                .attachment_ids
                .iter()
                .map(|id| FileId::from_slice(id))
                .collect::<Result<_, _>>()?,
            reply_to_number: send.reply_to_number,
        })
    }
}

impl Submission {
    fn key(&self) -> IdKey {
        (self.sender, self.client_message_id)
    }

    /// Digest of what must be the same under the same client message id.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update((self.text.len() as u64).to_be_bytes());
        hash.update(self.text.as_bytes());
        hash.update(self.reply_to_number.to_be_bytes());
        for attachment in &self.attachments {
            hash.update(attachment.as_bytes());
        }
        hash.finalize().into()
    }
}

/// A change of membership as the log has it, parsed.
#[derive(Debug, Clone)]
pub struct Membership {
    pub version: u64,
    pub actor: UserId,
    pub change: MembershipEvent,
}

#[derive(Debug, Clone)]
pub enum MembershipEvent {
    Created(Vec<UserId>),
    Joined(UserId),
    Left(UserId),
}

impl Membership {
    /// `None` when the record has a change that this version doesn't know: poison.
    pub fn parse(record: MembershipChange) -> Result<Option<Self>, InvalidId> {
        let change = match record.change {
            Some(membership_change::Change::Created(created)) => MembershipEvent::Created(
                created
                    .members
                    .iter()
                    .map(|id| UserId::from_slice(id))
                    .collect::<Result<_, _>>()?,
            ),
            Some(membership_change::Change::Joined(joined)) => {
                MembershipEvent::Joined(UserId::from_slice(&joined.user)?)
            }
            Some(membership_change::Change::Left(left)) => {
                MembershipEvent::Left(UserId::from_slice(&left.user)?)
            }
            Some(_) | None => return Ok(None),
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
    pub user: UserId,
    pub position: Position,
    /// The entry that says it.
    pub number: u64,
    pub joined: bool,
}

/// A row of the history of a read mark; never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRow {
    pub reader: UserId,
    pub number: u64,
    pub position: Position,
    pub time_unix_ms: i64,
}

/// What must be stored for one record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    pub entry: Option<StoredEntry>,
    pub first_seen: Option<(IdKey, FirstSeen)>,
    pub members: Vec<MemberRow>,
    pub mark: Option<MarkRow>,
}

/// An entry as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    pub entry: Entry,
    pub position: Position,
    /// Whose unread count it doesn't raise; absent: it raises nobody's.
    pub countable_sender: Option<UserId>,
}

/// What somebody is told of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Everybody in `to` gets the entry; its origin takes it as the acknowledgement.
    Entry { to: Vec<UserId>, entry: Entry },
    /// Only the origin: the message had been decided before, or is refused.
    Outcome { key: IdKey, outcome: Outcome },
    /// The reader's devices (and the origin) learn where the reader stands now.
    Standing { reader: UserId },
    /// Only the origin: nothing that anybody has to learn.
    Nothing,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Who is in, and the number of the entry by which they came.
    pub members: BTreeMap<UserId, u64>,
    /// Current read marks, of readers that were asked for.
    marks: HashMap<UserId, u64>,
    ids: RememberedIds,
    standings: Standings,
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
            members: BTreeMap::new(),
            marks: HashMap::new(),
            // Every id of a conversation that begins now will be met here.
            ids: RememberedIds::since(0),
            standings: Standings::default(),
        }
    }

    /// The state as of a stored head. `members` may hold rows from beyond the head, written by an owner
    /// that went further: they are not read.
    #[must_use]
    pub fn as_of(id: ConversationId, head: Head, mut members: Vec<MemberRow>) -> Self {
        members.retain(|row| row.position <= head.position);
        members.sort_by_key(|row| row.position);
        let mut present = BTreeMap::new();
        for row in members {
            if row.joined {
                present.insert(row.user, row.number);
            } else {
                present.remove(&row.user);
            }
        }
        Self {
            position: Some(head.position),
            last_number: head.last_number,
            countable_total: head.countable_total,
            membership_version: head.membership_version,
            applied_time_unix_ms: head.applied_time_unix_ms,
            last_time_unix_ms: head.last_time_unix_ms,
            members: present,
            ids: RememberedIds::since(head.applied_time_unix_ms.max(0) as u64),
            ..Self::unknown(id)
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
        })
    }

    /// Whether the record at `position` is in this state already.
    #[must_use]
    pub fn has_applied(&self, position: Position) -> bool {
        self.position.is_some_and(|applied| applied >= position)
    }

    /// Lets go of what is too old to keep. Only before a batch: [`Self::must_look_up`] must stay true
    /// until the batch is applied.
    pub fn forget_oldest(&mut self) {
        self.ids.forget_oldest();
    }

    /// The key under which the store may know this message from a time before this state was loaded;
    /// `None` when memory alone can tell.
    #[must_use]
    pub fn must_look_up(&self, submission: &Submission) -> Option<IdKey> {
        let key = submission.key();
        let in_memory =
            self.ids.entries.contains_key(&key) || self.ids.covers(submission.client_message_id);
        (!in_memory).then_some(key)
    }

    /// Whether the reader's mark has to be fetched before [`Self::read`].
    #[must_use]
    pub fn knows_mark_of(&self, reader: UserId) -> bool {
        self.marks.contains_key(&reader)
    }

    /// The reader's mark as of this state, from the store's rows (any order): rows from beyond it are
    /// not read.
    pub fn learn_mark(&mut self, reader: UserId, rows: &[MarkRow]) {
        let number = rows
            .iter()
            .filter(|row| self.has_applied(row.position))
            .map(|row| row.number)
            .max()
            .unwrap_or(0);
        self.marks.entry(reader).or_insert(number);
    }

    /// Applies a message. `found` is what the store has under its client message id, if it was looked up.
    pub fn send(
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
            .entries
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
        let refusal = if !self.members.contains_key(&submission.sender) {
            Some(RefusalCode::NotAMember)
        } else if submission.reply_to_number > self.last_number {
            Some(RefusalCode::ReplyToInvalid)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            let first = FirstSeen {
                position,
                digest,
                outcome: Outcome::Refused(refusal),
            };
            self.ids.remember(key, first.clone(), time_unix_ms);
            return Applied {
                rows: Rows {
                    first_seen: Some((key, first)),
                    ..Rows::default()
                },
                told: Told::Outcome {
                    key,
                    outcome: Outcome::Refused(refusal),
                },
            };
        }

        let sender = submission.sender;
        let message_id = submission.message_id;
        let entry = self.number(
            time_unix_ms,
            sender,
            Some(sender),
            entry::Change::Message(Message {
                message_id: message_id.to_string(),
                client_message_id: submission.client_message_id.to_string(),
                text: submission.text,
                attachment_ids: submission
                    .attachments
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                reply_to_number: submission.reply_to_number,
            }),
        );
        let first = FirstSeen {
            position,
            digest,
            outcome: Outcome::Accepted {
                number: entry.number,
                message_id,
                time_unix_ms,
            },
        };
        self.ids.remember(key, first.clone(), time_unix_ms);
        Applied {
            rows: Rows {
                entry: Some(StoredEntry {
                    entry: entry.clone(),
                    position,
                    countable_sender: Some(sender),
                }),
                first_seen: Some((key, first)),
                ..Rows::default()
            },
            told: Told::Entry {
                to: self.members.keys().copied().collect(),
                entry,
            },
        }
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
        let (change, joined, left) = match &membership.change {
            MembershipEvent::Created(users) => {
                let mut users: Vec<UserId> = users
                    .iter()
                    .filter(|user| !self.members.contains_key(user))
                    .copied()
                    .collect();
                users.sort_unstable();
                users.dedup();
                let change = entry::Change::Created(Created {
                    member_ids: users.iter().map(ToString::to_string).collect(),
                });
                (change, users, None)
            }
            MembershipEvent::Joined(user) if self.members.contains_key(user) => {
                return Applied::nothing();
            }
            MembershipEvent::Joined(user) => (
                entry::Change::Joined(Joined {
                    user_id: user.to_string(),
                }),
                vec![*user],
                None,
            ),
            MembershipEvent::Left(user) if !self.members.contains_key(user) => {
                return Applied::nothing();
            }
            MembershipEvent::Left(user) => (
                entry::Change::Left(Left {
                    user_id: user.to_string(),
                }),
                Vec::new(),
                Some(*user),
            ),
        };
        let entry = self.number(time_unix_ms, membership.actor, None, change);
        let row = |user: &UserId, joined: bool| MemberRow {
            user: *user,
            position,
            number: entry.number,
            joined,
        };
        let rows: Vec<MemberRow> = joined
            .iter()
            .map(|user| row(user, true))
            .chain(left.iter().map(|user| row(user, false)))
            .collect();
        for user in joined {
            self.members.insert(user, entry.number);
            self.standings.forget(user);
        }
        // Who leaves still sees that they left.
        let to = self.members.keys().copied().collect();
        if let Some(user) = left {
            self.members.remove(&user);
            self.standings.forget(user);
        }
        Applied {
            rows: Rows {
                entry: Some(StoredEntry {
                    entry: entry.clone(),
                    position,
                    countable_sender: None,
                }),
                members: rows,
                ..Rows::default()
            },
            told: Told::Entry { to, entry },
        }
    }

    /// Moves a read mark up; never beyond the head, never down. The mark must be known
    /// ([`Self::learn_mark`]).
    pub fn read(
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
        let number = number.min(self.last_number);
        let current = self.marks.entry(reader).or_insert(0);
        let mark = (number > *current).then(|| {
            *current = number;
            MarkRow {
                reader,
                number,
                position,
                time_unix_ms,
            }
        });
        if mark.is_some() {
            self.standings.forget(reader);
        }
        Applied {
            rows: Rows {
                mark,
                ..Rows::default()
            },
            told: Told::Standing { reader },
        }
    }

    /// Goes past a record that was set aside.
    pub fn skip(&mut self, position: Position, time_unix_ms: i64) {
        self.advance(position, time_unix_ms);
    }

    /// From where on the member's unread messages count: the mark, or the entry by which they came.
    #[must_use]
    pub fn counts_from(&self, reader: UserId) -> Option<(u64, u64)> {
        let joined = *self.members.get(&reader)?;
        let mark = self.marks.get(&reader).copied().unwrap_or(0);
        Some((mark, mark.max(joined)))
    }

    /// The reader's unread count: countable messages above `from` by others. `Err` holds the number up
    /// to which the store has to count first.
    ///
    /// # Errors
    /// The last number that memory doesn't cover; pass the count to [`Self::learn_unread`].
    pub fn unread_in_memory(&mut self, reader: UserId, from: u64) -> Result<u64, u64> {
        if let Some(unread) = self.standings.known(reader, self.countable_total) {
            return Ok(unread);
        }
        let before_memory = self
            .standings
            .recent
            .front()
            .map_or(self.last_number, |(oldest, _)| oldest - 1);
        if from < before_memory {
            return Err(before_memory);
        }
        Ok(self.learn_unread(reader, from, 0))
    }

    /// Completes what the store counted up to where memory begins, keeps it and returns it.
    pub fn learn_unread(&mut self, reader: UserId, from: u64, in_store: u64) -> u64 {
        let unread = in_store + self.standings.recent_by_others(reader, from);
        self.standings.learn(reader, unread, self.countable_total);
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
        countable_sender: Option<UserId>,
        change: entry::Change,
    ) -> Entry {
        // Gapless: a reader counts what it missed by subtraction.
        self.last_number += 1;
        self.last_time_unix_ms = time_unix_ms;
        if let Some(sender) = countable_sender {
            self.countable_total += 1;
            self.standings.sent(sender);
        }
        self.standings.recent(self.last_number, countable_sender);
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

/// The client message ids that were met since some time of the log, so that most records need no read.
///
/// An id is accepted only if its own time isn't far ahead of its first record's. So an id whose time is
/// well after `since_unix_ms` was first met after it, and if it isn't here, it wasn't met at all.
#[derive(Debug, Clone)]
struct RememberedIds {
    since_unix_ms: u64,
    entries: HashMap<IdKey, FirstSeen>,
    in_order: VecDeque<(IdKey, i64)>,
}

impl RememberedIds {
    fn since(unix_ms: u64) -> Self {
        Self {
            since_unix_ms: unix_ms,
            entries: HashMap::new(),
            in_order: VecDeque::new(),
        }
    }

    fn covers(&self, id: ClientMessageId) -> bool {
        self.since_unix_ms == 0 || id.unix_ms() > self.since_unix_ms.saturating_add(ID_LEAD_MS)
    }

    fn remember(&mut self, key: IdKey, first: FirstSeen, time_unix_ms: i64) {
        if self.entries.insert(key, first).is_some() {
            return;
        }
        self.in_order.push_back((key, time_unix_ms));
    }

    fn forget_oldest(&mut self) {
        while self.in_order.len() > REMEMBERED_IDS
            && let Some((oldest, time)) = self.in_order.pop_front()
        {
            self.entries.remove(&oldest);
            self.since_unix_ms = self.since_unix_ms.max(time.max(1) as u64);
        }
    }
}

/// Unread counts that memory can derive. Each is a difference of totals, so that nothing has to be
/// incremented for a member who doesn't ask.
#[derive(Debug, Clone, Default)]
struct Standings {
    /// Number and countable sender of the latest entries, without a gap.
    recent: VecDeque<(u64, Option<UserId>)>,
    /// Countable messages by sender since this state was loaded.
    sent: HashMap<UserId, u64>,
    known: HashMap<UserId, Standing>,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    unread: u64,
    countable_total: u64,
    sent: u64,
}

impl Standings {
    fn sent(&mut self, sender: UserId) {
        *self.sent.entry(sender).or_insert(0) += 1;
    }

    fn recent(&mut self, number: u64, countable_sender: Option<UserId>) {
        self.recent.push_back((number, countable_sender));
        if self.recent.len() > RECENT_ENTRIES {
            self.recent.pop_front();
        }
    }

    fn forget(&mut self, reader: UserId) {
        self.known.remove(&reader);
    }

    fn learn(&mut self, reader: UserId, unread: u64, countable_total: u64) {
        let sent = self.sent.get(&reader).copied().unwrap_or(0);
        self.known.insert(
            reader,
            Standing {
                unread,
                countable_total,
                sent,
            },
        );
    }

    fn known(&self, reader: UserId, countable_total: u64) -> Option<u64> {
        let then = self.known.get(&reader)?;
        let sent = self.sent.get(&reader).copied().unwrap_or(0);
        let by_others = (countable_total - then.countable_total) - (sent - then.sent);
        Some(then.unread + by_others)
    }

    fn recent_by_others(&self, reader: UserId, from: u64) -> u64 {
        self.recent
            .iter()
            .rev()
            .take_while(|(number, _)| *number > from)
            .filter(|(_, sender)| sender.is_some_and(|sender| sender != reader))
            .count() as u64
    }
}

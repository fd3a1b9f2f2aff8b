//! Reading: what a person may see of conversations, and where they stand in them.
//!
//! **Invariants.** Authorization is here, by the rows of membership that the log left: never by what a
//! caller says. Reads stop at a head that was read first.

mod entries;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::{ConversationId, UserId};
use problem::{Kind, Problem};
use proto::message::{MessageReceipt, Revision};
use proto::socket::{ConversationState, Entry, Message, Receipt, entry};

use crate::domain::Visibility;
use crate::domain::conversation::{Head, RECEIPTS_UP_TO_MEMBERS, StoredEntry};
use crate::domain::membership::{MemberEvent, MemberRow};
use crate::domain::readers::{HiddenRow, MAX_HIDDEN, Marks};
use crate::sequencer::routes::Routes;
use crate::store::{BUCKET_SIZE, EntryRange, Reads, Store, StoreError};

use entries::Entries;
use together::Together;

/// Entries of a page.
pub const DEFAULT_LIMIT: u32 = 50;
pub const MAX_LIMIT: u32 = 100;
/// Conversations asked for at once.
pub const MAX_IDS: usize = 100;
pub const MAX_HEAD_IDS: usize = 1_000;
/// Entries counted at once: ten buckets.
const MAX_COUNTED: u64 = 10 * BUCKET_SIZE;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Conversations read side by side for one call.
const CONCURRENCY: usize = 8;
/// Up to so many unread messages are counted by reading them: who has that many fetches them next.
const COUNTED_BY_READING: u64 = DEFAULT_LIMIT as u64;
/// Conversations whose head can be read by many at once.
const SHARED_HEADS: u64 = 10_000;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Greater numbers, ascending.
    After(u64),
    /// Smaller numbers, the nearest, ascending.
    Before(u64),
    /// The newest.
    Newest,
}

/// Entries in order, and the stretch of numbers that they cover.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub covered_from: u64,
    pub covered_to: u64,
    pub state: ConversationState,
}

/// One line of a list of conversations.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub state: ConversationState,
    pub last_entry: Option<Entry>,
}

/// Who wrote how many messages on which day.
#[derive(Debug)]
pub struct Counted {
    /// By day (since 1970-01-01, UTC) and sender.
    pub messages: BTreeMap<(u32, UserId), u32>,
    pub through_number: u64,
    pub head: Head,
}

/// The reader's side of the message service.
#[derive(Clone)]
pub struct History<R = Store> {
    store: R,
    routes: Routes,
    heads: Arc<Together<ConversationId, Option<Head>>>,
    entries: Arc<Entries>,
}

/// A conversation through the eyes of one person.
struct View {
    head: Head,
    visibility: Visibility,
    marks: Marks,
    /// What the person has hidden.
    hidden: BTreeSet<u64>,
}

impl View {
    /// Whether the person sees what a change did. A deletion always: who wrote the message wants it gone,
    /// also for those who weren't there any more.
    fn shows(&self, change: &Entry) -> bool {
        change.number <= self.head.last_number
            && (matches!(change.change, Some(entry::Change::Deleted(_)))
                || self.visibility.contains(change.number))
    }

    /// Whether the person can see the entry.
    fn has(&self, number: u64) -> bool {
        number <= self.head.last_number
            && self.visibility.contains(number)
            && !self.hidden.contains(&number)
    }
}

impl<R: Reads> History<R> {
    #[must_use]
    pub fn new(store: R, routes: Routes) -> Self {
        Self {
            store,
            routes,
            heads: Arc::new(Together::new(SHARED_HEADS)),
            entries: Arc::new(Entries::new()),
        }
    }

    async fn head(&self, conversation: ConversationId) -> Result<Option<Head>, StoreError> {
        let read = self.store.head(conversation);
        self.heads.read(conversation, read).await
    }

    /// Entries below a head that was read before.
    async fn entries(
        &self,
        conversation: ConversationId,
        numbers: &[u64],
    ) -> Result<Vec<Arc<StoredEntry>>, StoreError> {
        self.entries.get(&self.store, conversation, numbers).await
    }

    /// A page of what the person may see.
    ///
    /// # Errors
    /// `conversation_unknown` for who never was a member (whether it exists isn't told), `unavailable`.
    pub async fn page(
        &self,
        user: UserId,
        conversation: ConversationId,
        place: Place,
        limit: u32,
    ) -> Result<Page, Problem> {
        let view = self
            .view(user, conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        let limit = match limit {
            0 => DEFAULT_LIMIT,
            limit => limit.min(MAX_LIMIT),
        } as usize;
        let last = view.visibility.last_visible(view.head.last_number);
        let (numbers, complete) = match place {
            Place::After(after) => (
                view.visibility.after(after, last, limit),
                (after + 1, last.max(after)),
            ),
            Place::Before(before) => (
                view.visibility.before(before, last, limit),
                (1, before.saturating_sub(1)),
            ),
            Place::Newest => (view.visibility.before(last + 1, last, limit), (1, last)),
        };
        let full = numbers.len() == limit;
        let entries = self.entries(conversation, &numbers).await?;
        let (covered_from, covered_to) = match (place, numbers.first(), numbers.last()) {
            // A full page covers up to its own end; a shorter one all that there is.
            (Place::After(_), _, Some(end)) if full => (complete.0, *end),
            (Place::Before(_) | Place::Newest, Some(begin), _) if full => (*begin, complete.1),
            _ => complete,
        };
        let state = self.state(user, conversation, &view).await?;
        Ok(Page {
            entries: self.as_it_is_now(conversation, &view, entries).await?,
            covered_from,
            covered_to,
            state,
        })
    }

    /// Entries as the person sees them now: messages with all that became of them, without what the person
    /// has hidden.
    async fn as_it_is_now(
        &self,
        conversation: ConversationId,
        view: &View,
        stored: Vec<Arc<StoredEntry>>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries: Vec<Entry> = stored
            .into_iter()
            .map(|stored| stored.entry.clone())
            .filter(|entry| {
                // Only messages can be hidden: without a change of one, devices would differ.
                !view.hidden.contains(&entry.number)
                    || !matches!(entry.change, Some(entry::Change::Message(_)))
            })
            .collect();
        if view.head.changes_total == 0 {
            return Ok(entries);
        }
        let messages = entries
            .iter()
            .filter(|entry| matches!(entry.change, Some(entry::Change::Message(_))))
            .map(|entry| entry.number)
            .collect();
        let changes = self.store.changes(conversation, &messages).await?;
        // What an edit said is gone with its message, also where the message isn't among these.
        let edited = entries.iter().filter_map(|entry| match &entry.change {
            Some(entry::Change::Edited(edited)) => Some(edited.number),
            _ => None,
        });
        let deleted = self
            .store
            .deleted_of(conversation, edited.collect())
            .await?;
        for entry in &mut entries {
            match &mut entry.change {
                Some(entry::Change::Message(message)) => {
                    for change in changes.get(&entry.number).into_iter().flatten() {
                        if view.shows(change) {
                            message.take_in(change);
                        }
                    }
                }
                Some(entry::Change::Edited(edited)) if deleted.contains(&edited.number) => {
                    edited.text.clear();
                }
                _ => {}
            }
        }
        Ok(entries)
    }

    /// Counts the messages above a number, as far as one call goes. Deleted ones were written too.
    ///
    /// # Errors
    /// `conversation_unknown`, `unavailable`.
    pub async fn count_messages(
        &self,
        conversation: ConversationId,
        after: u64,
    ) -> Result<Counted, Problem> {
        let head = self
            .head(conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        let through_number = head.last_number.min(after.saturating_add(MAX_COUNTED));
        let numbers: Vec<u64> = (after.saturating_add(1)..=through_number).collect();
        let mut messages = BTreeMap::new();
        for stored in self.store.entries(conversation, &numbers).await? {
            if let Some(sender) = stored.countable_sender {
                let day = stored.entry.time_unix_ms.max(0) / DAY_MS;
                *messages.entry((day as u32, sender)).or_insert(0) += 1;
            }
        }
        Ok(Counted {
            messages,
            through_number: through_number.max(after),
            head,
        })
    }

    /// Where the person stands in each conversation that they are or were in; others are left out.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn states(
        &self,
        user: UserId,
        conversations: Vec<ConversationId>,
    ) -> Result<Vec<ConversationState>, Problem> {
        let reads: Vec<_> = conversations
            .into_iter()
            .map(|conversation| self.state_if_known(user, conversation))
            .collect();
        let found: Vec<Option<ConversationState>> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn state_if_known(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<ConversationState>, StoreError> {
        let Some(view) = self.view(user, conversation).await? else {
            return Ok(None);
        };
        self.state(user, conversation, &view).await.map(Some)
    }

    /// Last visible entry and standing of each conversation that the person is or was in.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn summaries(
        &self,
        user: UserId,
        conversations: Vec<ConversationId>,
    ) -> Result<Vec<Summary>, Problem> {
        let reads: Vec<_> = conversations
            .into_iter()
            .map(|conversation| self.summary_if_known(user, conversation))
            .collect();
        let found: Vec<Option<Summary>> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn summary_if_known(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Summary>, StoreError> {
        let Some(view) = self.view(user, conversation).await? else {
            return Ok(None);
        };
        let last = match view.visibility.member_since() {
            Some(_) => view.head.last_shown_number,
            // What they see last is that they left.
            None => view.visibility.last_visible(view.head.last_number),
        };
        // Some more, where the last one may be hidden.
        let candidates = if view.marks.hidden_count > 0 { 20 } else { 1 };
        let newest = view.visibility.before(last + 1, last, candidates);
        let entries = self.entries(conversation, &newest).await?;
        let entries = self.as_it_is_now(conversation, &view, entries).await?;
        let last_entry = entries.into_iter().rev().find(|entry| {
            let change = entry.change.as_ref();
            change.is_some_and(|change| change.target().is_none())
        });
        Ok(Some(Summary {
            state: self.state(user, conversation, &view).await?,
            last_entry,
        }))
    }

    /// Heads, for the order of a list. No authorization: the caller is the service that owns membership.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn heads(
        &self,
        conversations: &[ConversationId],
    ) -> Result<Vec<(ConversationId, Head)>, Problem> {
        Ok(self.store.heads(conversations).await?.into_iter().collect())
    }

    /// What changed for the person since a cursor.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn changes(
        &self,
        user: UserId,
        cursor: &str,
    ) -> Result<(bool, Vec<ConversationState>, String), Problem> {
        let changes = self.routes.changes(user, cursor).await;
        let changed = self.states(user, changes.conversations).await?;
        Ok((changes.complete, changed, changes.cursor))
    }

    /// The version of the membership that the log has applied; 0 for none.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn membership_version(&self, conversation: ConversationId) -> Result<u64, Problem> {
        Ok(self
            .head(conversation)
            .await?
            .map_or(0, |head| head.membership_version))
    }

    /// Refuses who isn't a member now.
    ///
    /// # Errors
    /// `conversation_unknown` for who never was, `not_a_member` for who left, `unavailable`.
    pub async fn require_member(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<(), Problem> {
        let view = self
            .view(user, conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        if view.visibility.member_since().is_some() {
            Ok(())
        } else {
            Err(not_a_member())
        }
    }

    /// Refuses to hide what the person can't see, or one too many.
    ///
    /// # Errors
    /// `conversation_unknown`, `entry_unknown`, `too_many_hidden`, `unavailable`.
    pub async fn require_can_hide(
        &self,
        user: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<(), Problem> {
        let view = self
            .view(user, conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        if view.hidden.contains(&number) {
            return Ok(());
        }
        self.message(user, conversation, number).await?;
        if view.hidden.len() >= MAX_HIDDEN {
            return Err(Problem::new(
                Kind::FailedPrecondition,
                "too_many_hidden",
                format!("At most {MAX_HIDDEN} entries of a conversation can be hidden."),
            ));
        }
        Ok(())
    }

    /// What the person has hidden after the first `after`, in the order of hiding.
    ///
    /// # Errors
    /// `conversation_unknown`, `unavailable`.
    pub async fn hidden(
        &self,
        user: UserId,
        conversation: ConversationId,
        after: u64,
    ) -> Result<Vec<u64>, Problem> {
        let view = self
            .view(user, conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        if view.marks.hidden_count <= after {
            return Ok(Vec::new());
        }
        let mut rows = self.hidden_rows(user, conversation, &view.head).await?;
        rows.retain(|row| row.count > after);
        rows.sort_by_key(|row| row.count);
        Ok(rows.into_iter().map(|row| row.number).collect())
    }

    /// A message that the person can see, as it was written.
    async fn message(
        &self,
        user: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<(View, Arc<StoredEntry>, Message), Problem> {
        let view = self
            .view(user, conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        if !view.has(number) {
            return Err(entry_unknown());
        }
        let stored = self.entries(conversation, &[number]).await?.pop();
        match stored {
            Some(stored) => match stored.entry.change.clone() {
                Some(entry::Change::Message(message)) => Ok((view, stored, message)),
                _ => Err(entry_unknown()),
            },
            None => Err(entry_unknown()),
        }
    }

    /// Every text that a message has had, with the server's times.
    ///
    /// # Errors
    /// `conversation_unknown`, `entry_unknown` (also for a deleted message), `unavailable`.
    pub async fn revisions(
        &self,
        user: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<Vec<Revision>, Problem> {
        let (view, stored, message) = self.message(user, conversation, number).await?;
        let changes = self
            .store
            .changes(conversation, &BTreeSet::from([number]))
            .await?
            .remove(&number)
            .unwrap_or_default();
        let mut revisions = vec![Revision {
            text: message.text,
            time_unix_ms: stored.entry.time_unix_ms,
        }];
        for change in changes.into_iter().filter(|change| view.shows(change)) {
            match change.change {
                Some(entry::Change::Deleted(_)) => return Err(entry_unknown()),
                Some(entry::Change::Edited(edited)) => revisions.push(Revision {
                    text: edited.text,
                    time_unix_ms: change.time_unix_ms,
                }),
                _ => {}
            }
        }
        Ok(revisions)
    }

    /// Who got a message and who read it, and when: of those who were there when it was written, without
    /// its author. By user id, those after `after`; at most `limit`.
    ///
    /// # Errors
    /// `conversation_unknown`, `not_a_member`, `entry_unknown`, `unavailable`.
    pub async fn receipts(
        &self,
        user: UserId,
        conversation: ConversationId,
        number: u64,
        limit: u32,
        after: Option<UserId>,
    ) -> Result<(Vec<MessageReceipt>, Option<UserId>), Problem> {
        let (view, stored, _) = self.message(user, conversation, number).await?;
        if view.visibility.member_since().is_none() {
            return Err(not_a_member());
        }
        let limit = match limit {
            0 => DEFAULT_LIMIT,
            limit => limit.min(MAX_LIMIT),
        } as usize;
        let mut recipients: Vec<UserId> = self
            .rows_of_members(conversation, &view.head)
            .await?
            .into_iter()
            .filter(|(member, rows)| {
                stored.countable_sender != Some(*member)
                    && after.is_none_or(|after| *member > after)
                    && was_there(rows.clone(), number, &view.head)
            })
            .map(|(member, _)| member)
            .take(limit + 1)
            .collect();
        let next = if recipients.len() > limit {
            recipients.pop();
            recipients.last().copied()
        } else {
            None
        };
        let (written, applied) = (stored.position, view.head.position);
        let reads: Vec<_> = recipients
            .into_iter()
            .map(|member| {
                let store = &self.store;
                async move {
                    let reached = store
                        .reached_at(conversation, member, number, written, applied)
                        .await?;
                    Ok::<_, StoreError>(MessageReceipt {
                        user_id: member.to_string(),
                        delivered_time_unix_ms: reached.delivered_unix_ms.unwrap_or(0),
                        read_time_unix_ms: reached.read_unix_ms.unwrap_or(0),
                    })
                }
            })
            .collect();
        let receipts = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok((receipts, next))
    }

    /// How far each member has got.
    ///
    /// # Errors
    /// `conversation_unknown`, `not_a_member`, `too_many_members`, `unavailable`.
    pub async fn marks(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Vec<Receipt>, Problem> {
        let view = self
            .view(user, conversation)
            .await?
            .ok_or_else(conversation_unknown)?;
        if view.visibility.member_since().is_none() {
            return Err(not_a_member());
        }
        let members: Vec<UserId> = self
            .rows_of_members(conversation, &view.head)
            .await?
            .into_iter()
            .filter(|(_, rows)| {
                let rows = Visibility::of(rows.clone(), view.head.position);
                rows.member_since().is_some()
            })
            .map(|(member, _)| member)
            .collect();
        if members.len() > RECEIPTS_UP_TO_MEMBERS {
            return Err(Problem::new(
                Kind::FailedPrecondition,
                "too_many_members",
                format!(
                    "Above {RECEIPTS_UP_TO_MEMBERS} members, ask for the receipts of a message."
                ),
            ));
        }
        let reads: Vec<_> = members
            .into_iter()
            .map(|member| {
                let (store, applied) = (&self.store, view.head.position);
                async move {
                    let row = store.reader(conversation, member, applied).await?;
                    Ok::<_, StoreError>(row.map(|row| Receipt {
                        conversation_id: conversation.to_string(),
                        user_id: member.to_string(),
                        delivered_number: row.marks.delivered,
                        read_number: row.marks.read,
                        time_unix_ms: row.time_unix_ms,
                    }))
                }
            })
            .collect();
        let found: Vec<Option<Receipt>> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The history of everybody's membership, by user.
    async fn rows_of_members(
        &self,
        conversation: ConversationId,
        head: &Head,
    ) -> Result<BTreeMap<UserId, Vec<MemberRow>>, StoreError> {
        let mut members: BTreeMap<UserId, Vec<MemberRow>> = BTreeMap::new();
        for row in self.store.members(conversation).await? {
            if row.position <= head.position {
                members.entry(row.user).or_default().push(row);
            }
        }
        Ok(members)
    }

    async fn view(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<View>, StoreError> {
        let Some(head) = self.head(conversation).await? else {
            return Ok(None);
        };
        let (rows, reader) = futures_util::try_join!(
            self.store.member_rows(conversation, user),
            self.store.reader(conversation, user, head.position),
        )?;
        let visibility = Visibility::of(rows, head.position);
        if !visibility.is_any() {
            return Ok(None);
        }
        let marks = reader.map(|row| row.marks).unwrap_or_default();
        let hidden = if marks.hidden_count == 0 {
            BTreeSet::new()
        } else {
            self.hidden_rows(user, conversation, &head)
                .await?
                .into_iter()
                .map(|row| row.number)
                .collect()
        };
        Ok(Some(View {
            head,
            visibility,
            marks,
            hidden,
        }))
    }

    /// How many countable messages of others a range has, without those in `skipped`.
    async fn count_by_others(
        &self,
        conversation: ConversationId,
        user: UserId,
        range: EntryRange,
        skipped: &BTreeSet<u64>,
    ) -> Result<u64, StoreError> {
        if range.to.saturating_sub(range.from) >= COUNTED_BY_READING {
            let store = &self.store;
            return store
                .count_by_others(conversation, user, range, skipped)
                .await;
        }
        let numbers: Vec<u64> = (range.from..=range.to).collect();
        let entries = self.entries(conversation, &numbers).await?;
        let counted = entries.iter().filter(|stored| {
            stored.countable_sender.is_some_and(|sender| sender != user)
                && !skipped.contains(&stored.entry.number)
        });
        Ok(counted.count() as u64)
    }

    async fn hidden_rows(
        &self,
        user: UserId,
        conversation: ConversationId,
        head: &Head,
    ) -> Result<Vec<HiddenRow>, StoreError> {
        let mut rows = self.store.hidden(conversation, user).await?;
        rows.retain(|row| row.position <= head.position);
        Ok(rows)
    }

    async fn state(
        &self,
        user: UserId,
        conversation: ConversationId,
        view: &View,
    ) -> Result<ConversationState, StoreError> {
        let last = view.visibility.last_visible(view.head.last_number);
        let read_number = view.marks.read.min(last);
        let is_member = view.visibility.member_since();
        let counts_from_number = read_number.max(is_member.unwrap_or(0));
        // Who left has nothing to read; who came back counts from there.
        let unread_count = match is_member {
            Some(_) => {
                let range = EntryRange {
                    from: counts_from_number + 1,
                    to: last,
                };
                let mut skipped = view.hidden.clone();
                if view.head.deletions_total > 0 {
                    let mut rows = self.store.deletions(conversation, range).await?;
                    rows.retain(|row| row.position <= view.head.position);
                    skipped.extend(rows.into_iter().map(|row| row.target));
                }
                self.count_by_others(conversation, user, range, &skipped)
                    .await?
            }
            None => 0,
        };
        let head_countable_total = if is_member.is_some() {
            view.head.countable_total
        } else {
            // Nothing of what was written after they left, not even how much.
            self.entries(conversation, &[last])
                .await?
                .first()
                .map_or(0, |stored| stored.entry.countable_total)
        };
        Ok(ConversationState {
            conversation_id: conversation.to_string(),
            head_number: last,
            head_countable_total,
            read_number,
            unread_count,
            counts_from_number,
            marked_unread: view.marks.is_marked_unread,
            hidden_count: view.marks.hidden_count,
            marks_version: view.marks.version,
        })
    }
}

/// Whether somebody was a member when the entry with this number came.
fn was_there(mut rows: Vec<MemberRow>, number: u64, head: &Head) -> bool {
    rows.retain(|row| !matches!(row.event, MemberEvent::HistoryOpened(_)));
    Visibility::of(rows, head.position).contains(number)
}

fn not_a_member() -> Problem {
    Problem::new(
        Kind::PermissionDenied,
        "not_a_member",
        "You are no longer a member of this conversation.",
    )
}

/// The same answer whether it isn't there or can't be seen.
fn entry_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "entry_unknown",
        "There is no such entry, or you can't see it.",
    )
}

/// The same answer whether it doesn't exist or is somebody else's.
fn conversation_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "conversation_unknown",
        "There is no such conversation, or you are not in it.",
    )
}

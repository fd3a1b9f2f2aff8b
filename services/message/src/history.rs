//! Reading: what a person may see of conversations, and where they stand in them.
//!
//! **Invariants.** Authorization is here, by the rows of membership that the log left: never by what a
//! caller says. Reads stop at a head that was read first.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::{ConversationId, UserId};
use problem::{Kind, Problem};
use proto::socket::{ConversationState, Entry};

use crate::domain::Visibility;
use crate::domain::conversation::Head;
use crate::sequencer::routes::Routes;
use crate::store::{BUCKET_SIZE, EntryRange, Store, StoreError};

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
pub struct History {
    store: Store,
    routes: Routes,
}

/// A conversation through the eyes of one person.
struct View {
    head: Head,
    visibility: Visibility,
}

impl History {
    #[must_use]
    pub const fn new(store: Store, routes: Routes) -> Self {
        Self { store, routes }
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
        let entries = self.store.entries(conversation, &numbers).await?;
        let (covered_from, covered_to) = match (place, numbers.first(), numbers.last()) {
            // A full page covers up to its own end; a shorter one all that there is.
            (Place::After(_), _, Some(end)) if full => (complete.0, *end),
            (Place::Before(_) | Place::Newest, Some(begin), _) if full => (*begin, complete.1),
            _ => complete,
        };
        let state = self.state(user, conversation, &view).await?;
        Ok(Page {
            entries: entries.into_iter().map(|stored| stored.entry).collect(),
            covered_from,
            covered_to,
            state,
        })
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
            .store
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
        let last = view.visibility.last_visible(view.head.last_number);
        let newest = view.visibility.before(last + 1, last, 1);
        let mut entries = self.store.entries(conversation, &newest).await?;
        Ok(Some(Summary {
            state: self.state(user, conversation, &view).await?,
            last_entry: entries.pop().map(|stored| stored.entry),
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
            .store
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
            Err(Problem::new(
                Kind::PermissionDenied,
                "not_a_member",
                "You are no longer a member of this conversation.",
            ))
        }
    }

    async fn view(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<View>, StoreError> {
        let Some(head) = self.store.head(conversation).await? else {
            return Ok(None);
        };
        let rows = self.store.member_rows(conversation, user).await?;
        let visibility = Visibility::of(rows, head.position);
        Ok(visibility.is_any().then_some(View { head, visibility }))
    }

    async fn state(
        &self,
        user: UserId,
        conversation: ConversationId,
        view: &View,
    ) -> Result<ConversationState, StoreError> {
        let last = view.visibility.last_visible(view.head.last_number);
        let mark = self
            .store
            .mark(conversation, user, view.head.position)
            .await?
            .map_or(0, |row| row.number);
        let is_member = view.visibility.member_since();
        // Who left has nothing to read; who came back counts from there.
        let unread_count = match is_member {
            Some(joined) => {
                let range = EntryRange {
                    from: mark.max(joined) + 1,
                    to: last,
                };
                self.store
                    .count_by_others(conversation, user, range)
                    .await?
            }
            None => 0,
        };
        let head_countable_total = if is_member.is_some() {
            view.head.countable_total
        } else {
            // Nothing of what was written after they left, not even how much.
            self.store
                .entries(conversation, &[last])
                .await?
                .first()
                .map_or(0, |stored| stored.entry.countable_total)
        };
        Ok(ConversationState {
            conversation_id: conversation.to_string(),
            head_number: last,
            head_countable_total,
            read_number: mark.min(last),
            unread_count,
        })
    }
}

/// The same answer whether it doesn't exist or is somebody else's.
fn conversation_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "conversation_unknown",
        "There is no such conversation, or you are not in it.",
    )
}

//! Reading: what a person may see of conversations, and where they stand in them.
//!
//! **Invariants.** Authorization is here, by the rows of membership that the log left: never by what a
//! caller says. Reads stop at a head that was read first.

mod entries;
mod messages;
mod pages;
mod together;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use ids::{ConversationId, UserId};
use problem::{Kind, Problem};
use proto::socket::ConversationState;

use crate::domain::Conversation;
use crate::domain::conversation::{Head, StoredEntry};
use crate::sequencer::routes::Routes;
use crate::store::{BUCKET_SIZE, Reads, Store, StoreError};

use entries::Entries;
pub use pages::{Page, Place, Summary};
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
/// Conversations whose head can be read by many at once.
const SHARED_HEADS: u64 = 10_000;

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

    /// Who is in a conversation, as far as the log was applied. No authorization: the caller is the service
    /// that owns membership.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn membership(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<Conversation>, Problem> {
        let Some(head) = self.head(conversation).await? else {
            return Ok(None);
        };
        // What was written after the head was read is beyond it.
        let rows = self.store.members(conversation).await?;
        Ok(Some(Conversation::as_of(conversation, head, rows)))
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

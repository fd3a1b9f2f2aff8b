//! Pages of entries, and lines of lists.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::{ConversationId, UserId};
use problem::Problem;
use proto::socket::{ConversationState, Entry, entry};

use super::view::View;
use super::{CONCURRENCY, DEFAULT_LIMIT, History, MAX_LIMIT, conversation_unknown};
use crate::domain::conversation::StoredEntry;
use crate::store::{Reads, StoreError};

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

impl<R: Reads> History<R> {
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
}

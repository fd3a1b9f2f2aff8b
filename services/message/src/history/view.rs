//! A conversation through the eyes of one person, and where they stand in it.

use std::collections::BTreeSet;

use ids::{ConversationId, UserId};
use proto::socket::{ConversationState, Entry, entry};

use super::{DEFAULT_LIMIT, History};
use crate::domain::Visibility;
use crate::domain::conversation::Head;
use crate::domain::readers::{HiddenRow, Marks};
use crate::store::{EntryRange, Reads, StoreError};

/// Up to so many unread messages are counted by reading them: who has that many fetches them next.
const COUNTED_BY_READING: u64 = DEFAULT_LIMIT as u64;

/// A conversation through the eyes of one person.
pub(super) struct View {
    pub head: Head,
    pub visibility: Visibility,
    pub marks: Marks,
    /// What the person has hidden.
    pub hidden: BTreeSet<u64>,
}

impl View {
    /// Whether the person sees what a change did. A deletion always: who wrote the message wants it gone,
    /// also for those who weren't there any more.
    pub fn shows(&self, change: &Entry) -> bool {
        change.number <= self.head.last_number
            && (matches!(change.change, Some(entry::Change::Deleted(_)))
                || self.visibility.contains(change.number))
    }

    /// Whether the person can see the entry.
    pub fn has(&self, number: u64) -> bool {
        number <= self.head.last_number
            && self.visibility.contains(number)
            && !self.hidden.contains(&number)
    }
}

impl<R: Reads> History<R> {
    pub(super) async fn view(
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

    pub(super) async fn hidden_rows(
        &self,
        user: UserId,
        conversation: ConversationId,
        head: &Head,
    ) -> Result<Vec<HiddenRow>, StoreError> {
        let mut rows = self.store.hidden(conversation, user).await?;
        rows.retain(|row| row.position <= head.position);
        Ok(rows)
    }

    pub(super) async fn state(
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

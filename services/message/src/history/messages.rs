//! What became of a message: its texts, who got it, who hid it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::{ConversationId, UserId};
use problem::{Kind, Problem};
use proto::message::{MessageReceipt, Revision};
use proto::socket::{Message, Receipt, entry};

use super::view::View;
use super::{
    CONCURRENCY, DEFAULT_LIMIT, History, MAX_LIMIT, conversation_unknown, entry_unknown,
    not_a_member,
};
use crate::domain::Visibility;
use crate::domain::conversation::{Head, RECEIPTS_UP_TO_MEMBERS, StoredEntry};
use crate::domain::membership::{MemberEvent, MemberRow};
use crate::domain::readers::MAX_HIDDEN;
use crate::store::{Reads, StoreError};

impl<R: Reads> History<R> {
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
}

/// Whether somebody was a member when the entry with this number came.
fn was_there(mut rows: Vec<MemberRow>, number: u64, head: &Head) -> bool {
    rows.retain(|row| !matches!(row.event, MemberEvent::HistoryOpened(_)));
    Visibility::of(rows, head.position).contains(number)
}

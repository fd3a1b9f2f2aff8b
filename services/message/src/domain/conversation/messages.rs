//! Messages, and changes of messages.

use events::{CLIENT_MESSAGE_ID_MAX_AGE_MS, CLIENT_MESSAGE_ID_MAX_AHEAD_MS};
use proto::socket::{Deleted, Edited, Entry, Message, Reacted, entry, reacted};

use super::applied::{
    Applied, ChangeRow, DeletionRow, FirstSeen, Outcome, Position, RefusalCode, Rows, StoredEntry,
    Told,
};
use super::{Conversation, Weight};
use crate::domain::membership::Role;
use crate::domain::recent::{Recent, Target};
use crate::domain::submission::{Content, IdKey, MessageChange, Submission};

/// How often one message may be changed; it can always be deleted.
const MAX_CHANGES: u32 = 5_000;

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

impl Conversation {
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
}

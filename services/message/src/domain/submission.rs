//! What people ask to be appended, as the log has it, parsed.

use events::{ChangeMessage, SendMessage, change_message};
use ids::{ClientMessageId, FileId, InvalidId, MessageId, UserId};
use proto::socket::react;
use sha2::{Digest as _, Sha256};

/// Key of a client message id within a conversation.
pub type IdKey = (UserId, ClientMessageId);

/// A message, or a change of one.
#[derive(Debug, Clone)]
pub struct Submission {
    pub sender: UserId,
    pub client_message_id: ClientMessageId,
    /// Of the message, or of the change itself.
    pub id: MessageId,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Message {
        text: String,
        attachments: Vec<FileId>,
        reply_to_number: u64,
    },
    Change {
        /// Number of the message that is changed.
        target: u64,
        change: MessageChange,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageChange {
    Edit { text: String },
    Delete,
    AddReaction(String),
    RemoveReaction(String),
}

impl TryFrom<SendMessage> for Submission {
    type Error = InvalidId;

    fn try_from(send: SendMessage) -> Result<Self, InvalidId> {
        Ok(Self {
            sender: UserId::from_slice(&send.sender)?,
            client_message_id: ClientMessageId::from_slice(&send.client_message_id)?,
            id: MessageId::from_slice(&send.message_id)?,
            content: Content::Message {
                text: send.text,
                attachments: send
                    .attachment_ids
                    .iter()
                    .map(|id| FileId::from_slice(id))
                    .collect::<Result<_, _>>()?,
                reply_to_number: send.reply_to_number,
            },
        })
    }
}

impl Submission {
    /// A change; `None` for one that this version doesn't know.
    ///
    /// # Errors
    /// When a field holds no id.
    pub fn of_change(record: ChangeMessage) -> Result<Option<Self>, InvalidId> {
        let change = match record.change {
            Some(change_message::Change::Edit(edit)) => MessageChange::Edit { text: edit.text },
            Some(change_message::Change::Delete(_)) => MessageChange::Delete,
            Some(change_message::Change::React(react)) => match react.reaction {
                Some(react::Reaction::Add(emoji)) => MessageChange::AddReaction(emoji),
                Some(react::Reaction::Remove(emoji)) => MessageChange::RemoveReaction(emoji),
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        Ok(Some(Self {
            sender: UserId::from_slice(&record.sender)?,
            client_message_id: ClientMessageId::from_slice(&record.client_message_id)?,
            id: MessageId::from_slice(&record.change_id)?,
            content: Content::Change {
                target: record.number,
                change,
            },
        }))
    }

    pub fn key(&self) -> IdKey {
        (self.sender, self.client_message_id)
    }

    /// The number of the message that is changed, if this is a change.
    #[must_use]
    pub const fn target(&self) -> Option<u64> {
        match self.content {
            Content::Message { .. } => None,
            Content::Change { target, .. } => Some(target),
        }
    }

    /// Digest of what must be the same under the same client message id.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        match &self.content {
            Content::Message {
                text,
                attachments,
                reply_to_number,
            } => {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
                hash.update(reply_to_number.to_be_bytes());
                for attachment in attachments {
                    hash.update(attachment.as_bytes());
                }
            }
            Content::Change { target, change } => {
                // No text is as long as this: never the digest of a message.
                hash.update(u64::MAX.to_be_bytes());
                hash.update(target.to_be_bytes());
                let (kind, text) = match change {
                    MessageChange::Edit { text } => (1u8, text.as_str()),
                    MessageChange::Delete => (2, ""),
                    MessageChange::AddReaction(emoji) => (3, emoji.as_str()),
                    MessageChange::RemoveReaction(emoji) => (4, emoji.as_str()),
                };
                hash.update([kind]);
                hash.update(text.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

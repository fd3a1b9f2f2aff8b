//! What REST answers with. The names and shapes are those of the socket's frames.

use proto::socket::{self, entry};
use serde::Serialize;
use utoipa::ToSchema;

/// One numbered change of a conversation. One of `message`, `created`, `joined` and `left` is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub struct EntryBody {
    #[schema(format = Uuid)]
    conversation_id: String,
    /// Gapless, from 1.
    number: u64,
    previous_number: u64,
    /// Countable messages up to and including this entry: an unread count is a difference of two of these.
    countable_total: u64,
    /// The server's time, for people to read.
    time_unix_ms: i64,
    /// Who did it.
    #[schema(format = Uuid)]
    actor_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<CreatedBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<MemberBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<MemberBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageBody {
    #[schema(format = Uuid)]
    message_id: String,
    #[schema(format = Uuid)]
    client_message_id: String,
    text: String,
    attachment_ids: Vec<String>,
    /// 0: none.
    reply_to_number: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Created)]
pub struct CreatedBody {
    member_ids: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MemberChange)]
pub struct MemberBody {
    #[schema(format = Uuid)]
    user_id: String,
}

impl From<socket::Entry> for EntryBody {
    fn from(entry: socket::Entry) -> Self {
        let mut body = Self {
            conversation_id: entry.conversation_id,
            number: entry.number,
            previous_number: entry.previous_number,
            countable_total: entry.countable_total,
            time_unix_ms: entry.time_unix_ms,
            actor_id: entry.actor_id,
            message: None,
            created: None,
            joined: None,
            left: None,
        };
        match entry.change {
            Some(entry::Change::Message(message)) => {
                body.message = Some(MessageBody {
                    message_id: message.message_id,
                    client_message_id: message.client_message_id,
                    text: message.text,
                    attachment_ids: message.attachment_ids,
                    reply_to_number: message.reply_to_number,
                });
            }
            Some(entry::Change::Created(created)) => {
                body.created = Some(CreatedBody {
                    member_ids: created.member_ids,
                });
            }
            Some(entry::Change::Joined(joined)) => {
                body.joined = Some(MemberBody {
                    user_id: joined.user_id,
                });
            }
            Some(entry::Change::Left(left)) => {
                body.left = Some(MemberBody {
                    user_id: left.user_id,
                });
            }
            None => {}
        }
        body
    }
}

/// Where a reader stands: head, read mark and unread count always come together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationState)]
pub struct StateBody {
    #[schema(format = Uuid)]
    conversation_id: String,
    head_number: u64,
    head_countable_total: u64,
    read_number: u64,
    unread_count: u64,
}

impl From<socket::ConversationState> for StateBody {
    fn from(state: socket::ConversationState) -> Self {
        Self {
            conversation_id: state.conversation_id,
            head_number: state.head_number,
            head_countable_total: state.head_countable_total,
            read_number: state.read_number,
            unread_count: state.unread_count,
        }
    }
}

/// The message is numbered and stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub struct AcceptedBody {
    #[schema(format = Uuid)]
    conversation_id: String,
    #[schema(format = Uuid)]
    client_message_id: String,
    #[schema(format = Uuid)]
    message_id: String,
    number: u64,
    time_unix_ms: i64,
}

impl From<socket::Accepted> for AcceptedBody {
    fn from(accepted: socket::Accepted) -> Self {
        Self {
            conversation_id: accepted.conversation_id,
            client_message_id: accepted.client_message_id,
            message_id: accepted.message_id,
            number: accepted.number,
            time_unix_ms: accepted.time_unix_ms,
        }
    }
}

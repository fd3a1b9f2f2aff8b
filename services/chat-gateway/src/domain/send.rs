//! What a client asks to be appended, checked before the log.

use std::time::Duration;

use events::{
    CLIENT_MESSAGE_ID_MAX_AGE_MS, CLIENT_MESSAGE_ID_MAX_AHEAD_MS, LogRecord, MAX_ATTACHMENTS,
    MAX_TEXT_BYTES, Origin, SendMessage, log_record,
};
use ids::{ClientMessageId, ConversationId, FileId, MessageId, UserId};
use proto::socket::{Refused, Send};

/// Longest id that a refusal repeats. An id has 36 bytes; what is longer is none.
const MAX_ECHO_BYTES: usize = 64;

/// How long a client waits before it sends again what was refused because something is full.
pub const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A send whose form is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub client_message_id: ClientMessageId,
    pub conversation: ConversationId,
    pub text: String,
    pub attachments: Vec<FileId>,
    pub reply_to_number: u64,
    pub attempt: Attempt,
    /// The first frame of an outbox that starts again.
    pub restart: bool,
}

/// Whether an earlier try may already be in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    First,
    /// Only the log knows what became of the one before: it is never refused for good before it.
    Again,
}

impl Draft {
    /// Checks form, sizes and, on a first attempt, the age of the id.
    ///
    /// # Errors
    /// The refusal for the client, with the ids as it wrote them.
    pub fn parse(send: Send, now_unix_ms: u64) -> Result<Self, Box<Refused>> {
        let refuse = |code, detail: &str| Err(Box::new(refusal(&send, code, detail)));
        let Ok(client_message_id) = ClientMessageId::parse(&send.client_message_id) else {
            return refuse(
                "client_message_id_invalid",
                "A client message id is a UUID of version 7.",
            );
        };
        let Ok(conversation) = ConversationId::parse(&send.conversation_id) else {
            return refuse("conversation_id_invalid", "This is not a conversation id.");
        };
        if send.text.len() > MAX_TEXT_BYTES {
            return refuse("text_too_long", "A text is at most 8,192 bytes of UTF-8.");
        }
        if send.text.is_empty() && send.attachment_ids.is_empty() {
            return refuse("text_empty", "There is neither text nor attachment.");
        }
        if send.attachment_ids.len() > MAX_ATTACHMENTS {
            return refuse("attachment_invalid", "There are at most 10 attachments.");
        }
        let attachments = send.attachment_ids.iter().map(|id| FileId::parse(id));
        let Ok(attachments) = attachments.collect::<Result<Vec<_>, _>>() else {
            return refuse("attachment_invalid", "An attachment has no valid id.");
        };
        let attempt = match send.attempt {
            0 | 1 => Attempt::First,
            _ => Attempt::Again,
        };
        if attempt == Attempt::First {
            let made = client_message_id.unix_ms();
            if made + CLIENT_MESSAGE_ID_MAX_AGE_MS < now_unix_ms {
                return refuse(
                    "client_message_id_expired",
                    "The client message id is older than 29 days.",
                );
            }
            if made > now_unix_ms + CLIENT_MESSAGE_ID_MAX_AHEAD_MS {
                return refuse(
                    "client_message_id_in_future",
                    "The client message id is ahead of the server's clock: check yours.",
                );
            }
        }
        Ok(Self {
            client_message_id,
            conversation,
            attachments,
            reply_to_number: send.reply_to_number,
            attempt,
            restart: send.outbox_restart,
            text: send.text,
        })
    }

    /// The record for the log.
    #[must_use]
    pub fn into_record(self, sender: UserId, message: MessageId, origin: Origin) -> LogRecord {
        LogRecord {
            origin: Some(origin),
            change: Some(log_record::Change::Send(SendMessage {
                sender: sender.to_vec(),
                client_message_id: self.client_message_id.to_vec(),
                message_id: message.to_vec(),
                text: self.text,
                attachment_ids: self.attachments.iter().map(FileId::to_vec).collect(),
                reply_to_number: self.reply_to_number,
            })),
        }
    }

    /// A refusal for good.
    #[must_use]
    pub fn refused(&self, code: &str, detail: &str) -> Refused {
        Refused {
            conversation_id: self.conversation.to_string(),
            client_message_id: self.client_message_id.to_string(),
            code: code.to_owned(),
            detail: detail.to_owned(),
            retry: false,
            retry_after_ms: 0,
        }
    }
}

/// A refusal of this attempt only: the client sends the same again.
#[must_use]
pub fn try_again(
    conversation: ConversationId,
    client_message_id: ClientMessageId,
    code: &str,
    after: Duration,
) -> Refused {
    Refused {
        conversation_id: conversation.to_string(),
        client_message_id: client_message_id.to_string(),
        code: code.to_owned(),
        detail: "Send it again.".to_owned(),
        retry: true,
        retry_after_ms: after.as_millis().clamp(1, 60_000) as u32,
    }
}

fn refusal(send: &Send, code: &str, detail: &str) -> Refused {
    let echo = |id: &str| {
        if id.len() <= MAX_ECHO_BYTES {
            id.to_owned()
        } else {
            String::new()
        }
    };
    Refused {
        conversation_id: echo(&send.conversation_id),
        client_message_id: echo(&send.client_message_id),
        code: code.to_owned(),
        detail: detail.to_owned(),
        retry: false,
        retry_after_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const DAY: u64 = 24 * 60 * 60 * 1_000;

    fn send() -> Send {
        Send {
            client_message_id: made_at(NOW),
            conversation_id: ConversationId::from_bytes([7; 16]).to_string(),
            text: "hello".into(),
            ..Send::default()
        }
    }

    fn code(send: Send) -> String {
        Draft::parse(send, NOW).unwrap_err().code
    }

    fn made_at(unix_ms: u64) -> String {
        // By hand: `generate` never goes back behind an id that the process made before.
        let mut bytes = [0x7a; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        ClientMessageId::from_slice(&bytes).unwrap().to_string()
    }

    #[test]
    fn a_good_send_is_taken_as_it_is() {
        let draft = Draft::parse(send(), NOW).unwrap();
        assert_eq!(draft.text, "hello");
        assert_eq!(draft.attempt, Attempt::First);
    }

    #[test]
    fn each_fault_has_its_code() {
        let file = FileId::from_bytes([3; 16]).to_string();
        for (expected, faulty) in [
            (
                "client_message_id_invalid",
                Send {
                    client_message_id: "67e55044-10b1-426f-9247-bb680e5fe0c8".into(),
                    ..send()
                },
            ),
            (
                "conversation_id_invalid",
                Send {
                    conversation_id: "general".into(),
                    ..send()
                },
            ),
            (
                "text_empty",
                Send {
                    text: String::new(),
                    ..send()
                },
            ),
            (
                "text_too_long",
                Send {
                    text: "é".repeat(4_097),
                    ..send()
                },
            ),
            (
                "attachment_invalid",
                Send {
                    attachment_ids: vec![file.clone(); 11],
                    ..send()
                },
            ),
            (
                "attachment_invalid",
                Send {
                    attachment_ids: vec!["../etc".into()],
                    ..send()
                },
            ),
            (
                "client_message_id_expired",
                Send {
                    client_message_id: made_at(NOW - 29 * DAY - 1),
                    ..send()
                },
            ),
            (
                "client_message_id_in_future",
                Send {
                    client_message_id: made_at(NOW + 120_001),
                    ..send()
                },
            ),
        ] {
            assert_eq!(code(faulty), expected);
        }
        let only_files = Send {
            text: String::new(),
            attachment_ids: vec![file; 10],
            ..send()
        };
        assert!(Draft::parse(only_files, NOW).is_ok());
    }

    #[test]
    fn the_age_of_an_id_is_for_the_log_to_judge_when_it_is_sent_again() {
        let again = Send {
            client_message_id: made_at(NOW - 40 * DAY),
            attempt: 2,
            ..send()
        };
        assert_eq!(Draft::parse(again, NOW).unwrap().attempt, Attempt::Again);
    }

    #[test]
    fn a_refusal_repeats_the_ids_but_nothing_endless() {
        let refused = Draft::parse(
            Send {
                conversation_id: "x".repeat(50_000),
                ..send()
            },
            NOW,
        )
        .unwrap_err();
        assert_eq!(refused.conversation_id, "");
        assert_eq!(refused.client_message_id.len(), 36);
        assert!(!refused.retry);
    }
}

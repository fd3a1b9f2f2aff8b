//! What a client asks to be appended, checked before the log.

use std::time::Duration;

use events::{
    CLIENT_MESSAGE_ID_MAX_AGE_MS, CLIENT_MESSAGE_ID_MAX_AHEAD_MS, ChangeMessage, LogRecord,
    MAX_ATTACHMENTS, MAX_TEXT_BYTES, Origin, SendMessage, change_message, is_reaction, log_record,
};
use ids::{ClientMessageId, ConversationId, FileId, MessageId, UserId};
use proto::socket::{Change, Refused, Send, change, react};

/// Longest id that a refusal repeats. An id has 36 bytes; what is longer is none.
const MAX_ECHO_BYTES: usize = 64;

/// How long a client waits before it sends again what was refused because something is full.
pub const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A message or a change of one, whose form is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub client_message_id: ClientMessageId,
    pub conversation: ConversationId,
    pub content: Content,
    pub attempt: Attempt,
    /// The first frame of an outbox that starts again.
    pub restart: bool,
}

/// What is to be appended.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Message {
        text: String,
        attachments: Vec<FileId>,
        reply_to_number: u64,
    },
    Change {
        number: u64,
        change: change_message::Change,
    },
}

/// Whether an earlier try may already be in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    First,
    /// Only the log knows what became of the one before: it is never refused for good before it, unless the one
    /// before was, on the same socket.
    Again,
}

impl Attempt {
    const fn of(attempt: u32) -> Self {
        match attempt {
            0 | 1 => Self::First,
            _ => Self::Again,
        }
    }
}

/// A stable code and its sentence.
type Fault = (&'static str, &'static str);

const TEXT_TOO_LONG: Fault = ("text_too_long", "A text is at most 8,192 bytes of UTF-8.");
const ATTACHMENT_INVALID: Fault = (
    "attachment_invalid",
    "There are at most 10 attachments, each with a valid id.",
);

impl Draft {
    /// Checks form, sizes and, on a first attempt, the age of the id.
    ///
    /// # Errors
    /// The refusal for the client, with the ids as it wrote them.
    pub fn of_send(send: Send, now_unix_ms: u64) -> Result<Self, Box<Refused>> {
        let ids = Ids::echo(&send.client_message_id, &send.conversation_id);
        Self::parse_send(send, now_unix_ms).map_err(|fault| Box::new(ids.refused(fault)))
    }

    /// The same of a change.
    ///
    /// # Errors
    /// The refusal for the client, with the ids as it wrote them.
    pub fn of_change(change: Change, now_unix_ms: u64) -> Result<Self, Box<Refused>> {
        let ids = Ids::echo(&change.client_message_id, &change.conversation_id);
        Self::parse_change(change, now_unix_ms).map_err(|fault| Box::new(ids.refused(fault)))
    }

    fn parse_send(send: Send, now_unix_ms: u64) -> Result<Self, Fault> {
        let attempt = Attempt::of(send.attempt);
        let (client_message_id, conversation) = parse_ids(
            &send.client_message_id,
            &send.conversation_id,
            attempt,
            now_unix_ms,
        )?;
        if send.text.len() > MAX_TEXT_BYTES {
            return Err(TEXT_TOO_LONG);
        }
        if send.text.is_empty() && send.attachment_ids.is_empty() {
            return Err(("text_empty", "There is neither text nor attachment."));
        }
        if send.attachment_ids.len() > MAX_ATTACHMENTS {
            return Err(ATTACHMENT_INVALID);
        }
        let attachments = send.attachment_ids.iter().map(|id| FileId::parse(id));
        Ok(Self {
            client_message_id,
            conversation,
            content: Content::Message {
                text: send.text,
                attachments: attachments
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| ATTACHMENT_INVALID)?,
                reply_to_number: send.reply_to_number,
            },
            attempt,
            restart: send.outbox_restart,
        })
    }

    fn parse_change(change: Change, now_unix_ms: u64) -> Result<Self, Fault> {
        let attempt = Attempt::of(change.attempt);
        let (client_message_id, conversation) = parse_ids(
            &change.client_message_id,
            &change.conversation_id,
            attempt,
            now_unix_ms,
        )?;
        let asked = match change.change {
            Some(change::Change::Edit(edit)) => {
                if edit.text.len() > MAX_TEXT_BYTES {
                    return Err(TEXT_TOO_LONG);
                }
                if edit.text.trim().is_empty() {
                    return Err(("text_empty", "A message that is edited keeps some text."));
                }
                change_message::Change::Edit(edit)
            }
            Some(change::Change::Delete(delete)) => change_message::Change::Delete(delete),
            Some(change::Change::React(react)) => {
                let emoji = match &react.reaction {
                    Some(react::Reaction::Add(emoji) | react::Reaction::Remove(emoji)) => emoji,
                    None => "",
                };
                if !is_reaction(emoji) {
                    return Err(("reaction_invalid", "A reaction is one emoji."));
                }
                change_message::Change::React(react)
            }
            None => {
                return Err((
                    "change_unknown",
                    "A change is one of `edit`, `delete` and `react`.",
                ));
            }
        };
        Ok(Self {
            client_message_id,
            conversation,
            content: Content::Change {
                number: change.number,
                change: asked,
            },
            attempt,
            restart: change.outbox_restart,
        })
    }

    /// The record for the log. `id` is the new message's, or the change's own.
    #[must_use]
    pub fn into_record(self, sender: UserId, id: MessageId, origin: Origin) -> LogRecord {
        let (sender, client_message_id) = (sender.to_vec(), self.client_message_id.to_vec());
        let change = match self.content {
            Content::Message {
                text,
                attachments,
                reply_to_number,
            } => log_record::Change::Send(SendMessage {
                sender,
                client_message_id,
                message_id: id.to_vec(),
                text,
                attachment_ids: attachments.iter().map(FileId::to_vec).collect(),
                reply_to_number,
            }),
            Content::Change { number, change } => {
                log_record::Change::ChangeMessage(ChangeMessage {
                    sender,
                    client_message_id,
                    change_id: id.to_vec(),
                    number,
                    change: Some(change),
                })
            }
        };
        LogRecord {
            origin: Some(origin),
            change: Some(change),
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

fn parse_ids(
    client_message_id: &str,
    conversation: &str,
    attempt: Attempt,
    now_unix_ms: u64,
) -> Result<(ClientMessageId, ConversationId), Fault> {
    let client_message_id = ClientMessageId::parse(client_message_id).map_err(|_| {
        (
            "client_message_id_invalid",
            "A client message id is a UUID of version 7.",
        )
    })?;
    let conversation = ConversationId::parse(conversation)
        .map_err(|_| ("conversation_id_invalid", "This is not a conversation id."))?;
    if attempt == Attempt::First {
        let made = client_message_id.unix_ms();
        if made + CLIENT_MESSAGE_ID_MAX_AGE_MS < now_unix_ms {
            return Err((
                "client_message_id_expired",
                "The client message id is older than 29 days.",
            ));
        }
        if made > now_unix_ms + CLIENT_MESSAGE_ID_MAX_AHEAD_MS {
            return Err((
                "client_message_id_in_future",
                "The client message id is ahead of the server's clock: check yours.",
            ));
        }
    }
    Ok((client_message_id, conversation))
}

/// The ids of a frame as its client wrote them, for the answer; nothing endless.
struct Ids {
    client_message_id: String,
    conversation_id: String,
}

impl Ids {
    fn echo(client_message_id: &str, conversation_id: &str) -> Self {
        let echo = |id: &str| {
            if id.len() <= MAX_ECHO_BYTES {
                id.to_owned()
            } else {
                String::new()
            }
        };
        Self {
            client_message_id: echo(client_message_id),
            conversation_id: echo(conversation_id),
        }
    }

    fn refused(self, (code, detail): Fault) -> Refused {
        Refused {
            conversation_id: self.conversation_id,
            client_message_id: self.client_message_id,
            code: code.to_owned(),
            detail: detail.to_owned(),
            retry: false,
            retry_after_ms: 0,
        }
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
        Draft::of_send(send, NOW).unwrap_err().code
    }

    fn made_at(unix_ms: u64) -> String {
        // By hand: `generate` never goes back behind an id that the process made before.
        let mut bytes = [0x7a; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        ClientMessageId::from_slice(&bytes).unwrap().to_string()
    }

    #[test]
    fn a_good_send_is_taken_as_it_is() {
        let draft = Draft::of_send(send(), NOW).unwrap();
        assert!(matches!(draft.content, Content::Message { text, .. } if text == "hello"));
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
        assert!(Draft::of_send(only_files, NOW).is_ok());
    }

    #[test]
    fn each_fault_of_a_change_has_its_code() {
        use proto::socket::{Delete, Edit, React};
        let change = |asked| Change {
            client_message_id: made_at(NOW),
            conversation_id: ConversationId::from_bytes([7; 16]).to_string(),
            number: 3,
            change: asked,
            ..Change::default()
        };
        let edit = |text: &str| Some(change::Change::Edit(Edit { text: text.into() }));
        let react = |reaction| Some(change::Change::React(React { reaction }));
        for (expected, faulty) in [
            ("change_unknown", None),
            ("text_empty", edit(" ")),
            ("text_too_long", edit(&"é".repeat(4_097))),
            ("reaction_invalid", react(None)),
            (
                "reaction_invalid",
                react(Some(react::Reaction::Add("great".into()))),
            ),
        ] {
            let refused = Draft::of_change(change(faulty), NOW).unwrap_err();
            assert_eq!(refused.code, expected);
        }
        for good in [
            edit("better"),
            react(Some(react::Reaction::Remove("👍".into()))),
            Some(change::Change::Delete(Delete {})),
        ] {
            let draft = Draft::of_change(change(good), NOW).unwrap();
            assert!(matches!(draft.content, Content::Change { number: 3, .. }));
        }
    }

    #[test]
    fn the_age_of_an_id_is_for_the_log_to_judge_when_it_is_sent_again() {
        let again = Send {
            client_message_id: made_at(NOW - 40 * DAY),
            attempt: 2,
            ..send()
        };
        assert_eq!(Draft::of_send(again, NOW).unwrap().attempt, Attempt::Again);
    }

    #[test]
    fn a_refusal_repeats_the_ids_but_nothing_endless() {
        let refused = Draft::of_send(
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

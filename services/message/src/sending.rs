//! Writing through REST and gRPC: the same record, the same log, the same answer as by socket.

use clock::Clock;
use events::{
    ChangeMessage, HideEntry, MAX_ATTACHMENTS, MAX_TEXT_BYTES, MarkUnread, MoveMarks, SendMessage,
    change_message, is_reaction, log_record,
};
use ids::{ClientMessageId, ConversationId, FileId, MessageId, UserId};
use problem::{Kind, Problem};
use proto::socket::{Accepted, Change, ConversationState, Refused, change, react};

use crate::events::{Log, Resolution};
use crate::history::History;

/// A message as a caller wrote it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub client_message_id: String,
    pub text: String,
    pub attachment_ids: Vec<String>,
    pub reply_to_number: u64,
}

/// The writer's side of the message service.
#[derive(Clone)]
pub struct Sending {
    log: Log,
    history: History,
    clock: Clock,
}

impl Sending {
    #[must_use]
    pub const fn new(log: Log, history: History, clock: Clock) -> Self {
        Self {
            log,
            history,
            clock,
        }
    }

    /// Appends a message and returns when it is numbered and stored. The same client message id gives the
    /// first answer again.
    ///
    /// # Errors
    /// All faulty fields at once; a refusal of the log is `Ok(Err(_))`.
    pub async fn send(
        &self,
        sender: UserId,
        conversation: ConversationId,
        draft: Draft,
    ) -> Result<Result<Accepted, Refused>, Problem> {
        let message = self.check(sender, draft)?;
        self.submit(sender, conversation, log_record::Change::Send(message))
            .await
    }

    /// Appends a change of a message, with the same guarantees.
    ///
    /// # Errors
    /// All faulty fields at once; a refusal of the log is `Ok(Err(_))`.
    pub async fn change(
        &self,
        sender: UserId,
        conversation: ConversationId,
        change: Change,
    ) -> Result<Result<Accepted, Refused>, Problem> {
        let change = self.check_change(sender, change)?;
        let change = log_record::Change::ChangeMessage(change);
        self.submit(sender, conversation, change).await
    }

    async fn submit(
        &self,
        sender: UserId,
        conversation: ConversationId,
        change: log_record::Change,
    ) -> Result<Result<Accepted, Refused>, Problem> {
        // Who never was a member learns nothing, and leaves nothing. Who was goes to the log, which decides:
        // an earlier attempt may have been accepted.
        match self.history.require_member(sender, conversation).await {
            Err(problem) if problem.kind == Kind::NotFound => return Err(problem),
            _ => {}
        }
        match self.log.append(conversation, change).await? {
            Resolution::Accepted(accepted) => Ok(Ok(accepted)),
            Resolution::Refused(refused) => Ok(Err(refused)),
            Resolution::Standing(_) => Err(wrong_answer()),
        }
    }

    /// Moves the reader's read mark up and returns where the reader stands then.
    ///
    /// # Errors
    /// `conversation_unknown`, `not_a_member`, `unavailable`, `outcome_unknown`.
    pub async fn mark_read(
        &self,
        reader: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<ConversationState, Problem> {
        let change = log_record::Change::Marks(MoveMarks {
            reader: reader.to_vec(),
            read_number: number,
            delivered_number: 0,
        });
        self.stand(reader, conversation, change).await
    }

    /// Moves the reader's delivered mark up.
    ///
    /// # Errors
    /// As [`Self::mark_read`].
    pub async fn mark_delivered(
        &self,
        reader: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<ConversationState, Problem> {
        let change = log_record::Change::Marks(MoveMarks {
            reader: reader.to_vec(),
            read_number: 0,
            delivered_number: number,
        });
        self.stand(reader, conversation, change).await
    }

    /// Marks the conversation as unread for the reader.
    ///
    /// # Errors
    /// As [`Self::mark_read`].
    pub async fn mark_unread(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Result<ConversationState, Problem> {
        let change = log_record::Change::MarkUnread(MarkUnread {
            reader: reader.to_vec(),
        });
        self.stand(reader, conversation, change).await
    }

    /// Hides an entry from the reader alone.
    ///
    /// # Errors
    /// As [`Self::mark_read`]; `entry_unknown` for what the reader can't see, `too_many_hidden`.
    pub async fn hide(
        &self,
        reader: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<ConversationState, Problem> {
        self.history
            .require_can_hide(reader, conversation, number)
            .await?;
        let change = log_record::Change::Hide(HideEntry {
            reader: reader.to_vec(),
            number,
        });
        self.stand(reader, conversation, change).await
    }

    async fn stand(
        &self,
        reader: UserId,
        conversation: ConversationId,
        change: log_record::Change,
    ) -> Result<ConversationState, Problem> {
        self.history.require_member(reader, conversation).await?;
        match self.log.append(conversation, change).await? {
            Resolution::Standing(state) => Ok(state),
            Resolution::Refused(refused) => Err(refusal(refused)),
            Resolution::Accepted(_) => Err(wrong_answer()),
        }
    }

    fn check_change(&self, sender: UserId, asked: Change) -> Result<ChangeMessage, Problem> {
        let mut problem = Problem::new(
            Kind::InvalidInput,
            "change_invalid",
            "The change is not valid.",
        );
        let id = ClientMessageId::parse(&asked.client_message_id);
        if id.is_err() {
            problem = problem.with_field(
                "client_message_id",
                "client_message_id_invalid",
                "A UUID of version 7 is needed.",
            );
        }
        let change = match asked.change {
            Some(change::Change::Edit(edit)) => {
                if edit.text.trim().is_empty() {
                    problem = problem.with_field(
                        "edit.text",
                        "text_empty",
                        "A message that is edited keeps some text.",
                    );
                }
                if edit.text.len() > MAX_TEXT_BYTES {
                    problem = problem.with_field(
                        "edit.text",
                        "text_too_long",
                        format!("At most {MAX_TEXT_BYTES} bytes of UTF-8."),
                    );
                }
                Some(change_message::Change::Edit(edit))
            }
            Some(change::Change::Delete(delete)) => Some(change_message::Change::Delete(delete)),
            Some(change::Change::React(react)) => {
                let emoji = match &react.reaction {
                    Some(react::Reaction::Add(emoji) | react::Reaction::Remove(emoji)) => emoji,
                    None => "",
                };
                if !is_reaction(emoji) {
                    problem =
                        problem.with_field("react", "reaction_invalid", "A reaction is one emoji.");
                }
                Some(change_message::Change::React(react))
            }
            None => {
                problem = problem.with_field(
                    "change",
                    "change_unknown",
                    "A change is one of `edit`, `delete` and `react`.",
                );
                None
            }
        };
        match id {
            Ok(id) if problem.fields.is_empty() => Ok(ChangeMessage {
                sender: sender.to_vec(),
                client_message_id: id.to_vec(),
                number: asked.number,
                change_id: MessageId::generate(&self.clock).to_vec(),
                change,
            }),
            _ => Err(of_one_fault(problem)),
        }
    }

    fn check(&self, sender: UserId, draft: Draft) -> Result<SendMessage, Problem> {
        let mut problem = Problem::new(
            Kind::InvalidInput,
            "message_invalid",
            "The message is not valid.",
        );
        let id = ClientMessageId::parse(&draft.client_message_id);
        if id.is_err() {
            problem = problem.with_field(
                "client_message_id",
                "client_message_id_invalid",
                "A UUID of version 7 is needed.",
            );
        }
        if draft.text.trim().is_empty() && draft.attachment_ids.is_empty() {
            problem = problem.with_field("text", "text_empty", "There is nothing to send.");
        }
        if draft.text.len() > MAX_TEXT_BYTES {
            problem = problem.with_field(
                "text",
                "text_too_long",
                format!("At most {MAX_TEXT_BYTES} bytes of UTF-8."),
            );
        }
        let attachments: Result<Vec<Vec<u8>>, _> = draft
            .attachment_ids
            .iter()
            .map(|id| FileId::parse(id).map(|id| id.to_vec()))
            .collect();
        if attachments.is_err() || draft.attachment_ids.len() > MAX_ATTACHMENTS {
            problem = problem.with_field(
                "attachment_ids",
                "attachment_invalid",
                format!("At most {MAX_ATTACHMENTS} ids of uploaded files."),
            );
        }
        match (id, attachments) {
            (Ok(id), Ok(attachment_ids)) if problem.fields.is_empty() => Ok(SendMessage {
                sender: sender.to_vec(),
                client_message_id: id.to_vec(),
                message_id: MessageId::generate(&self.clock).to_vec(),
                text: draft.text,
                attachment_ids,
                reply_to_number: draft.reply_to_number,
            }),
            _ => Err(of_one_fault(problem)),
        }
    }
}

/// A single fault is the code of the whole.
fn of_one_fault(mut problem: Problem) -> Problem {
    if let [only] = problem.fields.as_slice() {
        problem.code = only.code.clone();
    }
    problem
}

/// A refusal of the log, as REST says it.
#[must_use]
pub fn refusal(refused: Refused) -> Problem {
    let kind = match refused.code.as_str() {
        "conversation_unknown" | "target_unknown" => Kind::NotFound,
        "not_a_member" | "not_allowed" | "not_the_author" => Kind::PermissionDenied,
        "client_message_id_conflict" | "target_deleted" => Kind::Conflict,
        "conversation_closed" => Kind::FailedPrecondition,
        _ => Kind::InvalidInput,
    };
    Problem::new(kind, refused.code, refused.detail)
}

fn wrong_answer() -> Problem {
    #[derive(Debug, thiserror::Error)]
    #[error("the log answered another question")]
    struct WrongAnswer;
    Problem::internal(&WrongAnswer)
}

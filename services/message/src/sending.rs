//! Writing through REST and gRPC: the same record, the same log, the same answer as by socket.

use clock::Clock;
use events::{MAX_ATTACHMENTS, MAX_TEXT_BYTES, MoveReadMark, SendMessage, log_record};
use ids::{ClientMessageId, ConversationId, FileId, MessageId, UserId};
use problem::{Kind, Problem};
use proto::socket::{Accepted, ConversationState, Refused};

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
        // Who never was a member learns nothing, and leaves nothing. Who was goes to the log, which decides:
        // an earlier attempt may have been accepted.
        match self.history.require_member(sender, conversation).await {
            Err(problem) if problem.kind == Kind::NotFound => return Err(problem),
            _ => {}
        }
        let change = log_record::Change::Send(message);
        match self.log.append(conversation, change).await? {
            Resolution::Accepted(accepted) => Ok(Ok(accepted)),
            Resolution::Refused(refused) => Ok(Err(refused)),
            Resolution::Standing(_) => Err(wrong_answer()),
        }
    }

    /// Moves the reader's mark up and returns where the reader stands then.
    ///
    /// # Errors
    /// `conversation_unknown`, `not_a_member`, `unavailable`, `outcome_unknown`.
    pub async fn mark_read(
        &self,
        reader: UserId,
        conversation: ConversationId,
        number: u64,
    ) -> Result<ConversationState, Problem> {
        self.history.require_member(reader, conversation).await?;
        let change = log_record::Change::Read(MoveReadMark {
            reader: reader.to_vec(),
            number,
        });
        match self.log.append(conversation, change).await? {
            Resolution::Standing(state) => Ok(state),
            Resolution::Refused(refused) => Err(refusal(refused)),
            Resolution::Accepted(_) => Err(wrong_answer()),
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
            _ => {
                // A single fault is the code of the whole.
                if let [only] = problem.fields.as_slice() {
                    problem.code = only.code.clone();
                }
                Err(problem)
            }
        }
    }
}

/// A refusal of the log, as REST says it.
#[must_use]
pub fn refusal(refused: Refused) -> Problem {
    let kind = match refused.code.as_str() {
        "conversation_unknown" => Kind::NotFound,
        "not_a_member" => Kind::PermissionDenied,
        "client_message_id_conflict" => Kind::Conflict,
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

//! Messages without a socket: send, history, marks.

use ids::{ClientMessageId, ConversationId};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::api::Client;
use crate::engine::Draft;
use crate::error::Result;
use crate::wire;

/// Where a page of history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Entries with greater numbers, ascending.
    After(u64),
    /// Entries with smaller numbers, ascending, the nearest ones.
    Before(u64),
    /// The newest.
    Latest,
}

/// A page of history, ascending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryPage {
    pub entries: Vec<wire::Entry>,
    /// Everything that the person may see from here …
    pub covered_from: u64,
    /// … up to here is in `entries`.
    pub covered_to: u64,
    /// Where the reader stood when the page was read.
    #[serde(default)]
    pub state: Option<wire::ConversationState>,
}

#[derive(Serialize)]
struct NewMessage<'a> {
    client_message_id: ClientMessageId,
    text: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attachment_ids: &'a [ids::FileId],
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_number: Option<u64>,
}

impl Client {
    /// An id for a message that is about to be written.
    #[must_use]
    pub fn new_client_message_id(&self) -> ClientMessageId {
        ClientMessageId::generate(self.api().clock())
    }

    /// Sends and returns when the message is numbered and stored. After [`Error::NoAnswer`]
    /// (or any retryable refusal) call again with the same id: it is stored once.
    ///
    /// [`Error::NoAnswer`]: crate::Error::NoAnswer
    ///
    /// # Errors
    /// Codes such as `not_a_member`, `text_too_long`, `client_message_id_conflict`.
    pub async fn send_message(
        &self,
        conversation: ConversationId,
        id: ClientMessageId,
        draft: &Draft,
    ) -> Result<wire::Accepted> {
        let body = NewMessage {
            client_message_id: id,
            text: &draft.text,
            attachment_ids: &draft.attachments,
            reply_to_number: draft.reply_to,
        };
        self.post(
            &format!("/api/messages/conversations/{conversation}/messages"),
            &body,
        )
        .await
    }

    /// A page of history; at most 100 entries.
    ///
    /// # Errors
    /// Code `not_a_member` for who never was one.
    pub async fn entries(
        &self,
        conversation: ConversationId,
        position: Position,
        limit: u32,
    ) -> Result<EntryPage> {
        let path = format!("/api/messages/conversations/{conversation}/entries");
        self.call(Method::GET, &path, |request| {
            let request = request.query(&[("limit", limit)]);
            match position {
                Position::After(number) => request.query(&[("after", number)]),
                Position::Before(number) => request.query(&[("before", number)]),
                Position::Latest => request,
            }
        })
        .await
    }

    /// Moves the read mark up; a lower number changes nothing. Returns where the reader stands.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn mark_read(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<wire::ConversationState> {
        let path = format!("/api/messages/conversations/{conversation}/read");
        self.post(&path, &serde_json::json!({ "number": number }))
            .await
    }

    /// Head, mark and unread count; conversations of others are left out.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn states(&self, ids: &[ConversationId]) -> Result<Vec<wire::ConversationState>> {
        #[derive(Deserialize)]
        struct States {
            states: Vec<wire::ConversationState>,
        }
        let mut all = Vec::with_capacity(ids.len());
        for some in ids.chunks(100) {
            let ids: Vec<_> = some.iter().map(ToString::to_string).collect();
            let page: States = self
                .get(&format!("/api/messages/states?ids={}", ids.join(",")))
                .await?;
            all.extend(page.states);
        }
        Ok(all)
    }
}

//! Messages without a socket: send, change, history, marks, receipts.

use ids::{ClientMessageId, ConversationId, UserId};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::api::Client;
use crate::engine::{Draft, MessageChange};
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

/// As REST has it: one of these members.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum AskedChange<'a> {
    Edit(&'a str),
    Delete {},
    AddReaction(&'a str),
    RemoveReaction(&'a str),
}

#[derive(Serialize)]
struct NewChange<'a> {
    client_message_id: ClientMessageId,
    #[serde(flatten)]
    change: AskedChange<'a>,
}

/// When one member got and read a message: the server's times, in milliseconds since 1970. None: not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReceipt {
    pub user_id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_time_unix_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_time_unix_ms: Option<i64>,
}

/// A text that a message has had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    pub text: String,
    /// The server's time.
    pub time_unix_ms: i64,
}

fn of_entry(conversation: ConversationId, number: u64, what: &str) -> String {
    format!("/api/messages/conversations/{conversation}/entries/{number}/{what}")
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

    /// Edits or deletes the message with this number, or reacts to it, and returns when the change is
    /// numbered and stored. Calling again with the same id is safe, as for [`Client::send_message`].
    ///
    /// # Errors
    /// Codes such as `target_unknown`, `target_deleted`, `not_the_author`, `reaction_invalid`.
    pub async fn change_message(
        &self,
        conversation: ConversationId,
        id: ClientMessageId,
        number: u64,
        change: &MessageChange,
    ) -> Result<wire::Accepted> {
        let body = NewChange {
            client_message_id: id,
            change: match change {
                MessageChange::Edit(text) => AskedChange::Edit(text),
                MessageChange::Delete => AskedChange::Delete {},
                MessageChange::AddReaction(emoji) => AskedChange::AddReaction(emoji),
                MessageChange::RemoveReaction(emoji) => AskedChange::RemoveReaction(emoji),
            },
        };
        self.post(&of_entry(conversation, number, "changes"), &body)
            .await
    }

    /// Every text that a message has had, the first one first.
    ///
    /// # Errors
    /// Code `entry_unknown`, for a deleted message too.
    pub async fn revisions(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<Vec<Revision>> {
        #[derive(Deserialize)]
        struct Revisions {
            revisions: Vec<Revision>,
        }
        let found: Revisions = self
            .get(&of_entry(conversation, number, "revisions"))
            .await?;
        Ok(found.revisions)
    }

    /// Who got a message and who read it, and when: of all who were there when it was written, but its
    /// author. By user id.
    ///
    /// # Errors
    /// Codes `not_a_member`, `entry_unknown`.
    pub async fn receipts(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<Vec<MemberReceipt>> {
        #[derive(Deserialize)]
        struct Page {
            receipts: Vec<MemberReceipt>,
            #[serde(default)]
            next_after: Option<UserId>,
        }
        let path = of_entry(conversation, number, "receipts");
        let (mut all, mut after) = (Vec::new(), None::<UserId>);
        loop {
            let page: Page = self
                .call(Method::GET, &path, |request| {
                    let request = request.query(&[("limit", 100)]);
                    match after {
                        Some(after) => request.query(&[("after", after)]),
                        None => request,
                    }
                })
                .await?;
            all.extend(page.receipts);
            match page.next_after {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// How far each member has got, in a conversation of up to 100 members; who has moved no mark yet is
    /// left out.
    ///
    /// # Errors
    /// Code `too_many_members` for a larger one.
    pub async fn marks(&self, conversation: ConversationId) -> Result<Vec<wire::Receipt>> {
        #[derive(Deserialize)]
        struct Marks {
            marks: Vec<wire::Receipt>,
        }
        let path = format!("/api/messages/conversations/{conversation}/marks");
        let found: Marks = self.get(&path).await?;
        Ok(found.marks)
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

    /// Says that a device of this person's has everything up to the number; a lower one changes nothing.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn mark_delivered(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<wire::ConversationState> {
        let path = format!("/api/messages/conversations/{conversation}/delivered");
        self.post(&path, &serde_json::json!({ "number": number }))
            .await
    }

    /// Lets the conversation look unread on all of this person's devices. Moves no read mark back.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn mark_unread(
        &self,
        conversation: ConversationId,
    ) -> Result<wire::ConversationState> {
        let path = format!("/api/messages/conversations/{conversation}/unread");
        self.post(&path, &serde_json::json!({})).await
    }

    /// Deletes an entry for this person alone, for good.
    ///
    /// # Errors
    /// Codes `entry_unknown`, `too_many_hidden`.
    pub async fn hide(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<wire::ConversationState> {
        self.post(
            &of_entry(conversation, number, "hide"),
            &serde_json::json!({}),
        )
        .await
    }

    /// What this person has hidden after the first `after`, in the order of hiding.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn hidden(&self, conversation: ConversationId, after: u64) -> Result<Vec<u64>> {
        #[derive(Deserialize)]
        struct HiddenEntries {
            numbers: Vec<u64>,
        }
        let path = format!("/api/messages/conversations/{conversation}/hidden?after={after}");
        let found: HiddenEntries = self.get(&path).await?;
        Ok(found.numbers)
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

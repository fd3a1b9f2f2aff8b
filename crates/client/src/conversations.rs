//! Conversations: opening, joining, leaving, listing.

use ids::{ConversationId, UserId};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::api::{Client, Done, segment};
use crate::error::Result;
use crate::groups::Group;
use crate::wire;

/// One-to-one or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    Direct,
    Group,
}

/// What may be done in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    Owner,
    Admin,
    Member,
}

/// A conversation as a member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    /// Of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The other person of a one-to-one conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<UserId>,
    /// Of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// RFC 3339.
    pub created_at: String,
}

/// A person in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user_id: UserId,
    pub role: MemberRole,
    /// RFC 3339.
    pub joined_at: String,
}

/// Whether a conversation may make itself heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mute {
    Off,
    /// Until `muted_until`; in the past, it is over.
    Until,
    Forever,
}

/// This person's own settings of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationSettings {
    /// Grows with every change; 0: never changed.
    pub version: u64,
    pub mute: Mute,
    /// RFC 3339; with [`Mute::Until`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<String>,
    pub archived: bool,
    /// From the top; `None`: not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_position: Option<u32>,
}

/// What to change of them; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SettingsChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
    /// RFC 3339, in the future; with [`Mute::Until`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// A conversation and who is in it; of a large group a page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationDetails {
    pub conversation: Conversation,
    /// One's own; in a direct conversation [`MemberRole::Member`].
    pub role: MemberRole,
    /// In the order in which they joined.
    pub members: Vec<Member>,
    /// For the next page; none: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One line of the list of conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationSummary {
    pub conversation: Conversation,
    /// Head, read mark and unread count.
    pub state: wire::ConversationState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_entry: Option<wire::Entry>,
}

/// A page of the list, newest activity first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationPage {
    pub items: Vec<ConversationSummary>,
    /// For the next page; none: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Opened {
    pub conversation: Conversation,
}

impl Client {
    /// The one conversation with another person, made if need be.
    ///
    /// # Errors
    /// Code `user_unknown`.
    pub async fn open_direct(&self, user: UserId) -> Result<Conversation> {
        let body = serde_json::json!({ "user_id": user });
        let opened: Opened = self.post("/api/conversations/direct", &body).await?;
        Ok(opened.conversation)
    }

    /// A new group of this person's.
    ///
    /// # Errors
    /// Code `group_name_taken`.
    pub async fn create_group(&self, name: &str, members: &[UserId]) -> Result<Conversation> {
        let body = serde_json::json!({ "name": name, "member_ids": members });
        let opened: Opened = self.post("/api/conversations/groups", &body).await?;
        Ok(opened.conversation)
    }

    /// Joins the group of this name.
    ///
    /// # Errors
    /// Code `group_unknown`.
    pub async fn join_group(&self, name: &str) -> Result<Conversation> {
        let path = format!("/api/conversations/groups/{}/join", segment(name));
        let opened: Opened = self.post(&path, &serde_json::json!({})).await?;
        Ok(opened.conversation)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// Refused for a one-to-one conversation.
    pub async fn leave(&self, conversation: ConversationId) -> Result<()> {
        let path = format!("/api/conversations/{conversation}/leave");
        let Done = self.post(&path, &serde_json::json!({})).await?;
        Ok(())
    }

    /// Takes a member out of a group; owners and admins only.
    ///
    /// # Errors
    /// Refused to others.
    pub async fn remove_member(&self, conversation: ConversationId, user: UserId) -> Result<()> {
        let path = format!("/api/conversations/{conversation}/members/{user}");
        let Done = self.call(Method::DELETE, &path, |request| request).await?;
        Ok(())
    }

    /// This person's own settings of a conversation.
    ///
    /// # Errors
    /// Code `conversation_unknown`.
    pub async fn settings(&self, conversation: ConversationId) -> Result<ConversationSettings> {
        self.get(&format!("/api/conversations/{conversation}/settings"))
            .await
    }

    /// Mutes, archives or pins a conversation for this person.
    ///
    /// # Errors
    /// Codes `conversation_unknown`, `too_many_pins`.
    pub async fn change_settings(
        &self,
        conversation: ConversationId,
        changes: &SettingsChanges,
    ) -> Result<ConversationSettings> {
        let path = format!("/api/conversations/{conversation}/settings");
        self.call(Method::PATCH, &path, |request| request.json(changes))
            .await
    }

    /// A page of this person's conversations, newest activity first. `cursor` is that of the page
    /// before; at most 100 a page.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn conversations(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<ConversationPage> {
        self.call(Method::GET, "/api/conversations", |request| {
            let request = request.query(&[("limit", limit)]);
            match cursor {
                Some(cursor) => request.query(&[("cursor", cursor)]),
                None => request,
            }
        })
        .await
    }

    /// All of this person's conversations, page by page.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn all_conversations(&self) -> Result<Vec<ConversationSummary>> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.conversations(cursor.as_deref(), 100).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) if !next.is_empty() => cursor = Some(next),
                _ => return Ok(all),
            }
        }
    }

    /// One conversation with the first 50 of its members.
    ///
    /// # Errors
    /// Code `conversation_unknown`.
    pub async fn conversation(&self, conversation: ConversationId) -> Result<ConversationDetails> {
        self.get(&format!("/api/conversations/{conversation}"))
            .await
    }

    /// The same with a page of up to 100 members, from the first ones or after those of the page before.
    ///
    /// # Errors
    /// Code `conversation_unknown`.
    pub async fn members_page(
        &self,
        conversation: ConversationId,
        cursor: Option<&str>,
    ) -> Result<ConversationDetails> {
        let path = format!("/api/conversations/{conversation}");
        let mut query = vec![("limit", "100")];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        self.call(Method::GET, &path, |request| request.query(&query))
            .await
    }

    /// All members, page by page. Who stays is in it exactly once; who joins or leaves meanwhile may be.
    ///
    /// # Errors
    /// Code `conversation_unknown`.
    pub async fn all_members(&self, conversation: ConversationId) -> Result<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.members_page(conversation, cursor.as_deref()).await?;
            // Who left and came back meanwhile has come to the end.
            members.retain(|known| page.members.iter().all(|met| met.user_id != known.user_id));
            members.extend(page.members);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(members);
            }
        }
    }
}

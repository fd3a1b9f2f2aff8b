//! Groups: who is in them by what role, how they are found, what goes on there.

use ids::{ConversationId, FileId, InvitationId, UserId};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::api::{Client, Done, segment};
use crate::conversations::{Conversation, MemberRole, Opened};
use crate::error::Result;

/// Who can find a group and join it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupVisibility {
    /// Everybody, by its name.
    Public,
    /// Who is added or invited.
    Private,
}

/// What a group says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub visibility: GroupVisibility,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_id: Option<FileId>,
    pub member_count: u32,
}

/// A group as somebody sees it who need not be in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCard {
    pub conversation_id: ConversationId,
    pub name: String,
    #[serde(flatten)]
    pub group: Group,
    /// This person's; `None`: not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// A page of groups, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPage {
    pub items: Vec<GroupCard>,
    /// For the next page; none: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What to change of a group; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<GroupVisibility>,
}

/// An invitation to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub invitation_id: InvitationId,
    pub created_by: UserId,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
    /// `None`: as often as one likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    pub uses: u32,
}

/// A new invitation. Whoever has the token can join: it is told this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewInvitation {
    pub invitation: Invitation,
    pub token: String,
}

/// By what groups are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportMetric {
    Members,
    ActiveUsers,
    Messages,
}

/// A group and what went on there in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupActivity {
    pub group: GroupCard,
    pub active_users: u64,
    pub messages: u64,
}

/// At most ten groups, most first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopGroups {
    pub by: ReportMetric,
    /// First and last day, YYYY-MM-DD in UTC.
    pub from: String,
    pub to: String,
    pub items: Vec<GroupActivity>,
}

impl Client {
    /// A page of public groups whose names begin with `prefix`. `cursor` is that of the page before.
    ///
    /// # Errors
    /// Code `input_invalid` for a prefix that no name can have.
    pub async fn public_groups(&self, prefix: &str, cursor: Option<&str>) -> Result<GroupPage> {
        self.call(Method::GET, "/api/conversations/groups", |request| {
            let request = request.query(&[("prefix", prefix)]);
            match cursor {
                Some(cursor) => request.query(&[("cursor", cursor)]),
                None => request,
            }
        })
        .await
    }

    /// A group by its name: a public one, or one that this person is in.
    ///
    /// # Errors
    /// Code `group_unknown`.
    pub async fn group(&self, name: &str) -> Result<GroupCard> {
        #[derive(Deserialize)]
        struct Found {
            group: GroupCard,
        }
        let path = format!("/api/conversations/groups/{}", segment(name));
        let found: Found = self.get(&path).await?;
        Ok(found.group)
    }

    /// Puts people into a group, all or none; for its owners and admins.
    ///
    /// # Errors
    /// Codes `role_insufficient`, `group_full`; `input_invalid` with each person who can't be added.
    pub async fn add_members(&self, group: ConversationId, users: &[UserId]) -> Result<()> {
        let path = format!("/api/conversations/{group}/members");
        let Done = self
            .post(&path, &serde_json::json!({ "user_ids": users }))
            .await?;
        Ok(())
    }

    /// Gives a member a role; for owners. Anybody may step down.
    ///
    /// # Errors
    /// Codes `role_insufficient`, `member_unknown`, `owner_required`.
    pub async fn set_role(
        &self,
        group: ConversationId,
        user: UserId,
        role: MemberRole,
    ) -> Result<()> {
        let path = format!("/api/conversations/{group}/members/{user}/role");
        let body = serde_json::json!({ "role": role });
        let Done = self
            .call(Method::PUT, &path, |request| request.json(&body))
            .await?;
        Ok(())
    }

    /// Lets a member see what was written before they came, from a number on; for owners.
    ///
    /// # Errors
    /// Codes `role_insufficient`, `member_unknown`.
    pub async fn open_history(
        &self,
        group: ConversationId,
        user: UserId,
        from_number: u64,
    ) -> Result<()> {
        let path = format!("/api/conversations/{group}/members/{user}/history");
        let body = serde_json::json!({ "from_number": from_number });
        let Done = self
            .call(Method::PUT, &path, |request| request.json(&body))
            .await?;
        Ok(())
    }

    /// Changes what a group says of itself.
    ///
    /// # Errors
    /// Codes `role_insufficient`, `group_name_taken`.
    pub async fn change_group(
        &self,
        group: ConversationId,
        changes: &GroupChanges,
    ) -> Result<Conversation> {
        let path = format!("/api/conversations/{group}");
        let opened: Opened = self
            .call(Method::PATCH, &path, |request| request.json(changes))
            .await?;
        Ok(opened.conversation)
    }

    /// Deletes a group; for its owners.
    ///
    /// # Errors
    /// Code `role_insufficient`.
    pub async fn delete_group(&self, group: ConversationId) -> Result<()> {
        let path = format!("/api/conversations/{group}");
        let Done = self.call(Method::DELETE, &path, |request| request).await?;
        Ok(())
    }

    /// Makes an invitation; for owners and admins. `None`: 7 days, for as many as like.
    ///
    /// # Errors
    /// Codes `role_insufficient`, `too_many_invitations`.
    pub async fn create_invitation(
        &self,
        group: ConversationId,
        expires_in_seconds: Option<u32>,
        max_uses: Option<u32>,
    ) -> Result<NewInvitation> {
        let path = format!("/api/conversations/{group}/invitations");
        let body = serde_json::json!({
            "expires_in_seconds": expires_in_seconds,
            "max_uses": max_uses,
        });
        self.post(&path, &body).await
    }

    /// Joins the group that a token invites to.
    ///
    /// # Errors
    /// Codes `invitation_unknown`, `group_full`.
    pub async fn join_by_invitation(&self, token: &str) -> Result<Conversation> {
        let body = serde_json::json!({ "token": token });
        let opened: Opened = self
            .post("/api/conversations/invitations/join", &body)
            .await?;
        Ok(opened.conversation)
    }

    /// The ten groups with most, of those that are public or this person's. Days are YYYY-MM-DD in UTC;
    /// `None`: the 30 days up to today.
    ///
    /// # Errors
    /// Code `input_invalid` for what is no period of at most 366 days.
    pub async fn top_groups(
        &self,
        by: ReportMetric,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<TopGroups> {
        self.call(
            Method::GET,
            "/api/conversations/reports/top-groups",
            |request| {
                let request = request.query(&[("by", by)]);
                let days = [("from", from), ("to", to)];
                let given = days.into_iter().filter(|(_, day)| day.is_some());
                request.query(&given.collect::<Vec<_>>())
            },
        )
        .await
    }
}

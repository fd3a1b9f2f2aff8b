use ids::{ConversationId, UserId};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::conversation::{Conversation, Kind};
use crate::domain::member::{Member, Role};

/// A conversation as the caller sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationBody {
    #[schema(value_type = String, format = Uuid)]
    conversation_id: ConversationId,
    kind: KindBody,
    /// Of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The other person of a direct conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    peer_id: Option<UserId>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConversationKind)]
pub enum KindBody {
    Direct,
    Group,
}

/// A member of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberBody {
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    role: RoleBody,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    joined_at: OffsetDateTime,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MemberRole)]
pub enum RoleBody {
    Owner,
    Admin,
    Member,
}

/// The conversation that was opened, created or joined.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenedBody {
    pub conversation: ConversationBody,
}

impl ConversationBody {
    pub fn seen_by(viewer: UserId, conversation: &Conversation) -> Self {
        let (kind, name, peer_id) = match &conversation.kind {
            Kind::Direct(pair) => (KindBody::Direct, None, Some(pair.peer_of(viewer))),
            Kind::Group(name) => (KindBody::Group, Some(name.to_string()), None),
        };
        Self {
            conversation_id: conversation.id,
            kind,
            name,
            peer_id,
            created_at: clock::from_unix_ms(conversation.created_at_unix_ms),
        }
    }
}

impl OpenedBody {
    pub fn seen_by(viewer: UserId, conversation: &Conversation) -> Self {
        Self {
            conversation: ConversationBody::seen_by(viewer, conversation),
        }
    }
}

impl From<&Member> for MemberBody {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user,
            role: match member.role {
                Role::Owner => RoleBody::Owner,
                Role::Admin => RoleBody::Admin,
                Role::Member => RoleBody::Member,
            },
            joined_at: clock::from_unix_ms(member.joined_at_unix_ms),
        }
    }
}

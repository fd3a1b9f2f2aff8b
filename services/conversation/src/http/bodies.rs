use ids::{ConversationId, FileId, InvitationId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::conversation::{Conversation, Group, GroupCard, Kind, Visibility};
use crate::domain::invitation::{Invitation, MaxUses};
use crate::domain::member::{Member, Role};
use crate::domain::settings::{Mute, MuteKind, Settings};

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
    /// Of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<GroupBody>,
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

/// What a group says of itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupBody {
    visibility: VisibilityBody,
    /// May be empty.
    description: String,
    /// A file of the group; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    picture_id: Option<FileId>,
    member_count: u32,
}

/// A public group is found and joined by its name, a private one by invitation only.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GroupVisibility)]
pub enum VisibilityBody {
    Public,
    Private,
}

/// A group as somebody sees it who need not be in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupCard)]
pub struct GroupCardBody {
    #[schema(value_type = String, format = Uuid)]
    conversation_id: ConversationId,
    name: String,
    #[serde(flatten)]
    group: GroupBody,
    /// The caller's; absent: not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<RoleBody>,
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

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MemberRole)]
pub enum RoleBody {
    Owner,
    Admin,
    Member,
}

/// The conversation that was opened, created or joined, as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenedBody {
    pub conversation: ConversationBody,
}

/// The caller's own settings of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
pub struct SettingsBody {
    /// Grows with every change; 0: never changed.
    version: u64,
    mute: MuteBody,
    /// With `until`. In the past: it is over.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    muted_until: Option<OffsetDateTime>,
    archived: bool,
    /// From the top; absent: not pinned. There may be gaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin_position: Option<u32>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Mute)]
pub enum MuteBody {
    Off,
    Until,
    Forever,
}

/// An invitation to a group, without its token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationBody {
    #[schema(value_type = String, format = Uuid)]
    invitation_id: InvitationId,
    #[schema(value_type = String, format = Uuid)]
    created_by: UserId,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
    /// Absent: as often as one likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u32>,
    uses: u32,
}

impl ConversationBody {
    pub fn seen_by(viewer: UserId, conversation: &Conversation) -> Self {
        let (kind, name, peer_id, group) = match &conversation.kind {
            Kind::Direct(pair) => (KindBody::Direct, None, Some(pair.peer_of(viewer)), None),
            Kind::Group(group) => (
                KindBody::Group,
                Some(group.name.to_string()),
                None,
                Some(group.into()),
            ),
        };
        Self {
            conversation_id: conversation.id,
            kind,
            name,
            peer_id,
            group,
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

impl From<&Group> for GroupBody {
    fn from(group: &Group) -> Self {
        Self {
            visibility: group.visibility.into(),
            description: group.description.as_str().to_owned(),
            picture_id: group.picture,
            member_count: group.member_count,
        }
    }
}

impl From<&GroupCard> for GroupCardBody {
    fn from(card: &GroupCard) -> Self {
        Self {
            conversation_id: card.id,
            name: card.group.name.to_string(),
            group: (&card.group).into(),
            role: card.role.map(RoleBody::from),
        }
    }
}

impl From<&Member> for MemberBody {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user,
            role: member.role.into(),
            joined_at: clock::from_unix_ms(member.joined_at_unix_ms),
        }
    }
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}

impl From<RoleBody> for Role {
    fn from(role: RoleBody) -> Self {
        match role {
            RoleBody::Owner => Self::Owner,
            RoleBody::Admin => Self::Admin,
            RoleBody::Member => Self::Member,
        }
    }
}

impl From<Visibility> for VisibilityBody {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
        }
    }
}

impl From<VisibilityBody> for Visibility {
    fn from(visibility: VisibilityBody) -> Self {
        match visibility {
            VisibilityBody::Public => Self::Public,
            VisibilityBody::Private => Self::Private,
        }
    }
}

impl From<Settings> for SettingsBody {
    fn from(settings: Settings) -> Self {
        let (mute, muted_until) = match settings.mute {
            Mute::Off => (MuteBody::Off, None),
            Mute::Until(until) => (MuteBody::Until, Some(clock::from_unix_ms(until))),
            Mute::Forever => (MuteBody::Forever, None),
        };
        Self {
            version: settings.version,
            mute,
            muted_until,
            archived: settings.archived,
            pin_position: settings.pin_position,
        }
    }
}

impl From<MuteBody> for MuteKind {
    fn from(mute: MuteBody) -> Self {
        match mute {
            MuteBody::Off => Self::Off,
            MuteBody::Until => Self::Until,
            MuteBody::Forever => Self::Forever,
        }
    }
}

impl From<&Invitation> for InvitationBody {
    fn from(invitation: &Invitation) -> Self {
        Self {
            invitation_id: invitation.id,
            created_by: invitation.created_by,
            created_at: clock::from_unix_ms(invitation.created_at_unix_ms),
            expires_at: clock::from_unix_ms(invitation.expires_at_unix_ms),
            max_uses: invitation.max_uses.map(MaxUses::get),
            uses: invitation.uses,
        }
    }
}

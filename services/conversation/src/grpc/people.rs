use auth::{Person, person_from_metadata};
use ids::UserId;
use problem::{Kind as ProblemKind, Problem};
use proto::conversation::conversation_service_server::ConversationService;
use proto::conversation::{
    self as wire, AddMembersRequest, AddMembersResponse, ChangeGroupRequest, ChangeGroupResponse,
    ChangeSettingsRequest, ChangeSettingsResponse, ConversationFilter, ConversationKind,
    CreateGroupRequest, CreateGroupResponse, CreateInvitationRequest, CreateInvitationResponse,
    DeleteGroupRequest, DeleteGroupResponse, GetConversationRequest, GetConversationResponse,
    GetGroupRequest, GetGroupResponse, GetSettingsRequest, GetSettingsResponse, GroupVisibility,
    JoinByInvitationRequest, JoinByInvitationResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListConversationsRequest, ListConversationsResponse,
    ListInvitationsRequest, ListInvitationsResponse, ListPublicGroupsRequest,
    ListPublicGroupsResponse, MemberRole, OpenDirectRequest, OpenDirectResponse,
    OpenHistoryRequest, OpenHistoryResponse, OrderPinsRequest, OrderPinsResponse,
    PreviewInvitationRequest, PreviewInvitationResponse, RemoveMemberRequest, RemoveMemberResponse,
    ReportMetric, ReportTopGroupsRequest, ReportTopGroupsResponse, RevokeInvitationRequest,
    RevokeInvitationResponse, SetRoleRequest, SetRoleResponse,
};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::conversation::{Conversation, Group, GroupCard, Kind, Visibility};
use crate::domain::invitation::{Invitation, MaxUses};
use crate::domain::member::{Member, Role};
use crate::domain::page::{Cursor, MemberCursor, NameCursor};
use crate::domain::report::Metric;
use crate::domain::settings::{Filter, Mute, MuteKind, Settings};
use crate::requests::{self, PageFields};

/// What a page is asked for by.
const PAGE: PageFields = PageFields {
    cursor: "page_token",
    size: "page_size",
};

/// For people and programs, with a person's token.
pub struct People(pub App);

impl People {
    async fn person(&self, metadata: &MetadataMap) -> Result<Person, Status> {
        Ok(person_from_metadata(&self.0.tokens, metadata).await?)
    }
}

#[tonic::async_trait]
impl ConversationService for People {
    async fn open_direct(
        &self,
        request: Request<OpenDirectRequest>,
    ) -> Result<Response<OpenDirectResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let peer = requests::user_id(&request.get_ref().user_id)?;
        let conversation = self.0.memberships.open_direct(&person, peer).await?;
        Ok(Response::new(OpenDirectResponse {
            conversation: Some(seen_by(person.user, &conversation)),
        }))
    }

    async fn create_group(
        &self,
        request: Request<CreateGroupRequest>,
    ) -> Result<Response<CreateGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let group = requests::new_group(
            &request.name,
            visibility(request.visibility)?,
            &request.description,
            &request.member_ids,
        )?;
        let conversation = self.0.memberships.create_group(&person, &group).await?;
        Ok(Response::new(CreateGroupResponse {
            conversation: Some(seen_by(person.user, &conversation)),
        }))
    }

    async fn join_group(
        &self,
        request: Request<JoinGroupRequest>,
    ) -> Result<Response<JoinGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let name = requests::group_name(&request.get_ref().name)?;
        let conversation = self.0.memberships.join(&person, &name).await?;
        Ok(Response::new(JoinGroupResponse {
            conversation: Some(seen_by(person.user, &conversation)),
        }))
    }

    async fn leave_group(
        &self,
        request: Request<LeaveGroupRequest>,
    ) -> Result<Response<LeaveGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let conversation = requests::conversation_id(&request.get_ref().conversation_id)?;
        self.0.memberships.leave(&person, conversation).await?;
        Ok(Response::new(LeaveGroupResponse {}))
    }

    async fn remove_member(
        &self,
        request: Request<RemoveMemberRequest>,
    ) -> Result<Response<RemoveMemberResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (conversation, user) = requests::member(&request.conversation_id, &request.user_id)?;
        self.0
            .memberships
            .remove(&person, conversation, user)
            .await?;
        Ok(Response::new(RemoveMemberResponse {}))
    }

    async fn list_conversations(
        &self,
        request: Request<ListConversationsRequest>,
    ) -> Result<Response<ListConversationsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (cursor, size) =
            PAGE.conversations(Some(&request.page_token), given(request.page_size))?;
        let filter = match known(request.filter, "filter", ConversationFilter::try_from)? {
            ConversationFilter::Unspecified => Filter::All,
            ConversationFilter::Active => Filter::Active,
            ConversationFilter::Archived => Filter::Archived,
            ConversationFilter::Pinned => Filter::Pinned,
        };
        let page = self.0.listing.page(&person, filter, cursor, size).await?;
        Ok(Response::new(ListConversationsResponse {
            conversations: page
                .lines
                .into_iter()
                .map(|line| wire::ConversationSummary {
                    conversation: Some(seen_by(person.user, &line.conversation)),
                    state: Some(line.state),
                    last_entry: line.last_entry,
                    settings: Some(settings(line.settings)),
                })
                .collect(),
            next_page_token: page.next.map(Cursor::encode).unwrap_or_default(),
        }))
    }

    async fn get_conversation(
        &self,
        request: Request<GetConversationRequest>,
    ) -> Result<Response<GetConversationResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (conversation, after, size) = PAGE.members(
            &request.conversation_id,
            Some(&request.page_token),
            given(request.page_size),
        )?;
        let view = self
            .0
            .memberships
            .view(&person, conversation, after, size)
            .await?;
        Ok(Response::new(GetConversationResponse {
            conversation: Some(seen_by(person.user, &view.conversation)),
            members: view.members.iter().map(member).collect(),
            settings: Some(settings(view.settings)),
            role: role(view.role).into(),
            next_page_token: view.next.map(MemberCursor::encode).unwrap_or_default(),
        }))
    }

    async fn add_members(
        &self,
        request: Request<AddMembersRequest>,
    ) -> Result<Response<AddMembersResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let users = requests::user_ids(&request.user_ids)?;
        self.0
            .memberships
            .add_members(&person, conversation, &users)
            .await?;
        Ok(Response::new(AddMembersResponse {}))
    }

    async fn change_group(
        &self,
        request: Request<ChangeGroupRequest>,
    ) -> Result<Response<ChangeGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let changes = requests::group_changes(
            request.name.as_deref(),
            request.description.as_deref(),
            request.picture_id.as_deref(),
            visibility(request.visibility)?,
        )?;
        let conversation = self
            .0
            .memberships
            .change_group(&person, conversation, &changes)
            .await?;
        Ok(Response::new(ChangeGroupResponse {
            conversation: Some(seen_by(person.user, &conversation)),
        }))
    }

    async fn set_role(
        &self,
        request: Request<SetRoleRequest>,
    ) -> Result<Response<SetRoleResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (conversation, user) = requests::member(&request.conversation_id, &request.user_id)?;
        let role = match known(request.role, "role", MemberRole::try_from)? {
            MemberRole::Unspecified => return Err(unknown_value("role").into()),
            MemberRole::Owner => Role::Owner,
            MemberRole::Admin => Role::Admin,
            MemberRole::Member => Role::Member,
        };
        self.0
            .memberships
            .set_role(&person, conversation, user, role)
            .await?;
        Ok(Response::new(SetRoleResponse {}))
    }

    async fn open_history(
        &self,
        request: Request<OpenHistoryRequest>,
    ) -> Result<Response<OpenHistoryResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (conversation, user) = requests::member(&request.conversation_id, &request.user_id)?;
        self.0
            .memberships
            .open_history(&person, conversation, user, request.from_number)
            .await?;
        Ok(Response::new(OpenHistoryResponse {}))
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<DeleteGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        self.0
            .memberships
            .delete_group(&person, conversation)
            .await?;
        Ok(Response::new(DeleteGroupResponse {}))
    }

    async fn list_public_groups(
        &self,
        request: Request<ListPublicGroupsRequest>,
    ) -> Result<Response<ListPublicGroupsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (prefix, cursor, size) = PAGE.groups(
            &request.prefix,
            Some(&request.page_token),
            given(request.page_size),
        )?;
        let page = self
            .0
            .memberships
            .public_groups(&person, &prefix, cursor.as_ref(), size)
            .await?;
        Ok(Response::new(ListPublicGroupsResponse {
            groups: page.cards.iter().map(card).collect(),
            next_page_token: page
                .next
                .as_ref()
                .map(NameCursor::encode)
                .unwrap_or_default(),
        }))
    }

    async fn get_group(
        &self,
        request: Request<GetGroupRequest>,
    ) -> Result<Response<GetGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let name = requests::group_name(&request.get_ref().name)?;
        let group = self.0.memberships.group_by_name(&person, &name).await?;
        Ok(Response::new(GetGroupResponse {
            group: Some(card(&group)),
        }))
    }

    async fn create_invitation(
        &self,
        request: Request<CreateInvitationRequest>,
    ) -> Result<Response<CreateInvitationResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let (lifetime, max_uses) =
            requests::invitation(given(request.expires_in_seconds), given(request.max_uses))?;
        let (made, token) = self
            .0
            .memberships
            .create_invitation(&person, conversation, lifetime, max_uses)
            .await?;
        Ok(Response::new(CreateInvitationResponse {
            invitation: Some(invitation(&made)),
            token: token.reveal(),
        }))
    }

    async fn list_invitations(
        &self,
        request: Request<ListInvitationsRequest>,
    ) -> Result<Response<ListInvitationsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let invitations = self
            .0
            .memberships
            .invitations(&person, conversation)
            .await?;
        Ok(Response::new(ListInvitationsResponse {
            invitations: invitations.iter().map(invitation).collect(),
        }))
    }

    async fn revoke_invitation(
        &self,
        request: Request<RevokeInvitationRequest>,
    ) -> Result<Response<RevokeInvitationResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let (conversation, invitation) =
            requests::invitation_to(&request.conversation_id, &request.invitation_id)?;
        self.0
            .memberships
            .revoke_invitation(&person, conversation, invitation)
            .await?;
        Ok(Response::new(RevokeInvitationResponse {}))
    }

    async fn preview_invitation(
        &self,
        request: Request<PreviewInvitationRequest>,
    ) -> Result<Response<PreviewInvitationResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let (group, expires_at_unix_ms) = self
            .0
            .memberships
            .preview_invitation(&person, &request.get_ref().token)
            .await?;
        Ok(Response::new(PreviewInvitationResponse {
            group: Some(card(&group)),
            expires_at_unix_ms: expires_at_unix_ms as i64,
        }))
    }

    async fn join_by_invitation(
        &self,
        request: Request<JoinByInvitationRequest>,
    ) -> Result<Response<JoinByInvitationResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let conversation = self
            .0
            .memberships
            .join_by_invitation(&person, &request.get_ref().token)
            .await?;
        Ok(Response::new(JoinByInvitationResponse {
            conversation: Some(seen_by(person.user, &conversation)),
        }))
    }

    async fn get_settings(
        &self,
        request: Request<GetSettingsRequest>,
    ) -> Result<Response<GetSettingsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let own = self.0.memberships.settings(&person, conversation).await?;
        Ok(Response::new(GetSettingsResponse {
            settings: Some(settings(own)),
        }))
    }

    async fn change_settings(
        &self,
        request: Request<ChangeSettingsRequest>,
    ) -> Result<Response<ChangeSettingsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = requests::conversation_id(&request.conversation_id)?;
        let mute = match known(request.mute, "mute", wire::Mute::try_from)? {
            wire::Mute::Unspecified => None,
            wire::Mute::Off => Some(MuteKind::Off),
            wire::Mute::Until => Some(MuteKind::Until),
            wire::Mute::Forever => Some(MuteKind::Forever),
        };
        let changes = requests::settings_changes(
            mute,
            // What lies before 1970 is as little in the future as 0.
            (request.muted_until_unix_ms != 0).then_some(request.muted_until_unix_ms.max(0) as u64),
            request.archived,
            request.pinned,
            self.0.memberships.clock.unix_ms(),
        )?;
        let own = self
            .0
            .memberships
            .change_settings(&person, conversation, changes)
            .await?;
        Ok(Response::new(ChangeSettingsResponse {
            settings: Some(settings(own)),
        }))
    }

    async fn order_pins(
        &self,
        request: Request<OrderPinsRequest>,
    ) -> Result<Response<OrderPinsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let order = requests::conversation_ids(&request.get_ref().conversation_ids)?;
        self.0.memberships.order_pins(&person, &order).await?;
        Ok(Response::new(OrderPinsResponse {}))
    }

    async fn report_top_groups(
        &self,
        request: Request<ReportTopGroupsRequest>,
    ) -> Result<Response<ReportTopGroupsResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let metric = match known(request.metric, "metric", ReportMetric::try_from)? {
            ReportMetric::Unspecified => return Err(unknown_value("metric").into()),
            ReportMetric::Members => Metric::Members,
            ReportMetric::ActiveUsers => Metric::ActiveUsers,
            ReportMetric::Messages => Metric::Messages,
        };
        let period = requests::period(
            Some(&request.from),
            Some(&request.to),
            self.0.reports.clock.now(),
        )?;
        let groups = self.0.reports.top_groups(&person, metric, period).await?;
        Ok(Response::new(ReportTopGroupsResponse {
            groups: groups
                .iter()
                .map(|activity| wire::GroupActivity {
                    group: Some(card(&activity.card)),
                    active_users: activity.active_users,
                    messages: activity.messages,
                })
                .collect(),
            from: period.from().to_string(),
            to: period.to().to_string(),
        }))
    }
}

/// What 0 stands for in a proto: not given.
fn given(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

/// The value of an enum; one of a later version is refused rather than taken for something else.
fn known<T>(
    value: i32,
    field: &'static str,
    read: impl FnOnce(i32) -> Result<T, prost::UnknownEnumValue>,
) -> Result<T, Problem> {
    read(value).map_err(|_| unknown_value(field))
}

fn unknown_value(field: &'static str) -> Problem {
    Problem::new(
        ProblemKind::InvalidInput,
        "input_invalid",
        "Some fields of the request are not valid; `errors` names them.",
    )
    .with_field(field, "value_unknown", "None of the values that there are.")
}

fn visibility(value: i32) -> Result<Option<Visibility>, Problem> {
    Ok(
        match known(value, "visibility", GroupVisibility::try_from)? {
            GroupVisibility::Unspecified => None,
            GroupVisibility::Public => Some(Visibility::Public),
            GroupVisibility::Private => Some(Visibility::Private),
        },
    )
}

fn seen_by(viewer: UserId, conversation: &Conversation) -> wire::Conversation {
    let (kind, name, peer_id, group) = match &conversation.kind {
        Kind::Direct(pair) => (
            ConversationKind::Direct,
            String::new(),
            pair.peer_of(viewer).to_string(),
            None,
        ),
        Kind::Group(group) => (
            ConversationKind::Group,
            group.name.to_string(),
            String::new(),
            Some(about(group)),
        ),
    };
    wire::Conversation {
        conversation_id: conversation.id.to_string(),
        kind: kind.into(),
        name,
        peer_id,
        created_at_unix_ms: conversation.created_at_unix_ms as i64,
        group,
    }
}

fn about(group: &Group) -> wire::Group {
    wire::Group {
        visibility: match group.visibility {
            Visibility::Public => GroupVisibility::Public,
            Visibility::Private => GroupVisibility::Private,
        }
        .into(),
        description: group.description.as_str().to_owned(),
        picture_id: group
            .picture
            .map(|file| file.to_string())
            .unwrap_or_default(),
        member_count: group.member_count,
    }
}

fn card(card: &GroupCard) -> wire::GroupCard {
    wire::GroupCard {
        conversation_id: card.id.to_string(),
        name: card.group.name.to_string(),
        group: Some(about(&card.group)),
        role: card.role.map_or(MemberRole::Unspecified, role).into(),
    }
}

const fn role(role: Role) -> MemberRole {
    match role {
        Role::Owner => MemberRole::Owner,
        Role::Admin => MemberRole::Admin,
        Role::Member => MemberRole::Member,
    }
}

fn member(member: &Member) -> wire::Member {
    wire::Member {
        user_id: member.user.to_string(),
        role: role(member.role).into(),
        joined_at_unix_ms: member.joined_at_unix_ms as i64,
    }
}

fn invitation(invitation: &Invitation) -> wire::Invitation {
    wire::Invitation {
        invitation_id: invitation.id.to_string(),
        created_by: invitation.created_by.to_string(),
        created_at_unix_ms: invitation.created_at_unix_ms as i64,
        expires_at_unix_ms: invitation.expires_at_unix_ms as i64,
        max_uses: invitation.max_uses.map_or(0, MaxUses::get),
        uses: invitation.uses,
    }
}

fn settings(settings: Settings) -> wire::Settings {
    let (mute, muted_until_unix_ms) = match settings.mute {
        Mute::Off => (wire::Mute::Off, 0),
        Mute::Until(until) => (wire::Mute::Until, until as i64),
        Mute::Forever => (wire::Mute::Forever, 0),
    };
    wire::Settings {
        version: settings.version,
        mute: mute.into(),
        muted_until_unix_ms,
        archived: settings.archived,
        pin_position: settings.pin_position.unwrap_or(0),
    }
}

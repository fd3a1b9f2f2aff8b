use auth::{Person, person_from_metadata};
use ids::UserId;
use problem::Fields;
use proto::conversation::conversation_service_server::ConversationService;
use proto::conversation::{
    self as wire, ConversationKind, CreateGroupRequest, CreateGroupResponse,
    GetConversationRequest, GetConversationResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListConversationsRequest, ListConversationsResponse,
    MemberRole, OpenDirectRequest, OpenDirectResponse, RemoveMemberRequest, RemoveMemberResponse,
};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::conversation::{Conversation, Kind};
use crate::domain::group_name::GroupName;
use crate::domain::member::{Member, Role};
use crate::domain::page::{Cursor, PageSize};
use crate::memberships::{parse_conversation, parse_group_name, parse_members, parse_user};

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
        let peer = parse_user(&request.get_ref().user_id)?;
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
        let request = request.into_inner();
        let mut fields = Fields::default();
        let name = fields.parse(
            "name",
            "group_name_invalid",
            GroupName::parse(&request.name),
        );
        let members = parse_members(&mut fields, &request.member_ids);
        let (Some(name), Some(members)) = (name, members) else {
            return Err(fields.into_problem().into());
        };
        let conversation = self
            .0
            .memberships
            .create_group(&person, &name, &members)
            .await?;
        Ok(Response::new(CreateGroupResponse {
            conversation: Some(seen_by(person.user, &conversation)),
        }))
    }

    async fn join_group(
        &self,
        request: Request<JoinGroupRequest>,
    ) -> Result<Response<JoinGroupResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let name = parse_group_name(&request.get_ref().name)?;
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
        let conversation = parse_conversation(&request.get_ref().conversation_id)?;
        self.0.memberships.leave(&person, conversation).await?;
        Ok(Response::new(LeaveGroupResponse {}))
    }

    async fn remove_member(
        &self,
        request: Request<RemoveMemberRequest>,
    ) -> Result<Response<RemoveMemberResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let request = request.get_ref();
        let conversation = parse_conversation(&request.conversation_id)?;
        let user = parse_user(&request.user_id)?;
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
        let mut fields = Fields::default();
        let cursor = match request.page_token.as_str() {
            "" => Some(None),
            text => fields
                .parse("page_token", "cursor_invalid", Cursor::parse(text))
                .map(Some),
        };
        let size = match request.page_size {
            0 => Some(PageSize::DEFAULT),
            size => fields.parse("page_size", "limit_invalid", PageSize::new(size)),
        };
        let (Some(cursor), Some(size)) = (cursor, size) else {
            return Err(fields.into_problem().into());
        };
        let page = self.0.listing.page(&person, cursor, size).await?;
        Ok(Response::new(ListConversationsResponse {
            conversations: page
                .lines
                .into_iter()
                .map(|line| wire::ConversationSummary {
                    conversation: Some(seen_by(person.user, &line.conversation)),
                    state: Some(line.state),
                    last_entry: line.last_entry,
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
        let conversation = parse_conversation(&request.get_ref().conversation_id)?;
        let view = self.0.memberships.view(&person, conversation).await?;
        Ok(Response::new(GetConversationResponse {
            conversation: Some(seen_by(person.user, &view.conversation)),
            members: view.members.iter().map(member).collect(),
        }))
    }
}

fn seen_by(viewer: UserId, conversation: &Conversation) -> wire::Conversation {
    let (kind, name, peer_id) = match &conversation.kind {
        Kind::Direct(pair) => (
            ConversationKind::Direct,
            String::new(),
            pair.peer_of(viewer).to_string(),
        ),
        Kind::Group(name) => (ConversationKind::Group, name.to_string(), String::new()),
    };
    wire::Conversation {
        conversation_id: conversation.id.to_string(),
        kind: kind.into(),
        name,
        peer_id,
        created_at_unix_ms: conversation.created_at_unix_ms as i64,
    }
}

fn member(member: &Member) -> wire::Member {
    let role = match member.role {
        Role::Owner => MemberRole::Owner,
        Role::Admin => MemberRole::Admin,
        Role::Member => MemberRole::Member,
    };
    wire::Member {
        user_id: member.user.to_string(),
        role: role.into(),
        joined_at_unix_ms: member.joined_at_unix_ms as i64,
    }
}

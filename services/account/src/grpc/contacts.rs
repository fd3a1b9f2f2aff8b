use std::sync::Arc;

use problem::{Fields, Problem};
use proto::account::contact_service_server::ContactService;
use proto::account::{
    self as wire, AcceptInvitationRequest, AcceptInvitationResponse, BlockUserRequest,
    BlockUserResponse, DeclineInvitationRequest, DeclineInvitationResponse, GetPrivacyRequest,
    GetPrivacyResponse, InviteContactRequest, InviteContactResponse, ListBlocksRequest,
    ListBlocksResponse, ListContactsRequest, ListContactsResponse, RemoveContactRequest,
    RemoveContactResponse, SearchUsersRequest, SearchUsersResponse, UnblockUserRequest,
    UnblockUserResponse, UpdatePrivacyRequest, UpdatePrivacyResponse,
};
use tonic::{Request, Response, Status};

use super::account::user;
use super::{caller_address, person};
use crate::app::App;
use crate::contacts::{Contact, parse_page, parse_search, parse_user};
use crate::domain::ContactState;
use crate::domain::privacy::{MayWrite, PresenceVisibility, Privacy, PrivacyChange};

pub struct Contacts(pub Arc<App>);

#[tonic::async_trait]
impl ContactService for Contacts {
    async fn list_contacts(
        &self,
        request: Request<ListContactsRequest>,
    ) -> Result<Response<ListContactsResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let request = request.into_inner();
        let state = read_state(request.state)?;
        let (after, size) = parse_page(
            ("page_token", &request.page_token),
            ("page_size", or(request.page_size, 50)),
        )?;
        let page = self.0.contacts(person.user, state, after, size).await?;
        Ok(Response::new(ListContactsResponse {
            contacts: page.items.into_iter().map(contact).collect(),
            next_page_token: page.next.unwrap_or_default(),
        }))
    }

    async fn invite_contact(
        &self,
        request: Request<InviteContactRequest>,
    ) -> Result<Response<InviteContactResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let invitee = parse_user(&request.get_ref().user_id)?;
        let invited = self.0.invite(person.user, invitee).await?;
        Ok(Response::new(InviteContactResponse {
            contact: Some(contact(invited)),
        }))
    }

    async fn accept_invitation(
        &self,
        request: Request<AcceptInvitationRequest>,
    ) -> Result<Response<AcceptInvitationResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let inviter = parse_user(&request.get_ref().user_id)?;
        let accepted = self.0.accept(person.user, inviter).await?;
        Ok(Response::new(AcceptInvitationResponse {
            contact: Some(contact(accepted)),
        }))
    }

    async fn decline_invitation(
        &self,
        request: Request<DeclineInvitationRequest>,
    ) -> Result<Response<DeclineInvitationResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let inviter = parse_user(&request.get_ref().user_id)?;
        self.0.decline(person.user, inviter).await?;
        Ok(Response::new(DeclineInvitationResponse {}))
    }

    async fn remove_contact(
        &self,
        request: Request<RemoveContactRequest>,
    ) -> Result<Response<RemoveContactResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let other = parse_user(&request.get_ref().user_id)?;
        self.0.remove_contact(person.user, other).await?;
        Ok(Response::new(RemoveContactResponse {}))
    }

    async fn list_blocks(
        &self,
        request: Request<ListBlocksRequest>,
    ) -> Result<Response<ListBlocksResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let request = request.into_inner();
        let (after, size) = parse_page(
            ("page_token", &request.page_token),
            ("page_size", or(request.page_size, 50)),
        )?;
        let page = self.0.blocks(person.user, after, size).await?;
        Ok(Response::new(ListBlocksResponse {
            blocks: page
                .items
                .into_iter()
                .map(|block| wire::Block {
                    user: Some(user(block.profile)),
                    since_unix_ms: block.since_unix_ms,
                })
                .collect(),
            next_page_token: page.next.unwrap_or_default(),
        }))
    }

    async fn block_user(
        &self,
        request: Request<BlockUserRequest>,
    ) -> Result<Response<BlockUserResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let blocked = parse_user(&request.get_ref().user_id)?;
        self.0.block(person.user, blocked).await?;
        Ok(Response::new(BlockUserResponse {}))
    }

    async fn unblock_user(
        &self,
        request: Request<UnblockUserRequest>,
    ) -> Result<Response<UnblockUserResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let blocked = parse_user(&request.get_ref().user_id)?;
        self.0.unblock(person.user, blocked).await?;
        Ok(Response::new(UnblockUserResponse {}))
    }

    async fn get_privacy(
        &self,
        request: Request<GetPrivacyRequest>,
    ) -> Result<Response<GetPrivacyResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let settings = self.0.privacy(person.user).await?;
        Ok(Response::new(GetPrivacyResponse {
            privacy: Some(privacy(settings)),
        }))
    }

    async fn update_privacy(
        &self,
        request: Request<UpdatePrivacyRequest>,
    ) -> Result<Response<UpdatePrivacyResponse>, Status> {
        let person = person(&self.0, &request).await?;
        let change = read_change(&request.into_inner())?;
        let settings = self.0.change_privacy(person.user, change).await?;
        Ok(Response::new(UpdatePrivacyResponse {
            privacy: Some(privacy(settings)),
        }))
    }

    async fn search_users(
        &self,
        request: Request<SearchUsersRequest>,
    ) -> Result<Response<SearchUsersResponse>, Status> {
        let address = caller_address(&self.0, &request);
        let person = person(&self.0, &request).await?;
        let request = request.into_inner();
        let (query, after, size) = parse_search(
            &request.query,
            ("page_token", &request.page_token),
            ("page_size", or(request.page_size, 20)),
        )?;
        let page = self
            .0
            .search(person.user, address, &query, after, size)
            .await?;
        Ok(Response::new(SearchUsersResponse {
            users: page.items.into_iter().map(user).collect(),
            next_page_token: page.next.unwrap_or_default(),
        }))
    }
}

/// proto3 has no difference between zero and nothing.
const fn or(size: u32, default: u32) -> u32 {
    if size == 0 { default } else { size }
}

fn contact(contact: Contact) -> wire::Contact {
    let state = match contact.state {
        ContactState::Contact => wire::ContactState::Contact,
        ContactState::InvitationSent => wire::ContactState::InvitationSent,
        ContactState::InvitationReceived => wire::ContactState::InvitationReceived,
    };
    wire::Contact {
        user: Some(user(contact.profile)),
        state: state.into(),
        since_unix_ms: contact.since_unix_ms,
    }
}

fn read_state(value: i32) -> Result<Option<ContactState>, Problem> {
    match wire::ContactState::try_from(value) {
        Ok(wire::ContactState::Unspecified) => Ok(None),
        Ok(wire::ContactState::Contact) => Ok(Some(ContactState::Contact)),
        Ok(wire::ContactState::InvitationSent) => Ok(Some(ContactState::InvitationSent)),
        Ok(wire::ContactState::InvitationReceived) => Ok(Some(ContactState::InvitationReceived)),
        Err(_) => Err(unknown_value("state").into_problem()),
    }
}

fn privacy(privacy: Privacy) -> wire::Privacy {
    wire::Privacy {
        may_write: match privacy.may_write {
            MayWrite::Everybody => wire::MayWrite::Everybody,
            MayWrite::SharedGroups => wire::MayWrite::SharedGroups,
            MayWrite::Contacts => wire::MayWrite::Contacts,
        }
        .into(),
        presence_visibility: match privacy.presence_visibility {
            PresenceVisibility::SharedConversations => {
                wire::PresenceVisibility::SharedConversations
            }
            PresenceVisibility::Contacts => wire::PresenceVisibility::Contacts,
            PresenceVisibility::Nobody => wire::PresenceVisibility::Nobody,
        }
        .into(),
        found_by_handle: privacy.found_by_handle,
        found_by_email: privacy.found_by_email,
        found_by_name: privacy.found_by_name,
    }
}

fn read_change(request: &UpdatePrivacyRequest) -> Result<PrivacyChange, Problem> {
    let may_write = match wire::MayWrite::try_from(request.may_write) {
        Ok(wire::MayWrite::Unspecified) => None,
        Ok(wire::MayWrite::Everybody) => Some(MayWrite::Everybody),
        Ok(wire::MayWrite::SharedGroups) => Some(MayWrite::SharedGroups),
        Ok(wire::MayWrite::Contacts) => Some(MayWrite::Contacts),
        Err(_) => return Err(unknown_value("may_write").into_problem()),
    };
    let presence_visibility = match wire::PresenceVisibility::try_from(request.presence_visibility)
    {
        Ok(wire::PresenceVisibility::Unspecified) => None,
        Ok(wire::PresenceVisibility::SharedConversations) => {
            Some(PresenceVisibility::SharedConversations)
        }
        Ok(wire::PresenceVisibility::Contacts) => Some(PresenceVisibility::Contacts),
        Ok(wire::PresenceVisibility::Nobody) => Some(PresenceVisibility::Nobody),
        Err(_) => return Err(unknown_value("presence_visibility").into_problem()),
    };
    Ok(PrivacyChange {
        may_write,
        presence_visibility,
        found_by_handle: request.found_by_handle,
        found_by_email: request.found_by_email,
        found_by_name: request.found_by_name,
    })
}

fn unknown_value(field: &'static str) -> Fields {
    let mut fields = Fields::default();
    fields.refuse(field, "value_unknown", "Not a value of this enumeration.");
    fields
}

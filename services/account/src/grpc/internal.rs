use std::sync::Arc;

use ids::{SessionId, UserId};
use problem::{Fields, Kind, Problem};
use proto::account::account_internal_service_server::AccountInternalService;
use proto::account::id_internal_service_server::IdInternalService;
use proto::account::permission_internal_service_server::PermissionInternalService;
use proto::account::{
    self as wire, CheckPermissionsRequest, CheckPermissionsResponse, CheckSessionRequest,
    CheckSessionResponse, LeaseNumbersRequest, LeaseNumbersResponse, PermissionsTowards,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::contacts::parse_user;
use crate::domain::privacy::Permission;

pub struct Internal(pub Arc<App>);

#[tonic::async_trait]
impl AccountInternalService for Internal {
    async fn check_session(
        &self,
        request: Request<CheckSessionRequest>,
    ) -> Result<Response<CheckSessionResponse>, Status> {
        let session = SessionId::parse(&request.into_inner().session_id)
            .map_err(|e| Problem::new(Kind::InvalidInput, "session_id_invalid", e.to_string()))?;
        let active = self.0.is_session_active(session).await?;
        Ok(Response::new(CheckSessionResponse { active }))
    }
}

#[tonic::async_trait]
impl PermissionInternalService for Internal {
    async fn check_permissions(
        &self,
        request: Request<CheckPermissionsRequest>,
    ) -> Result<Response<CheckPermissionsResponse>, Status> {
        let request = request.into_inner();
        let person = parse_user(&request.user_id)?;
        let mut fields = Fields::default();
        let others: Vec<Option<UserId>> = request
            .other_ids
            .iter()
            .enumerate()
            .map(|(index, text)| {
                fields.parse(
                    format!("other_ids[{index}]"),
                    "user_id_invalid",
                    UserId::parse(text),
                )
            })
            .collect();
        let others: Option<Vec<UserId>> = others.into_iter().collect();
        let others = others.ok_or_else(|| fields.into_problem())?;
        let permissions = self.0.permissions(person, &others).await?;
        Ok(Response::new(CheckPermissionsResponse {
            others: permissions
                .into_iter()
                .map(|(user, permissions)| PermissionsTowards {
                    user_id: user.to_string(),
                    write: permission(permissions.write),
                    typing: permission(permissions.typing),
                    see_presence: permission(permissions.see_presence),
                    show_presence: permission(permissions.show_presence),
                })
                .collect(),
        }))
    }
}

fn permission(permission: Permission) -> i32 {
    match permission {
        Permission::Allowed => wire::Permission::Allowed,
        Permission::Refused => wire::Permission::Refused,
        Permission::IfSharedGroup => wire::Permission::IfSharedGroup,
        Permission::IfSharedConversation => wire::Permission::IfSharedConversation,
    }
    .into()
}

#[tonic::async_trait]
impl IdInternalService for Internal {
    async fn lease_numbers(
        &self,
        request: Request<LeaseNumbersRequest>,
    ) -> Result<Response<LeaseNumbersResponse>, Status> {
        let count = request.into_inner().count;
        let first = self.0.lease_numbers(count).await?;
        Ok(Response::new(LeaseNumbersResponse { first, count }))
    }
}

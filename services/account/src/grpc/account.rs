use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use auth::Person;
use ids::SessionId;
use problem::{Kind, Problem};
use proto::account::account_service_server::AccountService;
use proto::account::{
    ChangePasswordRequest, ChangePasswordResponse, DeleteAccountRequest, DeleteAccountResponse,
    ExportDataRequest, ExportDataResponse, FindUserRequest, FindUserResponse, GetUsersRequest,
    GetUsersResponse, ListSessionsRequest, ListSessionsResponse, LogOutRequest, LogOutResponse,
    ReauthenticateRequest, ReauthenticateResponse, RecoverRequest, RecoverResponse, RefreshRequest,
    RegisterRequest, RequestEmailVerificationRequest, RequestEmailVerificationResponse,
    RequestRecoveryRequest, RequestRecoveryResponse, RevokeOtherSessionsRequest,
    RevokeOtherSessionsResponse, RevokeSessionRequest, RevokeSessionResponse, Session,
    SignInRequest, SignInResponse, UpdateProfileRequest, User, VerifyEmailRequest,
    VerifyEmailResponse, WhoAmIRequest, WhoAmIResponse, find_user_request::By,
};
use settings::Secret;
use tonic::{Request, Response, Status};

use super::person;
use crate::accounts::{Registration, SignIn, SignedIn};
use crate::app::App;
use crate::credentials::PasswordChange;
use crate::domain::{Client, Profile};
use crate::http::client;
use crate::profiles::ProfilePatch;
use crate::store::users::Own;

pub struct Account(pub Arc<App>);

impl Account {
    fn client<T>(&self, request: &Request<T>) -> Client {
        let peer = request
            .remote_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let headers = request.metadata().clone().into_headers();
        client(peer, &headers, &self.0.accounts.trusted_proxies)
    }

    async fn person<T>(&self, request: &Request<T>) -> Result<Person, Problem> {
        person(&self.0, request).await
    }
}

pub(super) fn user(profile: Profile) -> User {
    User {
        user_id: profile.user.to_string(),
        handle: profile.handle,
        display_name: profile.display_name,
        status_text: profile.status_text,
        picture: profile.picture.to_string(),
        deleted: profile.deleted,
    }
}

fn who(own: Own, session: SessionId) -> WhoAmIResponse {
    WhoAmIResponse {
        email: own.email.as_str().to_owned(),
        session_id: session.to_string(),
        email_verified: own.email_verified,
        has_password: own.password_hash.is_some(),
        metadata_json: own.metadata.to_json(),
        version: own.version,
        user: Some(user(own.profile)),
    }
}

fn signed_in(signed_in: SignedIn) -> Response<SignInResponse> {
    Response::new(SignInResponse {
        access_token: signed_in.access_token,
        expires_in_seconds: signed_in.expires_in_seconds,
        refresh_token: signed_in.refresh_token.expose(),
        user: Some(user(signed_in.profile)),
        created: signed_in.created,
    })
}

#[tonic::async_trait]
impl AccountService for Account {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        let client = self.client(&request);
        let request = request.into_inner();
        let registration = Registration {
            email: &request.email,
            password: &request.password.into(),
            display_name: &request.display_name,
            handle: &request.handle,
            device_name: &request.device_name,
        };
        Ok(signed_in(self.0.register(&registration, &client).await?))
    }

    async fn sign_in(
        &self,
        request: Request<SignInRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        let client = self.client(&request);
        let request = request.into_inner();
        let sign_in = SignIn {
            email: &request.email,
            password: &request.password.into(),
            device_name: &request.device_name,
        };
        Ok(signed_in(self.0.sign_in(&sign_in, &client).await?))
    }

    async fn refresh(
        &self,
        request: Request<RefreshRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        let token = request.into_inner().refresh_token;
        Ok(signed_in(self.0.refresh(&token).await?))
    }

    async fn log_out(
        &self,
        request: Request<LogOutRequest>,
    ) -> Result<Response<LogOutResponse>, Status> {
        // Not `person`: to end an ended session is no error.
        let person = auth::person_from_metadata(&self.0.verifier, request.metadata()).await?;
        self.0.log_out(person.session).await?;
        Ok(Response::new(LogOutResponse {}))
    }

    async fn who_am_i(
        &self,
        request: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        let person = self.person(&request).await?;
        let own = self.0.own(person.user).await?;
        Ok(Response::new(who(own, person.session)))
    }

    async fn reauthenticate(
        &self,
        request: Request<ReauthenticateRequest>,
    ) -> Result<Response<ReauthenticateResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        let password = request.into_inner().password.into();
        self.0.reauthenticate(&person, &password, &client).await?;
        Ok(Response::new(ReauthenticateResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        let request = request.into_inner();
        let current = request.current_password.map(Secret::from);
        let change = PasswordChange {
            current: current.as_ref(),
            new: &request.new_password.into(),
        };
        self.0.change_password(&person, &change, &client).await?;
        Ok(Response::new(ChangePasswordResponse {}))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let person = self.person(&request).await?;
        let devices = self.0.devices(&person).await?;
        Ok(Response::new(ListSessionsResponse {
            sessions: devices
                .into_iter()
                .map(|device| Session {
                    session_id: device.session.to_string(),
                    device_name: device.device_name,
                    user_agent: device.user_agent,
                    created_at_unix_ms: device.created_unix_ms as i64,
                    last_used_at_unix_ms: device.last_used_unix_ms as i64,
                    expires_at_unix_ms: device.expires_unix_ms as i64,
                    current: device.session == person.session,
                })
                .collect(),
        }))
    }

    async fn revoke_session(
        &self,
        request: Request<RevokeSessionRequest>,
    ) -> Result<Response<RevokeSessionResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        let session = request.into_inner().session_id;
        self.0.revoke_session(&person, &session, &client).await?;
        Ok(Response::new(RevokeSessionResponse {}))
    }

    async fn revoke_other_sessions(
        &self,
        request: Request<RevokeOtherSessionsRequest>,
    ) -> Result<Response<RevokeOtherSessionsResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        let ended = self.0.revoke_other_sessions(&person, &client).await?;
        Ok(Response::new(RevokeOtherSessionsResponse {
            ended: u32::try_from(ended).unwrap_or(u32::MAX),
        }))
    }

    async fn request_recovery(
        &self,
        request: Request<RequestRecoveryRequest>,
    ) -> Result<Response<RequestRecoveryResponse>, Status> {
        let client = self.client(&request);
        let email = request.into_inner().email;
        self.0.request_recovery(&email, &client).await?;
        Ok(Response::new(RequestRecoveryResponse {}))
    }

    async fn recover(
        &self,
        request: Request<RecoverRequest>,
    ) -> Result<Response<RecoverResponse>, Status> {
        let client = self.client(&request);
        let request = request.into_inner();
        let password = request.new_password.into();
        self.0.recover(&request.token, &password, &client).await?;
        Ok(Response::new(RecoverResponse {}))
    }

    async fn request_email_verification(
        &self,
        request: Request<RequestEmailVerificationRequest>,
    ) -> Result<Response<RequestEmailVerificationResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        self.0.request_verification(&person, &client).await?;
        Ok(Response::new(RequestEmailVerificationResponse {}))
    }

    async fn verify_email(
        &self,
        request: Request<VerifyEmailRequest>,
    ) -> Result<Response<VerifyEmailResponse>, Status> {
        let client = self.client(&request);
        let token = request.into_inner().token;
        self.0.verify_email(&token, &client).await?;
        Ok(Response::new(VerifyEmailResponse {}))
    }

    async fn update_profile(
        &self,
        request: Request<UpdateProfileRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        let request = request.into_inner();
        let metadata: Option<serde_json::Map<_, _>> = request
            .metadata_patch_json
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| {
                Problem::new(
                    Kind::InvalidInput,
                    "input_invalid",
                    "Some fields are not valid.",
                )
                .with_field(
                    "metadata_patch_json",
                    "metadata_invalid",
                    "Not a JSON object.",
                )
            })?;
        let patch = ProfilePatch {
            display_name: request.display_name.as_deref(),
            handle: request.handle.as_deref(),
            status_text: request.status_text.as_deref(),
            picture: request.picture.as_deref(),
            metadata: metadata.as_ref(),
        };
        let own = self
            .0
            .update_profile(&person, &patch, request.if_version, &client)
            .await?;
        Ok(Response::new(who(own, person.session)))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Result<Response<DeleteAccountResponse>, Status> {
        let person = self.person(&request).await?;
        self.0.delete_account(&person).await?;
        Ok(Response::new(DeleteAccountResponse {}))
    }

    async fn export_data(
        &self,
        request: Request<ExportDataRequest>,
    ) -> Result<Response<ExportDataResponse>, Status> {
        let person = self.person(&request).await?;
        let client = self.client(&request);
        let export = self.0.export(&person, &client).await?;
        Ok(Response::new(ExportDataResponse {
            json: export.to_string(),
        }))
    }

    async fn get_users(
        &self,
        request: Request<GetUsersRequest>,
    ) -> Result<Response<GetUsersResponse>, Status> {
        person(&self.0, &request).await?;
        let ids = request.into_inner().user_ids;
        let users = self.0.users(ids.iter().map(String::as_str)).await?;
        Ok(Response::new(GetUsersResponse {
            users: users.into_iter().map(user).collect(),
        }))
    }

    async fn find_user(
        &self,
        request: Request<FindUserRequest>,
    ) -> Result<Response<FindUserResponse>, Status> {
        let address = self.client(&request).address;
        let seeker = person(&self.0, &request).await?.user;
        let profile = match request.into_inner().by {
            Some(By::Handle(handle)) => self.0.find_by_handle(seeker, address, &handle).await?,
            Some(By::Email(email)) => self.0.find_by_email(seeker, address, &email).await?,
            None => {
                return Err(Problem::new(
                    Kind::InvalidInput,
                    "input_invalid",
                    "A handle or an e-mail address is needed.",
                )
                .into());
            }
        };
        Ok(Response::new(FindUserResponse {
            user: Some(user(profile)),
        }))
    }
}

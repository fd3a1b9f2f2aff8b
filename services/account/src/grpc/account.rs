use std::sync::Arc;

use problem::{Kind, Problem};
use proto::account::account_service_server::AccountService;
use proto::account::{
    FindUserRequest, FindUserResponse, GetUsersRequest, GetUsersResponse, LogOutRequest,
    LogOutResponse, RefreshRequest, RegisterRequest, SignInRequest, SignInResponse, User,
    WhoAmIRequest, WhoAmIResponse, find_user_request::By,
};
use tonic::{Request, Response, Status};

use super::{caller_address, person};
use crate::accounts::{Registration, SignIn, SignedIn};
use crate::app::App;
use crate::domain::Profile;

pub struct Account(pub Arc<App>);

pub(super) fn user(profile: Profile) -> User {
    User {
        user_id: profile.user.to_string(),
        handle: profile.handle,
        display_name: profile.display_name,
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
        let address = caller_address(&self.0, &request);
        let request = request.into_inner();
        let registration = Registration {
            email: &request.email,
            password: &request.password.into(),
            display_name: &request.display_name,
            handle: &request.handle,
            device_name: &request.device_name,
        };
        Ok(signed_in(self.0.register(&registration, address).await?))
    }

    async fn sign_in(
        &self,
        request: Request<SignInRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        let address = caller_address(&self.0, &request);
        let request = request.into_inner();
        let sign_in = SignIn {
            email: &request.email,
            password: &request.password.into(),
            device_name: &request.device_name,
        };
        Ok(signed_in(self.0.sign_in(&sign_in, address).await?))
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
        let person = person(&self.0, &request).await?;
        let (profile, email) = self.0.own_profile(person.user).await?;
        Ok(Response::new(WhoAmIResponse {
            user: Some(user(profile)),
            email,
            session_id: person.session.to_string(),
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
        let address = caller_address(&self.0, &request);
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

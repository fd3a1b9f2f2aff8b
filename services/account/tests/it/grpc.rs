use auth::PeerChannel;
use problem::Problem;
use proto::account::account_internal_service_client::AccountInternalServiceClient;
use proto::account::account_service_client::AccountServiceClient;
use proto::account::contact_service_client::ContactServiceClient;
use proto::account::{
    AcceptInvitationRequest, BlockUserRequest, ChangePasswordRequest, CheckSessionRequest,
    ContactState, DeclineInvitationRequest, DeleteAccountRequest, ExportDataRequest,
    FindUserRequest, GetPrivacyRequest, GetUsersRequest, InviteContactRequest, ListBlocksRequest,
    ListContactsRequest, ListSessionsRequest, LogOutRequest, MayWrite, ReauthenticateRequest,
    RecoverRequest, RefreshRequest, RegisterRequest, RemoveContactRequest, RequestRecoveryRequest,
    RevokeSessionRequest, SearchUsersRequest, SignInRequest, UnblockUserRequest,
    UpdatePrivacyRequest, UpdateProfileRequest, WhoAmIRequest, find_user_request::By,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::service::{PASSWORD, Service};

fn channel(address: std::net::SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

fn code(status: &Status) -> String {
    Problem::from_status(status).code.into_owned()
}

fn with_token<T>(body: T, token: &str) -> Request<T> {
    let mut request = Request::new(body);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn programs_do_by_grpc_what_people_do_by_rest() {
    let service = Service::start().await;
    let mut client = AccountServiceClient::new(channel(service.at.grpc));
    let registered = client
        .register(RegisterRequest {
            email: "ada@example.org".into(),
            password: PASSWORD.into(),
            handle: "ada".into(),
            display_name: "Ada".into(),
            device_name: "laptop".into(),
        })
        .await
        .unwrap()
        .into_inner();
    assert!(registered.created);
    let user = registered.user.clone().unwrap();

    let again = client
        .register(RegisterRequest {
            email: "ada@example.org".into(),
            password: PASSWORD.into(),
            ..RegisterRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(
        (again.code(), code(&again).as_str()),
        (Code::AlreadyExists, "email_taken")
    );

    let sign_in = |password: &str| SignInRequest {
        email: "ada@example.org".into(),
        password: password.into(),
        device_name: String::new(),
    };
    let wrong = client.sign_in(sign_in("two old goats")).await.unwrap_err();
    assert_eq!(
        (wrong.code(), code(&wrong).as_str()),
        (Code::Unauthenticated, "credentials_wrong")
    );
    let signed_in = client
        .sign_in(sign_in(PASSWORD))
        .await
        .unwrap()
        .into_inner();

    let next = client
        .refresh(RefreshRequest {
            refresh_token: signed_in.refresh_token,
        })
        .await
        .unwrap()
        .into_inner();
    let token = next.access_token;
    let me = client
        .who_am_i(with_token(WhoAmIRequest {}, &token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(me.email, "ada@example.org");
    assert_eq!(me.user.as_ref(), Some(&user));

    let found = client
        .find_user(with_token(
            FindUserRequest {
                by: Some(By::Email("ADA@example.org".into())),
            },
            &token,
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.user.as_ref(), Some(&user));
    let users = client
        .get_users(with_token(
            GetUsersRequest {
                user_ids: vec![user.user_id.clone()],
            },
            &token,
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(users.users, [user]);

    for _ in 0..2 {
        client
            .log_out(with_token(LogOutRequest {}, &token))
            .await
            .unwrap();
    }
    let ended = client
        .who_am_i(with_token(WhoAmIRequest {}, &token))
        .await
        .unwrap_err();
    assert_eq!(
        (ended.code(), code(&ended).as_str()),
        (Code::Unauthenticated, "session_ended")
    );
}

#[tokio::test]
async fn contacts_blocks_settings_and_search_are_there_by_grpc() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let mut client = ContactServiceClient::new(channel(service.at.grpc));
    let user_id = ben.user.clone();

    let invited = client
        .invite_contact(with_token(
            InviteContactRequest {
                user_id: user_id.clone(),
            },
            &ada.token,
        ))
        .await
        .unwrap()
        .into_inner();
    let invited = invited.contact.unwrap();
    assert_eq!(invited.state(), ContactState::InvitationSent);
    assert_eq!(invited.user.unwrap().handle, ben.handle);
    let accepted = client
        .accept_invitation(with_token(
            AcceptInvitationRequest {
                user_id: ada.user.clone(),
            },
            &ben.token,
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(accepted.contact.unwrap().state(), ContactState::Contact);
    let request = ListContactsRequest {
        state: ContactState::Contact.into(),
        ..ListContactsRequest::default()
    };
    let listed = client
        .list_contacts(with_token(request, &ada.token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.contacts.len(), 1);
    assert_eq!(listed.next_page_token, "");
    client
        .remove_contact(with_token(
            RemoveContactRequest {
                user_id: user_id.clone(),
            },
            &ada.token,
        ))
        .await
        .unwrap();
    client
        .decline_invitation(with_token(
            DeclineInvitationRequest {
                user_id: user_id.clone(),
            },
            &ada.token,
        ))
        .await
        .unwrap();

    let request = UpdatePrivacyRequest {
        may_write: MayWrite::SharedGroups.into(),
        found_by_email: Some(false),
        ..UpdatePrivacyRequest::default()
    };
    let changed = client
        .update_privacy(with_token(request, &ada.token))
        .await
        .unwrap()
        .into_inner();
    let read = client
        .get_privacy(with_token(GetPrivacyRequest {}, &ada.token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(changed.privacy, read.privacy);
    let privacy = read.privacy.unwrap();
    assert_eq!(privacy.may_write(), MayWrite::SharedGroups);
    assert!(!privacy.found_by_email && privacy.found_by_name);

    let search = |query: &str| SearchUsersRequest {
        query: query.into(),
        ..SearchUsersRequest::default()
    };
    let found = client
        .search_users(with_token(search(&ben.handle), &ada.token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.users[0].user_id, ben.user);
    client
        .block_user(with_token(
            BlockUserRequest {
                user_id: user_id.clone(),
            },
            &ada.token,
        ))
        .await
        .unwrap();
    let found = client
        .search_users(with_token(search(&ben.handle), &ada.token))
        .await
        .unwrap()
        .into_inner();
    assert!(found.users.is_empty());
    let refused = client
        .invite_contact(with_token(
            InviteContactRequest {
                user_id: ada.user.clone(),
            },
            &ben.token,
        ))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), code(&refused).as_str()),
        (Code::PermissionDenied, "not_allowed")
    );
    let blocks = client
        .list_blocks(with_token(ListBlocksRequest::default(), &ada.token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(blocks.blocks[0].user.as_ref().unwrap().user_id, ben.user);
    client
        .unblock_user(with_token(UnblockUserRequest { user_id }, &ada.token))
        .await
        .unwrap();

    // The values that a program of another version may send, and what is no id.
    let refused = client
        .list_contacts(with_token(
            ListContactsRequest {
                state: 9,
                ..ListContactsRequest::default()
            },
            &ada.token,
        ))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = client
        .update_privacy(with_token(
            UpdatePrivacyRequest {
                presence_visibility: 9,
                ..UpdatePrivacyRequest::default()
            },
            &ada.token,
        ))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = client
        .block_user(with_token(
            BlockUserRequest {
                user_id: "x".into(),
            },
            &ada.token,
        ))
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "input_invalid");
    let refused = client
        .list_blocks(Request::new(ListBlocksRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "token_missing");
}

#[tokio::test]
async fn a_call_without_a_token_or_with_a_bare_user_id_is_refused() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    let mut client = AccountServiceClient::new(channel(service.at.grpc));
    let mut request = Request::new(WhoAmIRequest {});
    request.metadata_mut().insert(
        "x-user-id",
        answer.body["user"]["user_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    );
    let refused = client.who_am_i(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), code(&refused).as_str()),
        (Code::Unauthenticated, "token_missing")
    );
}

#[tokio::test]
async fn peers_ask_whether_a_session_goes_on() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    let token = answer.text("access_token");
    let session = service.get("me", &token).await.text("session_id");
    let peer = PeerChannel::new(
        "account",
        &format!("http://{}", service.at.internal),
        service.peer("chat-gateway"),
    )
    .unwrap();
    let mut client = AccountInternalServiceClient::new(peer.channel());
    let mut check = async |session_id: String| {
        client
            .check_session(peer.request(CheckSessionRequest { session_id }, None))
            .await
            .map(|response| response.into_inner().active)
    };
    assert!(check(session.clone()).await.unwrap());
    service
        .send(
            service
                .http
                .post(service.url("log-out"))
                .bearer_auth(&token),
        )
        .await;
    assert!(!check(session).await.unwrap());
    assert!(
        !check("01900000-0000-7000-8000-000000000000".into())
            .await
            .unwrap()
    );
    let bad = check("x".into()).await.unwrap_err();
    assert_eq!(
        (bad.code(), code(&bad).as_str()),
        (Code::InvalidArgument, "session_id_invalid")
    );
}

#[tokio::test]
async fn the_internal_port_is_for_known_services_only() {
    let service = Service::start().await;
    let url = format!("http://{}", service.at.internal);
    let answer = service.register("ada@example.org").await;
    let request = || CheckSessionRequest {
        session_id: "01900000-0000-7000-8000-000000000000".into(),
    };

    let mut bare = AccountInternalServiceClient::new(channel(service.at.internal));
    let nobody = bare.check_session(request()).await.unwrap_err();
    assert_eq!(
        (nobody.code(), code(&nobody).as_str()),
        (Code::Unauthenticated, "identity_missing")
    );
    // A person's token is no identity of a service.
    let person = bare
        .check_session(with_token(request(), &answer.text("access_token")))
        .await
        .unwrap_err();
    assert_eq!(code(&person), "identity_missing");
    let mut with_user_id = Request::new(request());
    with_user_id.metadata_mut().insert(
        "x-user-id",
        answer.body["user"]["user_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    );
    let user_id = bare.check_session(with_user_id).await.unwrap_err();
    assert_eq!(code(&user_id), "identity_missing");

    // A service whose key is not trusted, and one that poses as another's peer.
    for (peer, target) in [("billing", "account"), ("chat-gateway", "message")] {
        let peer = PeerChannel::new(target, &url, service.peer(peer)).unwrap();
        let refused = AccountInternalServiceClient::new(peer.channel())
            .check_session(peer.request(request(), None))
            .await
            .unwrap_err();
        assert_eq!(code(&refused), "identity_invalid");
    }
}

#[tokio::test]
async fn programs_manage_their_account_by_grpc() {
    let service = Service::start().await;
    let mut client = AccountServiceClient::new(channel(service.at.grpc));
    let registered = client
        .register(RegisterRequest {
            email: "ada@example.org".into(),
            password: PASSWORD.into(),
            device_name: "laptop".into(),
            ..RegisterRequest::default()
        })
        .await
        .unwrap()
        .into_inner();
    let token = &registered.access_token;
    let other = service.sign_in("ada@example.org", PASSWORD).await;

    let sessions = client
        .list_sessions(with_token(ListSessionsRequest {}, token))
        .await
        .unwrap()
        .into_inner()
        .sessions;
    assert_eq!(sessions.len(), 2);
    let (here, there) = match sessions.as_slice() {
        [a, b] if a.current => (a, b),
        [a, b] => (b, a),
        _ => unreachable!("there are two"),
    };
    assert_eq!(here.device_name, "laptop");
    let revoke = RevokeSessionRequest {
        session_id: there.session_id.clone(),
    };
    client
        .revoke_session(with_token(revoke.clone(), token))
        .await
        .unwrap();
    assert_eq!(
        service.get("me", &other.text("access_token")).await.code(),
        "session_ended"
    );
    let again = client
        .revoke_session(with_token(revoke, token))
        .await
        .unwrap_err();
    assert_eq!(
        (again.code(), code(&again).as_str()),
        (Code::NotFound, "session_unknown")
    );

    let changed = client
        .update_profile(with_token(
            UpdateProfileRequest {
                status_text: Some("away".into()),
                metadata_patch_json: Some("{\"a\":1}".into()),
                ..UpdateProfileRequest::default()
            },
            token,
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(changed.user.unwrap().status_text, "away");
    assert_eq!(changed.metadata_json, "{\"a\":1}");
    let stale = client
        .update_profile(with_token(
            UpdateProfileRequest {
                if_version: Some(changed.version - 1),
                ..UpdateProfileRequest::default()
            },
            token,
        ))
        .await
        .unwrap_err();
    assert_eq!(
        (stale.code(), code(&stale).as_str()),
        (Code::Aborted, "version_conflict")
    );

    service.age_proofs().await;
    let refused = client
        .delete_account(with_token(DeleteAccountRequest {}, token))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), code(&refused).as_str()),
        (Code::PermissionDenied, "proof_needed")
    );
    client
        .reauthenticate(with_token(
            ReauthenticateRequest {
                password: PASSWORD.into(),
            },
            token,
        ))
        .await
        .unwrap();
    client
        .change_password(with_token(
            ChangePasswordRequest {
                current_password: Some(PASSWORD.into()),
                new_password: "three new ships".into(),
            },
            token,
        ))
        .await
        .unwrap();
    let export = client
        .export_data(with_token(ExportDataRequest {}, token))
        .await
        .unwrap()
        .into_inner();
    assert!(export.json.contains("ada@example.org"));
    client
        .delete_account(with_token(DeleteAccountRequest {}, token))
        .await
        .unwrap();
    let gone = client
        .who_am_i(with_token(WhoAmIRequest {}, token))
        .await
        .unwrap_err();
    assert_eq!(code(&gone), "session_ended");
}

#[tokio::test]
async fn programs_recover_by_grpc() {
    let service = Service::start().await;
    let mut client = AccountServiceClient::new(channel(service.at.grpc));
    service.register("ada@example.org").await;
    for email in ["ada@example.org", "nobody@example.org"] {
        client
            .request_recovery(RequestRecoveryRequest {
                email: email.into(),
            })
            .await
            .unwrap();
    }
    let token = service
        .mailed_token("ada@example.org", "recover", None)
        .await;
    let recover = |token: &str| RecoverRequest {
        token: token.into(),
        new_password: "three new ships".into(),
    };
    client.recover(recover(&token)).await.unwrap();
    let again = client.recover(recover(&token)).await.unwrap_err();
    assert_eq!(
        (again.code(), code(&again).as_str()),
        (Code::InvalidArgument, "link_invalid")
    );
    let signed_in = service.sign_in("ada@example.org", "three new ships").await;
    assert_eq!(signed_in.status, reqwest::StatusCode::OK);
}

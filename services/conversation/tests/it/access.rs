use std::time::Duration;

use ids::SessionId;
use proto::conversation::conversation_internal_service_client::ConversationInternalServiceClient;
use proto::conversation::conversation_service_client::ConversationServiceClient;
use proto::conversation::{CheckMemberRequest, GetConversationRequest, ListConversationsRequest};
use reqwest::StatusCode;
use serde_json::Value;
use tonic::{Code, Request, Status};

use crate::suite::{Suite, code};

fn refusal(status: &Status) -> (Code, String) {
    let code = status.metadata().get(problem::CODE_METADATA);
    let code = code.map_or("", |code| code.to_str().unwrap());
    (status.code(), code.to_owned())
}

#[tokio::test]
async fn an_internal_call_without_identity_or_with_a_bare_user_id_is_refused() {
    let suite = Suite::start().await;
    let (owner, other) = (suite.people.person(), suite.people.person());
    let (id, _) = suite.group(&owner, &[]).await;
    let question = || CheckMemberRequest {
        conversation_id: id.to_string(),
        user_id: owner.user.to_string(),
    };
    let mut client = suite.internal().await;

    let bare = client.check_member(question()).await.unwrap_err();
    assert_eq!(
        refusal(&bare),
        (Code::Unauthenticated, "identity_missing".into())
    );
    for header in ["x-user-id", "x-parlance-user", "x-forwarded-user"] {
        let mut request = Request::new(question());
        request
            .metadata_mut()
            .insert(header, owner.user.to_string().parse().unwrap());
        let refused = client.check_member(request).await.unwrap_err();
        assert_eq!(
            refusal(&refused),
            (Code::Unauthenticated, "identity_missing".into())
        );
    }
    // A person's token is no identity, also not for what the public port serves.
    let refused = client
        .check_member(owner.request(question()))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unauthenticated, "identity_missing".into())
    );
    let mut people =
        ConversationServiceClient::connect(format!("http://{}", suite.addresses.internal))
            .await
            .unwrap();
    let refused = people
        .list_conversations(owner.request(ListConversationsRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unauthenticated, "identity_missing".into())
    );

    // A trusted service that has no business here; a service that says it is another.
    let account = suite.peer("account");
    let refused = ConversationInternalServiceClient::new(account.channel())
        .check_member(account.request(question(), Some(&owner.verified())))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::PermissionDenied, "identity_forbidden".into())
    );
    let stranger = test_support::Identities::of(&["chat-gateway"]);
    let forged = auth::PeerChannel::new(
        "conversation",
        &format!("http://{}", suite.addresses.internal),
        stranger.identity("chat-gateway"),
    )
    .unwrap();
    let refused = client
        .check_member(forged.request(question(), Some(&owner.verified())))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unauthenticated, "identity_invalid".into())
    );

    // A trusted peer, but on nobody's behalf, or on somebody else's.
    let gateway = suite.peer("chat-gateway");
    let refused = client
        .check_member(gateway.request(question(), None))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unauthenticated, "token_missing".into())
    );
    let refused = client
        .check_member(gateway.request(question(), Some(&other.verified())))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::PermissionDenied, "person_mismatch".into())
    );

    for (person, member) in [(&owner, true), (&other, false)] {
        let question = CheckMemberRequest {
            conversation_id: id.to_string(),
            user_id: person.user.to_string(),
        };
        for peer in ["chat-gateway", "file-upload", "message"] {
            let request = suite
                .peer(peer)
                .request(question.clone(), Some(&person.verified()));
            let answer = client.check_member(request).await.unwrap().into_inner();
            assert_eq!(answer.member, member);
        }
    }
    suite.stop().await;
}

#[tokio::test]
async fn people_need_a_token_of_their_own_on_every_public_interface() {
    let suite = Suite::start().await;
    let (owner, stranger) = (suite.people.person(), suite.people.person());
    let (id, _) = suite.group(&owner, &[]).await;
    let url = format!("http://{}/api/conversations/{id}", suite.addresses.http);
    let http = reqwest::Client::new();

    let expired = suite.people.token(
        owner.user,
        SessionId::generate(&clock::Clock::system()),
        Duration::ZERO,
    );
    for (request, expected) in [
        (http.get(&url), "token_missing"),
        (
            http.get(&url).header("x-user-id", owner.user.to_string()),
            "token_missing",
        ),
        (
            http.get(&url).query(&[("access_token", &owner.token)]),
            "token_missing",
        ),
        (http.get(&url).bearer_auth("nonsense"), "token_invalid"),
        (http.get(&url).bearer_auth(&expired), "token_expired"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let body: Value = response.json().await.unwrap();
        assert_eq!(code(&body), expected);
    }

    let mut grpc = suite.grpc().await;
    let question = GetConversationRequest {
        conversation_id: id.to_string(),
        ..GetConversationRequest::default()
    };
    let refused = grpc.get_conversation(question.clone()).await.unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unauthenticated, "token_missing".into())
    );
    let refused = grpc
        .get_conversation(stranger.request(question.clone()))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::NotFound, "conversation_unknown".into())
    );
    let seen = grpc
        .get_conversation(owner.request(question))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.members.len(), 1);
    suite.stop().await;
}

#[tokio::test]
async fn the_internal_service_is_not_on_the_public_port() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let (id, _) = suite.group(&owner, &[]).await;
    let mut client =
        ConversationInternalServiceClient::connect(format!("http://{}", suite.addresses.grpc))
            .await
            .unwrap();
    let request = suite.peer("chat-gateway").request(
        CheckMemberRequest {
            conversation_id: id.to_string(),
            user_id: owner.user.to_string(),
        },
        Some(&owner.verified()),
    );
    let refused = client.check_member(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    suite.stop().await;
}

#[tokio::test]
async fn the_document_names_every_route_and_the_page_shows_it() {
    let suite = Suite::start().await;
    let base = format!("http://{}", suite.addresses.http);
    let document: Value = reqwest::get(format!("{base}/api/conversations/openapi.json"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let routes: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(routes, 32);
    assert!(document["components"]["schemas"]["Entry"].is_object());
    let page = reqwest::get(format!("{base}/")).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    suite.stop().await;
}

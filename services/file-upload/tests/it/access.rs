use std::time::Duration;

use clock::Clock;
use ids::{ConversationId, FileId, SessionId};
use proto::file::file_service_client::FileServiceClient;
use proto::file::{CompleteUploadRequest, CreateUploadRequest, GetDownloadRequest};
use reqwest::StatusCode;
use serde_json::Value;
use tonic::{Code, Request, Status};

use crate::suite::{Suite, code, said};

fn refusal(status: &Status) -> (Code, String) {
    let code = status.metadata().get(problem::CODE_METADATA);
    let code = code.map_or("", |code| code.to_str().unwrap());
    (status.code(), code.to_owned())
}

#[tokio::test]
async fn who_is_not_a_member_gets_nothing_by_any_interface() {
    let suite = Suite::start().await;
    let (a, b, outsider) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let conversation = suite.conversation(&[&a, &b]);
    let id = suite
        .upload(&a, conversation, "a.txt", "text/plain", b"for us")
        .await;
    // The removed one had a right once.
    suite.members.remove(conversation, b.user);

    let none = FileId::generate(&Clock::system()).to_string();
    let mut grpc = FileServiceClient::connect(format!("http://{}", suite.addresses.grpc))
        .await
        .unwrap();
    for person in [&b, &outsider] {
        let mut answers = Vec::new();
        for id in [&id, &none] {
            for (status, mut body) in [
                suite.download(person, id).await,
                suite.complete(person, id).await,
            ] {
                body.as_object_mut().unwrap().remove("trace_id");
                answers.push((status, body));
            }
            let refused = grpc
                .get_download(person.request(GetDownloadRequest {
                    file_id: id.clone(),
                }))
                .await
                .unwrap_err();
            assert_eq!(refusal(&refused), (Code::NotFound, "file_unknown".into()));
            let refused = grpc
                .complete_upload(person.request(CompleteUploadRequest {
                    file_id: id.clone(),
                }))
                .await
                .unwrap_err();
            assert_eq!(refusal(&refused), (Code::NotFound, "file_unknown".into()));
        }
        assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
        assert_eq!(code(&answers[0].1), "file_unknown");
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:#?}"
        );

        for conversation in [conversation, ConversationId::generate(&Clock::system())] {
            let (status, body) = suite
                .announce(person, &said(conversation, "x", "text/plain", b"x"))
                .await;
            assert_eq!(
                (status, code(&body)),
                (StatusCode::NOT_FOUND, "conversation_unknown")
            );
            let refused = grpc
                .create_upload(person.request(CreateUploadRequest {
                    conversation_id: conversation.to_string(),
                    file_name: "x".into(),
                    content_type: "text/plain".into(),
                    size_bytes: 1,
                    sha256_base64: "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=".into(),
                }))
                .await
                .unwrap_err();
            assert_eq!(
                refusal(&refused),
                (Code::NotFound, "conversation_unknown".into())
            );
        }
    }

    // Another member may download, but says nothing about an upload that is not theirs.
    let c = suite.people.person();
    suite.members.add(conversation, c.user);
    assert_eq!(suite.download(&c, &id).await.0, StatusCode::OK);
    assert_eq!(suite.complete(&c, &id).await.0, StatusCode::NOT_FOUND);

    // The bucket itself is closed.
    let (_, body) = suite.download(&a, &id).await;
    let url = body["download_url"].as_str().unwrap();
    let unsigned = url.split('?').next().unwrap();
    assert_eq!(
        reqwest::get(unsigned).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    suite.stop().await;
}

#[tokio::test]
async fn a_call_without_token_or_identity_or_with_a_bare_user_id_is_refused() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    let id = suite
        .upload(&a, conversation, "a.txt", "text/plain", b"x")
        .await;
    let url = format!("http://{}/api/files/{id}/download", suite.addresses.http);
    let expired = suite.people.token(
        a.user,
        SessionId::generate(&Clock::system()),
        Duration::ZERO,
    );
    for (request, expected) in [
        (suite.http.get(&url), "token_missing"),
        (
            suite.http.get(&url).header("x-user-id", a.user.to_string()),
            "token_missing",
        ),
        (
            suite.http.get(&url).bearer_auth("nonsense"),
            "token_invalid",
        ),
        (suite.http.get(&url).bearer_auth(&expired), "token_expired"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let body: Value = response.json().await.unwrap();
        assert_eq!(code(&body), expected);
    }

    let question = || GetDownloadRequest {
        file_id: id.clone(),
    };
    let mut internal = FileServiceClient::connect(format!("http://{}", suite.addresses.internal))
        .await
        .unwrap();
    let mut bare = Request::new(question());
    bare.metadata_mut()
        .insert("x-user-id", a.user.to_string().parse().unwrap());
    for request in [Request::new(question()), bare, a.request(question())] {
        let refused = internal.get_download(request).await.unwrap_err();
        assert_eq!(
            refusal(&refused),
            (Code::Unauthenticated, "identity_missing".into())
        );
    }
    let conversation_service = suite.peer("conversation");
    let refused = internal
        .get_download(conversation_service.request(question(), Some(&a.verified())))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::PermissionDenied, "identity_forbidden".into())
    );
    let message = suite.peer("message");
    let refused = internal
        .get_download(message.request(question(), None))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unauthenticated, "token_missing".into())
    );
    let download = internal
        .get_download(message.request(question(), Some(&a.verified())))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(download.file.unwrap().file_id, id);
    suite.stop().await;
}

#[tokio::test]
async fn the_document_names_every_route_and_the_page_shows_it() {
    let suite = Suite::start().await;
    let base = format!("http://{}", suite.addresses.http);
    let document: Value = reqwest::get(format!("{base}/api/files/openapi.json"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["paths"].as_object().unwrap().len(), 6);
    assert_eq!(
        reqwest::get(format!("{base}/")).await.unwrap().status(),
        StatusCode::OK
    );
    suite.stop().await;
}

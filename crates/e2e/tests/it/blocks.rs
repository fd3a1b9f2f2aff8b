//! Whom one may reach, over all services.

use client::wire::{Send, client_frame, server_frame};
use client::{Client, Connection};
use ids::ConversationId;
use proto::message::message_service_client::MessageServiceClient;
use proto::message::{SendMessageRequest, send_message_response};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::people::{Stage, Turn, history, stage, text};
use crate::refusals::{answer, code, greeted, say, with_token};

/// A call of the account service that the client has no name for.
async fn call(
    stage: &Stage,
    person: &Client,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let url = format!("{}/api/account/{path}", stage.suite.origin());
    let mut request = reqwest::Client::new()
        .request(method, url)
        .bearer_auth(person.credentials().access_token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

async fn block(stage: &Stage, who: &Client, whom: &Client, method: Method) {
    let path = format!("blocks/{}", whom.user_id());
    let (status, body) = call(stage, who, method, &path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
}

async fn send_by_socket(socket: &mut Connection, person: &Client, conversation: ConversationId) {
    socket
        .send(client_frame::Frame::Send(Send {
            client_message_id: person.new_client_message_id().to_string(),
            conversation_id: conversation.to_string(),
            text: "by socket".to_owned(),
            attempt: 1,
            ..Send::default()
        }))
        .await
        .unwrap();
}

#[tokio::test]
async fn no_message_passes_a_block_by_any_interface_and_what_was_written_stays() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    say(&ada, conversation, "before").await.unwrap();
    say(&ben, conversation, "before, too").await.unwrap();
    let mut bens = greeted(&stage, &ben).await;
    let mut adas = greeted(&stage, &ada).await;

    block(&stage, &ada, &ben, Method::PUT).await;
    let mut grpc = MessageServiceClient::connect(stage.suite.messages[0].grpc_url())
        .await
        .unwrap();
    for (person, socket) in [(&ben, &mut bens), (&ada, &mut adas)] {
        // The very next message, by each interface: the block was in the log before the call returned.
        assert_eq!(
            code(say(person, conversation, "through").await),
            "not_allowed"
        );
        let send = SendMessageRequest {
            conversation_id: conversation.to_string(),
            client_message_id: person.new_client_message_id().to_string(),
            text: "by grpc".to_owned(),
            ..SendMessageRequest::default()
        };
        let answered = grpc.send_message(with_token(send, person)).await.unwrap();
        match answered.into_inner().outcome {
            Some(send_message_response::Outcome::Refused(refused)) => {
                assert_eq!(refused.code, "not_allowed");
            }
            other => panic!("not refused: {other:?}"),
        }
        send_by_socket(socket, person, conversation).await;
        let refused = answer(socket, |frame| match frame {
            server_frame::Frame::Refused(refused) => Some(refused),
            _ => None,
        })
        .await;
        assert_eq!(
            (refused.code.as_str(), refused.retry),
            ("not_allowed", false)
        );
        // It is readable, in the list, and opened again it is the same.
        let texts: Vec<String> = history(person, conversation)
            .await
            .iter()
            .filter_map(|entry| text(entry).map(str::to_owned))
            .collect();
        assert_eq!(texts, ["before", "before, too"]);
        let listed = person.all_conversations().await.unwrap();
        assert_eq!(listed.len(), 1);
    }
    let again = ben.open_direct(ada.user_id()).await.unwrap();
    assert_eq!(again.conversation_id, conversation);
    // Nor is he found, invited, or put into a group.
    let name = format!("g-{}", ben.user_id());
    assert_eq!(
        code(ben.create_group(&name, &[ada.user_id()]).await),
        "input_invalid"
    );
    let (_, profile) = call(&stage, &ada, Method::GET, "me", None).await;
    let handle = profile["user"]["handle"].as_str().unwrap();
    assert_eq!(code(ben.find_user(handle).await), "user_unknown");
    let invite = json!({"user_id": ada.user_id()});
    let (status, body) = call(&stage, &ben, Method::POST, "contacts", Some(invite)).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::FORBIDDEN, Some("not_allowed"))
    );

    // It ends, and both go on.
    block(&stage, &ada, &ben, Method::DELETE).await;
    let number = say(&ben, conversation, "after").await.unwrap();
    assert_eq!(
        say(&ada, conversation, "after, too").await.unwrap(),
        number + 1
    );
}

#[tokio::test]
async fn who_wants_contacts_only_is_written_to_by_contacts_only() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let eve = stage.person("eve").await;
    let before = eve
        .open_direct(ada.user_id())
        .await
        .unwrap()
        .conversation_id;
    let patch = json!({"may_write": "contacts"});
    let (status, body) = call(&stage, &ada, Method::PATCH, "privacy", Some(patch)).await;
    assert_eq!(status, StatusCode::OK, "{body}");

    assert_eq!(code(ben.open_direct(ada.user_id()).await), "not_allowed");
    say(&eve, before, "we know each other").await.unwrap();
    let invite = json!({"user_id": ada.user_id()});
    let (status, body) = call(&stage, &ben, Method::POST, "contacts", Some(invite)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(code(ben.open_direct(ada.user_id()).await), "not_allowed");
    let accept = format!("contacts/{}/accept", ben.user_id());
    let (status, body) = call(&stage, &ada, Method::POST, &accept, None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let opened = ben.open_direct(ada.user_id()).await.unwrap();
    say(&ben, opened.conversation_id, "hello").await.unwrap();
}

#[tokio::test]
async fn who_shares_a_group_may_write_where_that_is_wanted() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let patch = json!({"may_write": "shared_groups"});
    let (status, body) = call(&stage, &ada, Method::PATCH, "privacy", Some(patch)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(code(ben.open_direct(ada.user_id()).await), "not_allowed");
    let name = format!("g-{}", ada.user_id());
    ada.create_group(&name, &[]).await.unwrap();
    ben.join_group(&name).await.unwrap();
    let opened = ben.open_direct(ada.user_id()).await.unwrap();
    say(&ben, opened.conversation_id, "hello").await.unwrap();
}

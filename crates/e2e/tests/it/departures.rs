//! Who deletes their account, over all services.

use client::wire::entry::Change;
use client::wire::{Send, client_frame, server_frame};
use client::{Client, Format, Update};
use ids::{ConversationId, UserId};
use reqwest::{Method, StatusCode};

use crate::blocks::call;
use crate::people::{Turn, history, next, own_stage, text};
use crate::refusals::{answer, code, greeted, say};

/// Members and their roles, sorted.
async fn members(person: &Client, conversation: ConversationId) -> Vec<(UserId, String)> {
    let members = person.all_members(conversation).await.unwrap();
    let mut members: Vec<(UserId, String)> = members
        .into_iter()
        .map(|member| (member.user_id, format!("{:?}", member.role)))
        .collect();
    members.sort();
    members
}

#[tokio::test]
async fn who_deletes_their_account_while_the_conversation_service_is_down_is_gone_when_it_is_back()
{
    let stage = own_stage(Turn::with_others().await, |_| {}).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let eve = stage.person("eve").await;
    let owned = ada
        .create_group("owned", &[ben.user_id(), eve.user_id()])
        .await
        .unwrap()
        .conversation_id;
    let joined = ben
        .create_group("joined", &[ada.user_id()])
        .await
        .unwrap()
        .conversation_id;
    let direct = ben
        .open_direct(ada.user_id())
        .await
        .unwrap()
        .conversation_id;
    for conversation in [owned, joined, direct] {
        say(&ada, conversation, "before").await.unwrap();
    }
    let (_bens, mut to_ben) = stage.session_on(1, Format::Protobuf, &ben).await;

    stage.suite.conversation.kill9().await;
    let (status, body) = call(&stage, &ada, Method::DELETE, "me", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    stage.suite.conversation.start().await.unwrap();

    // Ben's device is told of each, in the order of its conversation.
    let mut left = Vec::new();
    while left.len() < 3 {
        let entry = next(&mut to_ben, |update| match update {
            Update::Shown { entry, .. } => Some(entry),
            _ => None,
        })
        .await;
        if let Some(Change::Left(change)) = &entry.change {
            assert_eq!(change.user_id, ada.user_id().to_string());
            left.push(entry.conversation_id);
        }
    }
    left.sort();
    let mut expected = [owned, joined, direct].map(|conversation| conversation.to_string());
    expected.sort();
    assert_eq!(left, expected);

    // She owned a group: somebody else does now.
    let now = members(&ben, owned).await;
    let users: Vec<UserId> = now.iter().map(|(user, _)| *user).collect();
    let mut others = vec![ben.user_id(), eve.user_id()];
    others.sort();
    assert_eq!(users, others);
    assert_eq!(now.iter().filter(|(_, role)| role == "Owner").count(), 1);
    assert_eq!(
        members(&ben, joined).await,
        [(ben.user_id(), "Owner".to_owned())]
    );
    say(&eve, owned, "we go on").await.unwrap();

    // The one-to-one can be read, and not written in by any interface.
    let texts: Vec<String> = history(&ben, direct)
        .await
        .iter()
        .filter_map(|entry| text(entry).map(str::to_owned))
        .collect();
    assert_eq!(texts, ["before"]);
    let listed = ben.all_conversations().await.unwrap();
    assert!(
        listed
            .iter()
            .any(|summary| summary.conversation.conversation_id == direct)
    );
    assert_eq!(
        code(say(&ben, direct, "hello?").await),
        "conversation_closed"
    );
    let mut socket = greeted(&stage, &ben).await;
    socket
        .send(client_frame::Frame::Send(Send {
            client_message_id: ben.new_client_message_id().to_string(),
            conversation_id: direct.to_string(),
            text: "hello?".to_owned(),
            attempt: 1,
            ..Send::default()
        }))
        .await
        .unwrap();
    let refused = answer(&mut socket, |frame| match frame {
        server_frame::Frame::Refused(refused) => Some(refused),
        _ => None,
    })
    .await;
    assert_eq!(
        (refused.code.as_str(), refused.retry),
        ("conversation_closed", false)
    );
    // Nobody begins anything new with her.
    assert_eq!(code(eve.open_direct(ada.user_id()).await), "user_unknown");
    let again = ben.open_direct(ada.user_id()).await.unwrap();
    assert_eq!(again.conversation_id, direct);
}

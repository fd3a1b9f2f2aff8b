//! Every route of the services that have no such test of their own, by their own documents: a route that is
//! added is tried too. Those of accounts and conversations are in `services/*/tests/it`.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{People, Surface};

use crate::people::{Stage, Turn, stage};
use crate::refusals::say;

async fn surface(stage: &Stage, service: &str) -> Surface {
    let origin = stage.suite.origin();
    let document: Value = reqwest::get(format!("{origin}/api/{service}/openapi.json"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    Surface::new(origin, &document)
}

#[tokio::test]
async fn no_route_of_messages_files_and_gateways_is_open_to_strangers() {
    let stage = stage(Turn::with_others().await).await;
    let stranger = People::start().await.person().token;
    for (service, public) in [
        ("messages", &[] as &[&str]),
        ("files", &[]),
        // A socket says who it is in its first frame.
        ("gateway", &["GET /socket"]),
    ] {
        surface(&stage, service)
            .await
            .refuses_strangers(public, &[("a token of another signer", stranger.clone())])
            .await;
    }
}

#[tokio::test]
async fn no_route_takes_a_token_whose_session_has_ended() {
    let stage = stage(Turn::with_others().await).await;
    let ada = stage.person("ada").await;
    let token = ada.credentials().access_token;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let origin = stage.suite.origin();
    let code = async |path: &str| {
        let asked = http.get(format!("{origin}{path}")).bearer_auth(&token);
        let answer: Value = asked.send().await.unwrap().json().await.unwrap();
        answer["code"].as_str().map(str::to_owned)
    };
    let somebody = ada.user_id();
    let services = [
        ("conversations", "/api/conversations".to_owned()),
        (
            "messages",
            format!("/api/messages/conversations/{somebody}/entries"),
        ),
        ("files", format!("/api/files/{somebody}/download")),
        ("gateway", format!("/api/gateway/presence?ids={somebody}")),
    ];
    for (service, path) in &services {
        let before = code(path).await;
        assert_ne!(before.as_deref(), Some("session_ended"), "{service}");
        assert_ne!(before.as_deref(), Some("token_invalid"), "{service}");
    }
    ada.log_out().await.unwrap();
    let ended = std::time::Instant::now();
    for (service, path) in &services {
        while code(path).await.as_deref() != Some("session_ended") {
            let after = ended.elapsed();
            assert!(after < Duration::from_secs(5), "{service}: {after:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{service}: refused {:?} after the log-out", ended.elapsed());
    }
    for (service, public) in [
        ("conversations", &[] as &[&str]),
        ("messages", &[]),
        ("files", &[]),
        ("gateway", &["GET /socket"]),
    ] {
        surface(&stage, service)
            .await
            .refuses_strangers(public, &[("the token", token.clone())])
            .await;
    }
}

#[tokio::test]
async fn no_route_of_messages_and_files_gives_what_is_somebody_elses() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let eve = stage.person("eve").await;
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let number = say(&ada, conversation, "between us").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("between-us.txt");
    std::fs::write(&path, b"between us").unwrap();
    let file = ada.upload(conversation, &path, "text/plain").await.unwrap();
    let objects = [
        ("conversation_id", conversation.to_string()),
        ("number", number.to_string()),
        ("file_id", file.file_id.to_string()),
        // As a picture of its uploader's profile, an attachment is nobody's to see.
        ("user_id", ada.user_id().to_string()),
    ];
    let objects: Vec<(&str, &str)> = objects.iter().map(|(name, id)| (*name, &**id)).collect();
    let token = eve.credentials().access_token;
    for service in ["messages", "files"] {
        surface(&stage, service)
            .await
            .refuses_others_objects(&token, &objects, &[], |operation| {
                let client_message_id = eve.new_client_message_id();
                // What would be taken from a member.
                if operation.ends_with("/messages") {
                    json!({"client_message_id": client_message_id, "text": "hello"})
                } else if operation.ends_with("/changes") {
                    json!({"client_message_id": client_message_id, "edit": "hello"})
                } else if operation.ends_with("/read") || operation.ends_with("/delivered") {
                    json!({"number": number})
                } else {
                    json!({})
                }
            })
            .await;
    }
}

use reqwest::StatusCode;
use serde_json::json;

use crate::service::{PASSWORD, Service};
use crate::sessions::{every_gateway_was_told, session_of};

#[tokio::test]
async fn people_see_their_devices_and_end_one() {
    let service = Service::start().await;
    let phone = service.register("ada@example.org").await;
    let laptop = service
        .send(
            service
                .http
                .post(service.url("sign-in"))
                .header("user-agent", "Netscape/4.0")
                .json(&json!({"email": "ada@example.org", "password": PASSWORD,
                              "device_name": "laptop"})),
        )
        .await;
    let (phone_session, laptop_session) = (
        session_of(&service, &phone).await,
        session_of(&service, &laptop).await,
    );
    let laptop = service.refresh(&laptop.text("refresh_token")).await;

    let token = phone.text("access_token");
    let list = service.get("sessions", &token).await;
    let sessions = list.body["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    // Last used first.
    assert_eq!(sessions[0]["session_id"], laptop_session.to_string());
    assert_eq!(sessions[0]["device_name"], "laptop");
    assert_eq!(sessions[0]["user_agent"], "Netscape/4.0");
    assert_eq!(sessions[0]["current"], false);
    assert!(sessions[0]["last_used_at"].as_str() > sessions[0]["created_at"].as_str());
    assert_eq!(sessions[1]["session_id"], phone_session.to_string());
    assert_eq!(sessions[1]["current"], true);

    let path = format!("sessions/{laptop_session}");
    let ended = service.delete(&path, &token).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.body);
    assert_eq!(
        service.get("me", &laptop.text("access_token")).await.code(),
        "session_ended"
    );
    assert_eq!(
        service.refresh(&laptop.text("refresh_token")).await.code(),
        "session_ended"
    );
    every_gateway_was_told(&service, laptop_session).await;
    assert_eq!(
        service.delete(&path, &token).await.code(),
        "session_unknown"
    );
    let list = service.get("sessions", &token).await;
    assert_eq!(list.body["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_sees_or_ends_the_sessions_of_others() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let ben = service.register("ben@example.org").await;
    let session = session_of(&service, &ada).await;
    let token = ben.text("access_token");
    let refused = service.delete(&format!("sessions/{session}"), &token).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::NOT_FOUND, "session_unknown")
    );
    for id in ["", "x", "01926c5e-7f00-7000-8000-000000000001"] {
        let refused = service.delete(&format!("sessions/{id}"), &token).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{id}");
    }
    let me = service.get("me", &ada.text("access_token")).await;
    assert_eq!(me.status, StatusCode::OK);
    let list = service.get("sessions", &token).await;
    assert_eq!(list.body["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let service = Service::start().await;
    let here = service.register("ada@example.org").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(service.sign_in("ada@example.org", PASSWORD).await);
    }
    let token = here.text("access_token");
    let ended = service.post_as("log-out-others", &token, &json!({})).await;
    assert_eq!(ended.body["ended"], 3);
    for other in others {
        assert_eq!(
            service.get("me", &other.text("access_token")).await.code(),
            "session_ended"
        );
    }
    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
    let again = service.post_as("log-out-others", &token, &json!({})).await;
    assert_eq!(again.body["ended"], 0);
}

#[tokio::test]
async fn what_happens_to_an_account_is_told_to_its_owner() {
    let service = Service::start().await;
    let email = format!("{}@example.org", uuid::Uuid::new_v4());
    let token = service.register(&email).await.text("access_token");
    service.sign_in(&email, "two old goats").await;
    let second = service.sign_in(&email, PASSWORD).await;
    service
        .send(
            service
                .http
                .post(service.url("log-out"))
                .bearer_auth(second.text("access_token")),
        )
        .await;
    assert_eq!(
        service.events(&token).await,
        [
            "logged_out",
            "signed_in",
            "sign_in_failed",
            "signed_in",
            "registered"
        ]
    );
    let first = service.get("security-events?limit=2", &token).await;
    assert_eq!(first.body["events"].as_array().unwrap().len(), 2);
    assert_eq!(first.body["events"][1]["address"], "127.0.0.1");
    let next = first.text("next");
    let rest = service
        .get(&format!("security-events?limit=100&before={next}"), &token)
        .await;
    assert_eq!(rest.body["events"].as_array().unwrap().len(), 3);
    let faulty = service
        .get("security-events?limit=0&before=x", &token)
        .await;
    assert_eq!(faulty.body["errors"].as_array().unwrap().len(), 2);
    // Somebody else's are their own.
    let other = service.register("ben@example.org").await;
    assert_eq!(
        service.events(&other.text("access_token")).await,
        ["signed_in", "registered"]
    );
}

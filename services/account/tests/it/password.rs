use reqwest::StatusCode;
use serde_json::json;

use crate::service::{PASSWORD, Service};
use crate::sessions::{every_gateway_was_told, session_of};

const NEW: &str = "three new ships";

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let service = Service::start().await;
    let here = service.register("ada@example.org").await;
    let there = service.sign_in("ada@example.org", PASSWORD).await;
    let elsewhere = session_of(&service, &there).await;
    let token = here.text("access_token");

    let changed = service
        .post_as(
            "password",
            &token,
            &json!({"current_password": PASSWORD, "new_password": NEW}),
        )
        .await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.body);

    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
    assert_eq!(
        service.get("me", &there.text("access_token")).await.code(),
        "session_ended"
    );
    assert_eq!(
        service.refresh(&there.text("refresh_token")).await.code(),
        "session_ended"
    );
    every_gateway_was_told(&service, elsewhere).await;
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.code(),
        "credentials_wrong"
    );
    assert_eq!(
        service.sign_in("ada@example.org", NEW).await.status,
        StatusCode::OK
    );
    let events = service.events(&token).await;
    assert!(
        events.contains(&"password_changed".to_owned()),
        "{events:?}"
    );
    test_support::eventually("a notice by mail", async || {
        let mails = service.mails.mails(Some("ada@example.org"));
        mails
            .iter()
            .any(|mail| mail.subject == "Your password was changed")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_only() {
    let service = Service::start_strict().await;
    let email = format!("{}@example.org", uuid::Uuid::new_v4());
    let token = service.register(&email).await.text("access_token");
    let change = async |body| service.post_as("password", &token, &body).await;
    let missing = change(json!({"new_password": NEW})).await;
    assert_eq!(
        missing.body["errors"][0]["code"],
        "current_password_missing"
    );
    for weak in ["short", "password1"] {
        let refused = change(json!({"current_password": PASSWORD, "new_password": weak})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.body["errors"][0]["field"], "new_password");
    }
    // Guesses are counted with those of the sign-in.
    for _ in 0..5 {
        let wrong = change(json!({"current_password": "two old goats", "new_password": NEW})).await;
        assert_eq!(
            (wrong.status, wrong.code()),
            (StatusCode::UNAUTHORIZED, "credentials_wrong")
        );
    }
    let limited = change(json!({"current_password": PASSWORD, "new_password": NEW})).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        service.sign_in(&email, PASSWORD).await.code(),
        "rate_limited"
    );
}

#[tokio::test]
async fn of_two_changes_at_once_one_holds() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let change = |new: &'static str| {
        let body = json!({"current_password": PASSWORD, "new_password": new});
        let (service, token) = (&service, &token);
        async move { service.post_as("password", token, &body).await.status }
    };
    let (first, second) = tokio::join!(change(NEW), change("four late trains"));
    let mut outcomes = [first.as_u16(), second.as_u16()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, [204, 401]);
}

#[tokio::test]
async fn a_sign_in_that_overlaps_with_a_change_comes_to_nothing() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let sign_ins = futures_util::future::join_all(
        (0..6).map(|_| service.sign_in("ada@example.org", PASSWORD)),
    );
    let (changed, sign_ins) = tokio::join!(service.post_as("password", &token, &body), sign_ins);
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    for answer in sign_ins {
        // Either it came first, and was ended; or it was refused.
        if answer.status == StatusCode::OK {
            let me = service.get("me", &answer.text("access_token")).await;
            assert_eq!(me.code(), "session_ended");
        } else {
            assert_eq!(answer.code(), "credentials_wrong");
        }
    }
}

#[tokio::test]
async fn what_is_sensitive_needs_a_fresh_proof() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let other = service.sign_in("ada@example.org", PASSWORD).await;
    let other = session_of(&service, &other).await;
    service.age_proofs().await;
    let session = format!("sessions/{other}");
    let refused = [
        service.delete(&session, &token).await,
        service.post_as("log-out-others", &token, &json!({})).await,
        service
            .post_as("email", &token, &json!({"email": "new@example.org"}))
            .await,
        service.get("export", &token).await,
        service.delete("identities/test", &token).await,
        service.delete("me", &token).await,
    ];
    for answer in refused {
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::FORBIDDEN, "proof_needed")
        );
    }
    let wrong = service
        .post_as(
            "reauthenticate",
            &token,
            &json!({"password": "two old goats"}),
        )
        .await;
    assert_eq!(wrong.code(), "credentials_wrong");
    let proved = service
        .post_as("reauthenticate", &token, &json!({"password": PASSWORD}))
        .await;
    assert_eq!(proved.status, StatusCode::NO_CONTENT);
    assert_eq!(
        service.delete(&session, &token).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(service.get("export", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_redis_guesses_at_every_door_are_limited() {
    use local_stack::servers::{Server, TestServers};
    let own = TestServers::start(&[Server::Postgres, Server::Redis, Server::Kafka])
        .await
        .unwrap();
    let service = Service::start_with(&own, |config| {
        config.limits.tries_per_account_and_address = 5;
        config.limits.mails_per_recipient = 3;
    })
    .await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    own.redis().kill9().await;
    for _ in 0..5 {
        let wrong = service
            .post_as(
                "reauthenticate",
                &token,
                &json!({"password": "two old goats"}),
            )
            .await;
        assert_eq!(wrong.code(), "credentials_wrong");
    }
    let limited = service
        .post_as("reauthenticate", &token, &json!({"password": PASSWORD}))
        .await;
    assert_eq!(limited.code(), "rate_limited");
    // The mail of the registration counts.
    let mut codes = Vec::new();
    for _ in 0..3 {
        let answer = service
            .post("recovery", &json!({"email": "ada@example.org"}))
            .await;
        codes.push(answer.status.as_u16());
    }
    assert_eq!(codes, [202, 202, 429]);
}

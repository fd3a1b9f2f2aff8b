use std::time::Duration;

use events::DELIVERIES_TOPIC;
use ids::SessionId;
use prost::Message as _;
use proto::event::{DeliveryBatch, delivery::Event};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use reqwest::StatusCode;

use crate::service::{Answer, PASSWORD, Service, servers};

pub async fn session_of(service: &Service, answer: &Answer) -> SessionId {
    let me = service.get("me", &answer.text("access_token")).await;
    me.text("session_id").parse().unwrap()
}

/// Waits until every gateway's partition has the end of the session.
pub async fn every_gateway_was_told(service: &Service, session: SessionId) {
    let kafka = &service.config.kafka;
    let consumer: StreamConsumer = kafka::deliveries_consumer(kafka, "test").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..kafka.message_partition_base {
        partitions
            .add_partition_offset(DELIVERIES_TOPIC, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut missing: Vec<i32> = (0..kafka.message_partition_base).collect();
    let told = async {
        while !missing.is_empty() {
            let record = consumer.recv().await.unwrap();
            let batch = DeliveryBatch::decode(record.payload().unwrap()).unwrap();
            let has = batch.deliveries.iter().any(|delivery| {
                matches!(&delivery.event, Some(Event::EndSession(end)) if end.session_id == session.to_vec())
            });
            if has {
                missing.retain(|partition| *partition != record.partition());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told)
        .await
        .expect("every gateway is told");
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_pair() {
    let service = Service::start().await;
    let first = service.register("ada@example.org").await;
    let second = service.refresh(&first.text("refresh_token")).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.body);
    assert_ne!(second.text("refresh_token"), first.text("refresh_token"));
    assert_eq!(second.body["user"], first.body["user"]);
    let third = service.refresh(&second.text("refresh_token")).await;
    assert_eq!(
        session_of(&service, &third).await,
        session_of(&service, &first).await
    );
}

#[tokio::test]
async fn parallel_refreshes_get_the_same_successor() {
    let service = Service::start().await;
    let first = service.register("ada@example.org").await;
    let token = first.text("refresh_token");
    let answers = futures_util::future::join_all((0..8).map(|_| service.refresh(&token))).await;
    let next = answers[0].text("refresh_token");
    for answer in answers {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text("refresh_token"), next);
    }
    assert_eq!(service.refresh(&next).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_used_refresh_token_that_comes_again_ends_its_session() {
    let service = Service::start().await;
    let first = service.register("ada@example.org").await;
    let other = service.sign_in("ada@example.org", PASSWORD).await;
    let session = session_of(&service, &first).await;
    let second = service.refresh(&first.text("refresh_token")).await;
    service.age_used_tokens(10_001).await;

    let thief = service.refresh(&first.text("refresh_token")).await;
    assert_eq!(
        (thief.status, thief.code()),
        (StatusCode::UNAUTHORIZED, "refresh_token_reused")
    );
    let owner = service.refresh(&second.text("refresh_token")).await;
    assert_eq!(owner.code(), "session_ended");
    let access = service.get("me", &second.text("access_token")).await;
    assert_eq!(
        (access.status, access.code()),
        (StatusCode::UNAUTHORIZED, "session_ended")
    );
    every_gateway_was_told(&service, session).await;
    // The person's other sessions go on.
    assert_eq!(
        service.refresh(&other.text("refresh_token")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_logs_out_is_out_at_once_and_everywhere() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    let token = answer.text("access_token");
    let session = session_of(&service, &answer).await;
    for _ in 0..2 {
        let out = service
            .send(
                service
                    .http
                    .post(service.url("log-out"))
                    .bearer_auth(&token),
            )
            .await;
        assert_eq!(out.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(service.get("me", &token).await.code(), "session_ended");
    assert_eq!(
        service.refresh(&answer.text("refresh_token")).await.code(),
        "session_ended"
    );
    every_gateway_was_told(&service, session).await;
}

#[tokio::test]
async fn a_refresh_token_is_enough_to_log_out() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    let body = serde_json::json!({"refresh_token": answer.text("refresh_token")});
    assert_eq!(
        service.post("log-out", &body).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        service.get("me", &answer.text("access_token")).await.code(),
        "session_ended"
    );
}

#[tokio::test]
async fn losing_redis_data_brings_no_ended_session_back() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    let token = answer.text("access_token");
    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
    service
        .send(
            service
                .http
                .post(service.url("log-out"))
                .bearer_auth(&token),
        )
        .await;
    let session_key = format!("session:{}", session_of_token(&token));
    let mut redis = redis::Client::open(servers().await.redis().url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let forgotten: u32 = redis::cmd("DEL")
        .arg(session_key)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(forgotten, 1);
    assert_eq!(service.get("me", &token).await.code(), "session_ended");
}

fn session_of_token(token: &str) -> String {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_dies_at_its_limit_however_often_it_is_refreshed() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    sqlx::query("UPDATE sessions SET expires_unix_ms = 1")
        .execute(&service.database().await)
        .await
        .unwrap();
    let refused = service.refresh(&answer.text("refresh_token")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::UNAUTHORIZED, "session_expired")
    );
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    for token in ["", "x", &"A".repeat(43), &answer.text("access_token")] {
        let refused = service.refresh(token).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::UNAUTHORIZED, "refresh_token_invalid")
        );
    }
    let missing = service
        .send(service.http.post(service.url("refresh")))
        .await;
    assert_eq!(missing.code(), "refresh_token_missing");
    // Nor is a refresh token an access token.
    let me = service.get("me", &answer.text("refresh_token")).await;
    assert_eq!(
        (me.status, me.code()),
        (StatusCode::UNAUTHORIZED, "token_invalid")
    );
}

#[tokio::test]
async fn a_browser_keeps_its_refresh_token_in_a_cookie() {
    let service = Service::start().await;
    service.register("ada@example.org").await;
    let body = serde_json::json!({"email": "ada@example.org", "password": PASSWORD});
    let answer = service
        .send(
            service
                .http
                .post(service.url("sign-in"))
                .header("x-parlance-session", "cookie")
                .json(&body),
        )
        .await;
    assert!(answer.body.get("refresh_token").is_none());
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for attribute in [
        "__Host-parlance_session=",
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
        "Path=/;",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let refresh = |site: &'static str, pair: &str| {
        service
            .http
            .post(service.url("refresh"))
            .header("cookie", pair)
            .header("sec-fetch-site", site)
    };
    let stolen = service.send(refresh("cross-site", pair)).await;
    assert_eq!(
        (stolen.status, stolen.code()),
        (StatusCode::FORBIDDEN, "cross_site")
    );
    let next = service.send(refresh("same-origin", pair)).await;
    assert_eq!(next.status, StatusCode::OK, "{}", next.body);
    assert!(next.body.get("refresh_token").is_none());
    let pair = next.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let out = service
        .send(
            service
                .http
                .post(service.url("log-out"))
                .header("cookie", &pair)
                .header("sec-fetch-site", "same-origin"),
        )
        .await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(
        out.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(
        service.send(refresh("same-origin", &pair)).await.code(),
        "session_ended"
    );
}

#[tokio::test]
async fn a_restart_ends_no_session() {
    let mut service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    service.restart().await;
    assert_eq!(
        service.get("me", &answer.text("access_token")).await.status,
        StatusCode::OK
    );
    assert_eq!(
        service.refresh(&answer.text("refresh_token")).await.status,
        StatusCode::OK
    );
}

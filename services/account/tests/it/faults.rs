//! Each dependency breaks and comes back.

use local_stack::servers::{Server, TestServers};
use reqwest::StatusCode;

use crate::service::{PASSWORD, Service, eventually};
use crate::sessions::every_gateway_was_told;

async fn own_servers() -> TestServers {
    TestServers::start(&[Server::Postgres, Server::Redis, Server::Kafka])
        .await
        .unwrap()
}

#[tokio::test]
async fn without_redis_people_sign_in_are_limited_and_stay_out() {
    let servers = own_servers().await;
    let service = Service::start_with(&servers, |config| {
        config.limits.tries_per_account_and_address = 5;
    })
    .await;
    let ada = service.register("ada@example.org").await;
    servers.redis().kill9().await;

    assert!(service.ready().await);
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.status,
        StatusCode::OK
    );
    let token = ada.text("access_token");
    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
    service
        .send(
            service
                .http
                .post(service.url("log-out"))
                .bearer_auth(&token),
        )
        .await;
    assert_eq!(service.get("me", &token).await.code(), "session_ended");
    for _ in 0..5 {
        service.sign_in("ada@example.org", "two old goats").await;
    }
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.code(),
        "rate_limited"
    );

    servers.redis().start().await.unwrap();
    assert_eq!(service.get("me", &token).await.code(), "session_ended");
    assert_eq!(
        service.register("bob@example.org").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_redis_that_hangs_slows_nobody_down_for_long() {
    let servers = own_servers().await;
    let service = Service::start_with(&servers, |_| {}).await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    servers.redis().pause().unwrap();
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
    }
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.status,
        StatusCode::OK
    );
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    servers.redis().resume().unwrap();
    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_postgres_one_is_told_to_come_back_and_can() {
    let servers = own_servers().await;
    let service = Service::start_with(&servers, |_| {}).await;
    let ada = service.register("ada@example.org").await;
    servers.postgres().kill9().await;

    assert!(!service.ready().await);
    let refused = service.sign_in("ada@example.org", PASSWORD).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(
        service.refresh(&ada.text("refresh_token")).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );

    servers.postgres().start().await.unwrap();
    eventually("ready again", || service.ready()).await;
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.status,
        StatusCode::OK
    );
    assert_eq!(
        service.refresh(&ada.text("refresh_token")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_end_of_a_session_is_told_when_kafka_is_back() {
    let servers = own_servers().await;
    let service = Service::start_with(&servers, |_| {}).await;
    let ada = service.register("ada@example.org").await;
    let token = ada.text("access_token");
    let session = service
        .get("me", &token)
        .await
        .text("session_id")
        .parse()
        .unwrap();
    servers.kafka().kill9().await;

    let out = service
        .send(
            service
                .http
                .post(service.url("log-out"))
                .bearer_auth(&token),
        )
        .await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(service.get("me", &token).await.code(), "session_ended");

    servers.kafka().start().await.unwrap();
    every_gateway_was_told(&service, session).await;
    let database = service.database().await;
    eventually("the outbox is empty", || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM ended_sessions")
            .fetch_one(&database)
            .await
            .unwrap();
        left == 0
    })
    .await;
}

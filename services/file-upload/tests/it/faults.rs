//! Each dependency is taken away and given back.

use reqwest::StatusCode;
use serde_json::Value;
use test_support::{Link, eventually};

use crate::suite::{Suite, code, said};

async fn is_refused_while_cut(suite: &Suite, link: &Link, what: &str) {
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    let announcement = said(conversation, "a.txt", "text/plain", b"x");
    let (_, upload) = suite.announce(&a, &announcement).await;
    assert_eq!(suite.put(&upload, b"x").await, StatusCode::OK);
    let id = upload["file_id"].as_str().unwrap();

    link.cut();
    let (status, body): (StatusCode, Value) = suite.complete(&a, id).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        "{what}"
    );
    link.mend();
    eventually(what, async || {
        let (status, _) = suite.complete(&a, id).await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_server_that_it_needs_a_call_is_refused_and_works_again_with_it() {
    let suite = Suite::start().await;
    is_refused_while_cut(&suite, &suite.postgres_link, "Postgres").await;
    is_refused_while_cut(&suite, &suite.conversation_link, "the conversation service").await;
    is_refused_while_cut(&suite, &suite.s3_link, "S3").await;
    suite.stop().await;
}

#[tokio::test]
async fn readiness_follows_postgres() {
    let suite = Suite::start().await;
    let ready = format!("http://{}/readyz", suite.addresses.ops);
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), StatusCode::OK);
    suite.postgres_link.cut();
    let status = reqwest::get(&ready).await.unwrap().status();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    suite.postgres_link.mend();
    eventually("it is ready again", async || {
        let status = reqwest::get(&ready).await.unwrap().status();
        (status == StatusCode::OK).then_some(())
    })
    .await;
    suite.stop().await;
}

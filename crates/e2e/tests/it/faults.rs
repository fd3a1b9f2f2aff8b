//! Any one process may be killed or paused while people talk.

use std::time::Duration;

use local_stack::process::Process;
use local_stack::suite::Suite;

use crate::people::{Turn, own_stage};
use crate::steady_chat::steady_chat;

/// While Ada writes for a minute, `process` is killed and started again, and later paused for 20 seconds.
async fn killed_and_paused(process: impl Fn(&Suite) -> &Process) {
    let stage = own_stage(Turn::with_others().await, |_| {}).await;
    let process = process(&stage.suite);
    let outcome = steady_chat(&stage, Duration::from_secs(60), async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let before = process.pid();
        process.kill9().await;
        assert_eq!(process.pid(), None, "the fault has to happen");
        tokio::time::sleep(Duration::from_secs(2)).await;
        process.start().await.unwrap();
        assert_ne!(process.pid(), before);
        tokio::time::sleep(Duration::from_secs(10)).await;
        process.pause().unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        process.resume().unwrap();
    })
    .await;
    println!(
        "{}: {} acknowledged, the slowest after {:?}",
        process.name(),
        outcome.acknowledged,
        outcome.longest
    );
    assert!(outcome.acknowledged >= 2_900);
}

#[tokio::test]
async fn nothing_is_lost_when_a_gateway_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.gateways[0]).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_other_gateway_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.gateways[1]).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_message_service_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.messages[0]).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_conversation_service_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.conversation).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_account_service_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.account).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_file_service_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.file_upload).await;
}

#[tokio::test]
async fn nothing_is_lost_when_kafka_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.kafka).await;
}

#[tokio::test]
async fn nothing_is_lost_when_redis_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.redis).await;
}

#[tokio::test]
async fn nothing_is_lost_when_postgres_dies_or_stands_still() {
    killed_and_paused(|suite| &suite.postgres).await;
}

#[tokio::test]
async fn nothing_is_lost_when_dynamodb_and_s3_die_or_stand_still() {
    killed_and_paused(|suite| &suite.local_aws).await;
}

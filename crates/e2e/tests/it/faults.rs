//! Any one process may be killed or paused while people talk.

use std::time::Duration;

use client::wire::Entry;
use client::{Draft, Format, Position, Update};
use local_stack::process::Process;
use local_stack::suite::{Links, Suite};
use relay::Mode;
use tokio::time::{Instant, sleep};

use crate::people::{PATIENCE, Turn, next, own_stage, text};
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

/// How long the last message before a crash may stay unseen when nothing else happens: a heartbeat.
const TAIL_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn what_was_stored_and_not_told_before_a_crash_is_told_although_nothing_follows() {
    let stage = own_stage(Turn::alone().await, |options| {
        options.links = Links::Relayed;
    })
    .await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let opened = ada.open_direct(ben.user_id()).await.unwrap();
    let conversation = opened.conversation_id;
    let (writer, _told) = stage.session_on(0, Format::Protobuf, &ada).await;
    let (_reader, mut updates) = stage.session_on(1, Format::Protobuf, &ben).await;
    let message = &stage.suite.messages[0];
    let redis = (stage.suite.links.iter())
        .find(|link| link.from == message.name() && link.to == "redis")
        .unwrap();
    let is = |entry: &Entry, wanted: &str| text(entry) == Some(wanted);
    let mut longest = Duration::ZERO;
    let mut crashed_between = 0;
    for round in 0..5 {
        let last = format!("last {round}");
        // Between storing and telling the pod asks Redis where Ben's sockets are, and waits a moment for it.
        redis.relay.set(Mode::Stall);
        writer
            .send(conversation, Draft::text(last.as_str()))
            .await
            .unwrap();
        let stored = async {
            let newest = async || ben.entries(conversation, Position::Latest, 1).await;
            while !newest().await.is_ok_and(|page| is(&page.entries[0], &last)) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stored).await.unwrap();
        message.kill9().await;
        let crashed = Instant::now();
        redis.relay.set(Mode::Pass);
        let mut is_told = false;
        while let Ok(update) = updates.try_recv() {
            is_told |= matches!(update, Update::Shown { entry, .. } if is(&entry, &last));
        }
        message.start().await.unwrap();
        if is_told {
            continue;
        }
        crashed_between += 1;
        next(&mut updates, |update| match update {
            Update::Shown { entry, .. } => is(&entry, &last).then_some(()),
            _ => None,
        })
        .await;
        longest = longest.max(crashed.elapsed());
    }
    println!("{crashed_between} of 5 crashed in between; told at most {longest:?} after the crash");
    assert!(crashed_between >= 3, "the fault has to happen");
    assert!(longest < TAIL_WITHIN);
}

//! DynamoDB throttles: people wait, and nothing is lost.

use std::time::Duration;

use local_stack::suite::DynamoDb;
use tokio::time::sleep;

use crate::people::{Turn, own_stage};
use crate::steady_chat::steady_chat;

#[tokio::test]
async fn while_dynamodb_throttles_people_wait_and_nothing_is_lost() {
    let stage = own_stage(Turn::with_others().await, |options| {
        options.dynamodb = DynamoDb::Throttled
    })
    .await;
    let throttle = stage.suite.throttle.as_ref().unwrap();
    let outcome = steady_chat(&stage, Duration::from_secs(60), async {
        sleep(Duration::from_secs(5)).await;
        for (permille, seconds) in [(50, 10), (500, 10), (1_000, 10), (300, 10)] {
            let before = throttle.throttled();
            throttle.set_permille(permille);
            sleep(Duration::from_secs(seconds)).await;
            let after = throttle.throttled();
            assert!(after.refused > before.refused, "the fault has to happen");
        }
        throttle.set_permille(0);
    })
    .await;
    let throttled = throttle.throttled();
    println!(
        "{} acknowledged, the slowest after {:?}; {throttled:?}",
        outcome.acknowledged, outcome.longest
    );
    assert!(throttled.halved > 0, "{throttled:?}");
    // As long as everything was refused, and the retries after it.
    let longest = Duration::from_secs(25);
    assert!(outcome.longest < longest, "{:?}", outcome.longest);
    let metrics = reqwest::get(format!("{}/metrics", stage.suite.messages[0].ops_url()));
    let metrics = metrics.await.unwrap().text().await.unwrap();
    for metric in [
        "message_store_unprocessed_total",
        "message_batch_retries_total",
    ] {
        assert!(metrics.contains(metric), "{metric} tells of it");
    }
}

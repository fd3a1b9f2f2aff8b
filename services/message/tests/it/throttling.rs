//! A DynamoDB that throttles delays and loses nothing.

use local_stack::throttle::Throttle;
use message::store::Store;
use proto::socket::entry;

use crate::support::{TestLog, decide, owner, put_heads, servers, store_at};

/// Until it is taken: what failed is given again as it is, as the sequencer does.
async fn insist<E: std::fmt::Debug>(mut put: impl AsyncFnMut() -> Result<(), E>) -> u32 {
    for failures in 0..200 {
        match put().await {
            Ok(()) => return failures,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
    panic!("it was refused 200 times");
}

async fn texts(store: &Store, log: &TestLog, last: u64) -> Vec<String> {
    let numbers: Vec<u64> = (2..=last).collect();
    let entries = store.entries(log.conversation, &numbers).await.unwrap();
    entries
        .into_iter()
        .filter_map(|stored| match stored.entry.change {
            Some(entry::Change::Message(message)) => Some(message.text),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn what_is_said_to_be_stored_is_stored_however_much_was_refused() {
    const MESSAGES: usize = 300;
    let dynamodb = servers().await.local_aws().dynamodb_url();
    let throttle = Throttle::start(dynamodb).await.unwrap();
    let store = store_at(&throttle.url()).await;
    let mut log = TestLog::new();
    let (ann, bob) = (log.user(), log.user());
    log.create(&[ann, bob]);
    for n in 0..MESSAGES {
        log.send(ann, &format!("message {n}"));
    }
    let mut owner = owner(&store).await;
    let mut failures = 0;
    for batch in log.records.chunks(60) {
        throttle.set_permille(0);
        let decided = decide(&mut owner, batch).await;
        throttle.set_permille(500);
        failures += insist(async || store.put_rows(&decided.rows).await).await;
        let heads: Vec<_> = decided.heads.iter().collect();
        failures += insist(async || store.put_heads(&heads).await).await;
    }
    let throttled = throttle.throttled();
    println!("{throttled:?}, {failures} calls had to be made again");
    assert!(
        throttled.refused > 0 && throttled.halved > 0,
        "{throttled:?}"
    );
    throttle.set_permille(0);
    let expected: Vec<String> = (0..MESSAGES).map(|n| format!("message {n}")).collect();
    assert_eq!(texts(&store, &log, MESSAGES as u64 + 1).await, expected);
}

#[tokio::test]
async fn while_everything_is_refused_no_head_is_said_to_be_stored() {
    let dynamodb = servers().await.local_aws().dynamodb_url();
    let throttle = Throttle::start(dynamodb).await.unwrap();
    let store = store_at(&throttle.url()).await;
    let mut log = TestLog::new();
    let ann = log.user();
    log.create(&[ann]);
    log.send(ann, "hi");
    let mut owner = owner(&store).await;
    let decided = decide(&mut owner, &log.records).await;
    throttle.set_permille(1_000);
    // A batch of which half goes through each time is stored in the end, and may say so.
    drop(store.put_rows(&decided.rows).await);
    let heads: Vec<_> = decided.heads.iter().collect();
    assert!(store.put_heads(&heads).await.is_err());
    assert!(
        store.head(log.conversation).await.is_err(),
        "reads fail, too"
    );
    throttle.set_permille(0);
    assert!(store.head(log.conversation).await.unwrap().is_none());
    store.put_rows(&decided.rows).await.unwrap();
    put_heads(&store, &decided).await;
    assert_eq!(texts(&store, &log, 2).await, ["hi"]);
}

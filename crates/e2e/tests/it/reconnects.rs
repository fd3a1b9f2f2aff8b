//! What a reconnect costs: it follows what has changed, not what one owns.

use std::collections::BTreeMap;

use client::wire::{Hello, Resumed, client_frame, server_frame};
use client::{Client, Connection, Format};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ids::ConversationId;
use local_stack::suite::DynamoDb;
use local_stack::throttle::Throttle;
use test_support::eventually;
use tokio::time::Instant;

use crate::people::{PATIENCE, Stage, Turn, own_stage};
use crate::refusals::{answer, say};

const MANY: usize = 1_000;
const FEW: usize = 10;

/// Comes back with a cursor; an empty one is none.
async fn hello(stage: &Stage, person: &Client, cursor: &str) -> (Connection, String) {
    let mut socket = Connection::open(&stage.suite.socket_url(), Format::Protobuf, PATIENCE)
        .await
        .unwrap();
    socket
        .send(client_frame::Frame::Hello(Hello {
            access_token: person.credentials().access_token,
            cursor: cursor.to_owned(),
        }))
        .await
        .unwrap();
    let cursor = answer(&mut socket, |frame| match frame {
        server_frame::Frame::Welcome(welcome) => Some(welcome.cursor),
        _ => None,
    })
    .await;
    (socket, cursor)
}

async fn come_back(stage: &Stage, person: &Client, cursor: &str) -> Resumed {
    let (mut socket, _) = hello(stage, person, cursor).await;
    answer(&mut socket, |frame| match frame {
        server_frame::Frame::Resumed(resumed) => Some(resumed),
        _ => None,
    })
    .await
}

/// How many conversations somebody is told to have changed since they left, and what of the store was read
/// for that. A reset, as after trouble with Redis, is another way: then once more.
async fn cost(
    stage: &Stage,
    person: &Client,
    meanwhile: impl AsyncFn(),
) -> (usize, BTreeMap<String, u64>) {
    let throttle = stage.suite.throttle.as_ref().unwrap();
    eventually("somebody comes back without a reset", async || {
        let (socket, cursor) = hello(stage, person, "").await;
        drop(socket);
        meanwhile().await;
        let before = reads(throttle).await;
        let resumed = come_back(stage, person, &cursor).await;
        let read = between(&before, &reads(throttle).await);
        resumed.complete.then_some((resumed.changed.len(), read))
    })
    .await
}

/// Reads of the store so far, by operation, once nobody reads any more.
async fn reads(throttle: &Throttle) -> BTreeMap<String, u64> {
    let read = || -> BTreeMap<String, u64> {
        let is_read = |operation: &str| {
            ["Get", "Query", "Scan"]
                .iter()
                .any(|word| operation.contains(word))
        };
        let counts = throttle.counts().into_iter();
        counts.filter(|(operation, _)| is_read(operation)).collect()
    };
    let mut before = None;
    eventually("the store is at rest", async || {
        let now = read();
        (before.replace(now.clone()).as_ref() == Some(&now)).then_some(now)
    })
    .await
}

/// What is read between, by operation.
fn between(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let grown = after.iter().map(|(operation, count)| {
        let earlier = before.get(operation).copied().unwrap_or_default();
        (operation.clone(), count - earlier)
    });
    grown.filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn a_reconnect_reads_what_has_changed_and_nothing_of_what_one_owns() {
    let stage = own_stage(Turn::alone().await, |options| {
        options.dynamodb = DynamoDb::Throttled;
        for limit in ["NEW_CONVERSATIONS", "CHANGES"] {
            let name = format!("CONVERSATION__LIMITS__{limit}__TRIES");
            options.environment.push((name, "100000".to_owned()));
        }
    })
    .await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let groups: Vec<ConversationId> = stream::iter(0..MANY)
        .map(|number| {
            let (ada, members) = (&ada, [ben.user_id()]);
            async move {
                let name = format!("group-{number}");
                let members: &[_] = if number < FEW { &members } else { &[] };
                ada.create_group(&name, members)
                    .await
                    .map(|group| group.conversation_id)
            }
        })
        .buffer_unordered(8)
        .try_collect()
        .await
        .unwrap();
    let bens: Vec<ConversationId> = ben
        .conversations(None, 100)
        .await
        .unwrap()
        .items
        .iter()
        .map(|item| item.conversation.conversation_id)
        .collect();
    assert_eq!((groups.len(), bens.len()), (MANY, FEW));

    // What a cursor covers begins half a minute before it: what was made just now shows as changed.
    let deadline = Instant::now() + PATIENCE;
    for person in [&ada, &ben] {
        let mut cost_of_nothing = cost(&stage, person, async || {}).await;
        while cost_of_nothing.0 > 0 && Instant::now() < deadline {
            cost_of_nothing = cost(&stage, person, async || {}).await;
        }
        assert_eq!(cost_of_nothing, (0, BTreeMap::new()));
    }
    for person in [&ada, &ben] {
        let (changed, read) = cost(&stage, person, async || {
            for conversation in &bens {
                say(&ben, *conversation, "while you were away")
                    .await
                    .unwrap();
            }
        })
        .await;
        assert_eq!(changed, FEW);
        println!("{FEW} have changed: {read:?}");
        assert!(read.values().sum::<u64>() <= 5 * FEW as u64, "{read:?}");
    }
}

//! The ways between people, gateways and Kafka fail, and the processes live on.

use std::time::Duration;

use client::{ConnectionState, Draft, Format, Session, SessionOptions, Update};
use events::DELIVERIES_TOPIC;
use local_stack::suite::{Links, Service};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use relay::{Mode, Relay};
use tokio::time::{Instant, sleep};

use crate::operations::{metrics, value};
use crate::people::{Turn, next, own_stage, stage, text};
use crate::steady_chat::steady_chat;

/// How long a gateway may say that it is ready after its last word from Kafka, and some for a busy machine.
const UNREADY_WITHIN: Duration = Duration::from_secs(12);

async fn until_ready(service: &Service, is_ready: bool, within: Duration) -> Duration {
    let begun = Instant::now();
    while service.ready().await.is_ok() != is_ready {
        assert!(
            begun.elapsed() < within,
            "{} should be ready: {is_ready}",
            service.name()
        );
        sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_gateway_that_is_cut_off_from_kafka_says_so_and_nothing_is_lost() {
    let stage = own_stage(Turn::alone().await, |options| {
        options.links = Links::Relayed;
    })
    .await;
    let (gateway, other) = (&stage.suite.gateways[0], &stage.suite.gateways[1]);
    let link = (stage.suite.links.iter())
        .find(|link| link.from == gateway.name() && link.to == "kafka")
        .unwrap();
    let outcome = steady_chat(&stage, Duration::from_secs(60), async {
        sleep(Duration::from_secs(5)).await;
        // First everybody knows that it is gone, then nobody does.
        for mode in [Mode::Cut, Mode::Stall] {
            let before = link.relay.done();
            link.relay.set(mode);
            let unready = until_ready(gateway, false, UNREADY_WITHIN).await;
            assert!(
                other.ready().await.is_ok(),
                "the other one is not concerned"
            );
            let done = link.relay.done();
            assert!(
                done.cut + done.held > before.cut + before.held,
                "the fault has to happen"
            );
            link.relay.set(Mode::Pass);
            let ready = until_ready(gateway, true, Duration::from_secs(20)).await;
            println!("{mode:?}: not ready after {unready:?}, ready {ready:?} after its end");
        }
    })
    .await;
    println!(
        "{} acknowledged, the slowest after {:?}",
        outcome.acknowledged, outcome.longest
    );
    assert!(outcome.acknowledged >= 2_900);
}

#[tokio::test]
async fn a_gateway_whose_deliveries_are_gone_goes_on_from_their_end() {
    let stage = own_stage(Turn::alone().await, |options| {
        options.links = Links::Relayed;
    })
    .await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let gateway = &stage.suite.gateways[1];
    let (_session, mut updates) = stage.session_on(1, Format::Json, &ben).await;
    let link = (stage.suite.links.iter())
        .find(|link| link.from == gateway.name() && link.to == "kafka")
        .unwrap();
    link.relay.set(Mode::Cut);
    until_ready(gateway, false, UNREADY_WITHIN).await;
    for number in 0..3 {
        let draft = Draft::text(format!("missed {number}"));
        ada.send_message(conversation, ada.new_client_message_id(), &draft)
            .await
            .unwrap();
    }
    // As after an hour.
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", stage.suite.kafka.brokers())
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(DELIVERIES_TOPIC, 1, Offset::End)
        .unwrap();
    let deleted = admin
        .delete_records(&all, &AdminOptions::new())
        .await
        .unwrap();
    assert!(
        matches!(deleted.elements()[0].offset(), Offset::Offset(1..)),
        "something was told, and is gone"
    );
    link.relay.set(Mode::Pass);
    until_ready(gateway, true, Duration::from_secs(20)).await;
    for number in 0..3 {
        let shown = next(&mut updates, |update| match update {
            Update::Shown { entry, .. } if text(&entry).is_some() => Some(entry),
            _ => None,
        })
        .await;
        assert_eq!(text(&shown), Some(format!("missed {number}").as_str()));
    }
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_on_both_sides_and_resumed_without_a_hole() {
    const HEARTBEAT: Duration = Duration::from_secs(2);
    let stage = own_stage(Turn::alone().await, |options| {
        let name = "CHAT_GATEWAY__GATEWAY__HEARTBEAT_INTERVAL_MS".to_owned();
        let milliseconds = HEARTBEAT.as_millis().to_string();
        options.environment.push((name, milliseconds));
    })
    .await;
    let gateway = &stage.suite.gateways[0];
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let relay = Relay::to(gateway.http.to_string()).await.unwrap();
    let (_session, mut updates) = Session::start(
        &ben,
        SessionOptions {
            socket_url: Some(gateway.socket_url()),
            socket_by: Some(relay.address()),
            ..SessionOptions::default()
        },
    );
    let mut said = 0;
    for mode in [Mode::Stall, Mode::Reset] {
        next(&mut updates, |update| {
            (update == Update::Connection(ConnectionState::CaughtUp)).then_some(())
        })
        .await;
        // Two heartbeats, so that there is a cursor to go on from.
        sleep(2 * HEARTBEAT).await;
        let silent = async || {
            let told = metrics(gateway).await;
            value(&told, "gateway_sockets_closed_total", &["code=\"1001\""]).unwrap_or(0.0)
        };
        let before = silent().await;
        let begun = Instant::now();
        relay.set(mode);
        let mut held = 0;
        let left = next(&mut updates, |update| match update {
            Update::Connection(ConnectionState::Waiting { .. }) => Some(begun.elapsed()),
            Update::Shown { .. } => {
                held += 1;
                None
            }
            _ => None,
        })
        .await;
        assert_eq!(held, 0, "nothing passes");
        assert!(
            left < 2 * HEARTBEAT + Duration::from_secs(2),
            "{mode:?}: the device noticed after {left:?}"
        );
        if mode == Mode::Stall {
            // Two heartbeats without an answer, counted from the next one on.
            while silent().await <= before {
                assert!(
                    begun.elapsed() < 3 * HEARTBEAT + Duration::from_secs(2),
                    "the gateway keeps a ghost"
                );
                sleep(Duration::from_millis(50)).await;
            }
            println!("noticed after {left:?} and {:?}", begun.elapsed());
        }
        let first = said;
        for _ in 0..5 {
            let draft = Draft::text(format!("missed {said}"));
            ada.send_message(conversation, ada.new_client_message_id(), &draft)
                .await
                .unwrap();
            said += 1;
        }
        relay.set(Mode::Pass);
        for number in first..said {
            let shown = next(&mut updates, |update| match update {
                Update::Shown { entry, .. } if text(&entry).is_some() => Some(entry),
                Update::Reset { .. } => panic!("left to the history"),
                _ => None,
            })
            .await;
            assert_eq!(text(&shown), Some(format!("missed {number}").as_str()));
        }
    }
}

#[tokio::test]
async fn what_was_read_while_a_device_was_away_is_told_when_it_is_back() {
    let stage = stage(Turn::with_others().await).await;
    let gateway = &stage.suite.gateways[0];
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let relay = Relay::to(gateway.http.to_string()).await.unwrap();
    let (session, mut updates) = Session::start(
        &ada,
        SessionOptions {
            socket_url: Some(gateway.socket_url()),
            socket_by: Some(relay.address()),
            ..SessionOptions::default()
        },
    );
    session.show([conversation]);
    session
        .send(conversation, Draft::text("read it"))
        .await
        .unwrap();
    let number = next(&mut updates, |update| match update {
        Update::Acknowledged { number, .. } => Some(number),
        _ => None,
    })
    .await;
    relay.set(Mode::Cut);
    next(&mut updates, |update| {
        matches!(update, Update::Connection(ConnectionState::Waiting { .. })).then_some(())
    })
    .await;
    ben.mark_read(conversation, number).await.unwrap();
    relay.set(Mode::Pass);
    let told = next(&mut updates, |update| match update {
        Update::Receipt { user, read, .. } => Some((user, read)),
        _ => None,
    })
    .await;
    assert_eq!(told, (ben.user_id(), number));
}

//! From the partition of the deliveries to the sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_gateway::domain::frame::Format;
use events::{Delivery, Origin, delivery, pack_users};
use ids::{ConversationId, UserId};
use proto::socket::{
    Accepted, ConversationState, Entry, Message, Refused, Send, client_frame, entry, server_frame,
};

use crate::client::Client;
use crate::world::{Gateway, SOON, Somebody, eventually, log_of, servers};

fn an_entry(number: u64, text: &str) -> Entry {
    Entry {
        conversation_id: ConversationId::from_bytes([1; 16]).to_string(),
        number,
        previous_number: number - 1,
        change: Some(entry::Change::Message(Message {
            text: text.into(),
            ..Message::default()
        })),
        ..Entry::default()
    }
}

fn to(users: &[UserId], number: u64) -> Delivery {
    Delivery {
        users: pack_users(users),
        origin: None,
        event: Some(delivery::Event::Entry(an_entry(number, "hi"))),
    }
}

async fn number(client: &mut Client) -> u64 {
    match client.next().await {
        server_frame::Frame::Entry(entry) => entry.number,
        other => panic!("not an entry: {other:?}"),
    }
}

#[tokio::test]
async fn a_delivery_reaches_every_socket_of_its_users_exactly_once() {
    let gateway = Gateway::start().await;
    let (ann, bob, eve) = (Somebody::new(), Somebody::new(), Somebody::new());
    let (mut phone, _) = Client::sign_in_as(&gateway, ann, Format::Json).await;
    let (mut laptop, _) = Client::sign_in_as(&gateway, ann, Format::Protobuf).await;
    let (mut bobs, _) = Client::sign_in_as(&gateway, bob, Format::Protobuf).await;
    let mut eves = Client::sign_in(&gateway, eve).await;
    let stranger = Somebody::new().user;

    gateway
        .deliver(vec![
            to(&[ann.user, stranger, bob.user], 1),
            to(&[bob.user], 2),
        ])
        .await;
    gateway.deliver(vec![to(&[ann.user, bob.user], 3)]).await;
    for (client, expected) in [
        (&mut phone, vec![1, 3]),
        (&mut laptop, vec![1, 3]),
        (&mut bobs, vec![1, 2, 3]),
    ] {
        for expected in &expected {
            assert_eq!(number(client).await, *expected);
        }
        // The count in the heartbeat is the last that came: nothing follows.
        assert_eq!(client.heartbeat().await.frames_sent, expected.len() as u64);
    }
    assert_eq!(eves.heartbeat().await.frames_sent, 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_state_goes_to_the_devices_of_its_reader() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut client = Client::sign_in(&gateway, ann).await;
    let state = ConversationState {
        conversation_id: "c".into(),
        head_number: 5,
        read_number: 3,
        unread_count: 2,
        ..ConversationState::default()
    };
    gateway
        .deliver(vec![Delivery {
            users: pack_users(&[ann.user]),
            origin: None,
            event: Some(delivery::Event::State(state.clone())),
        }])
        .await;
    assert_eq!(client.next().await, server_frame::Frame::State(state));
    gateway.stop().await;
}

#[tokio::test]
async fn the_sender_that_waits_gets_the_outcome_though_it_is_not_registered() {
    let gateway = Gateway::start().await;
    let (ann, bob) = (Somebody::new(), Somebody::new());
    let mut sender = Client::sign_in(&gateway, ann).await;
    let mut second_device = Client::sign_in(&gateway, ann).await;
    let mut bobs = Client::sign_in(&gateway, bob).await;
    let conversation = ConversationId::from_bytes(*Somebody::new().user.as_bytes());
    sender
        .send(client_frame::Frame::Send(Send {
            client_message_id: ids::ClientMessageId::generate(&clock::Clock::system()).to_string(),
            conversation_id: conversation.to_string(),
            text: "hello".into(),
            ..Send::default()
        }))
        .await;
    let brokers = servers().await.kafka().brokers();
    let origin = log_of(&brokers, conversation, 1).await[0].origin.clone();
    let origin = origin.expect("somebody waits");
    assert_eq!(origin.deliveries_partition, gateway.environment.ordinal);

    let outcome = |event| Delivery {
        users: Vec::new(),
        origin: Some(origin.clone()),
        event: Some(event),
    };
    let both = Delivery {
        users: pack_users(&[ann.user]),
        ..outcome(delivery::Event::Entry(an_entry(2, "x")))
    };
    let of_another_boot = Delivery {
        origin: Some(Origin {
            boot_id: vec![7; 16],
            ..origin.clone()
        }),
        ..outcome(delivery::Event::Accepted(Accepted::default()))
    };
    gateway
        .deliver(vec![
            outcome(delivery::Event::Entry(an_entry(1, "hello"))),
            both,
            of_another_boot,
            outcome(delivery::Event::Accepted(Accepted {
                number: 1,
                ..Accepted::default()
            })),
            outcome(delivery::Event::Refused(Refused {
                code: "not_a_member".into(),
                ..Refused::default()
            })),
            to(&[bob.user], 9),
        ])
        .await;
    assert_eq!(number(&mut sender).await, 1);
    assert_eq!(number(&mut sender).await, 2, "once, not for each reason");
    match sender.next().await {
        server_frame::Frame::Accepted(accepted) => assert_eq!(accepted.number, 1),
        other => panic!("not accepted: {other:?}"),
    }
    assert_eq!(sender.refused().await.code, "not_a_member");
    assert_eq!(sender.heartbeat().await.frames_sent, 4);
    assert_eq!(number(&mut second_device).await, 2);
    assert_eq!(second_device.heartbeat().await.frames_sent, 1);
    assert_eq!(number(&mut bobs).await, 9);
    gateway.stop().await;
}

#[tokio::test]
async fn what_can_not_be_read_ends_in_a_resync_and_stops_nothing() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut client = Client::sign_in(&gateway, ann).await;
    gateway.deliver_bytes(&[0xff; 30]).await;
    gateway.deliver(vec![to(&[ann.user], 1)]).await;
    match client.next().await {
        server_frame::Frame::Resync(resync) => assert_eq!(resync.reason, "deliveries_lost"),
        other => panic!("not a resync: {other:?}"),
    }
    assert_eq!(number(&mut client).await, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_holds_nobody_up() {
    let gateway = Gateway::start_with(&[("GATEWAY__QUEUE_FRAMES", "32")]).await;
    let (slow, quick) = (Somebody::new(), Somebody::new());
    let mut does_not_read = Client::sign_in(&gateway, slow).await;
    let mut reads = Client::sign_in(&gateway, quick).await;
    let text = "x".repeat(8_000);
    let reading = tokio::spawn(async move {
        for expected in 1..=3_000 {
            assert_eq!(number(&mut reads).await, expected);
        }
        reads.heartbeat().await
    });
    // More than the kernel keeps for a socket.
    for batch in 0..300u64 {
        let deliveries = (1..=10u64).map(|n| Delivery {
            users: pack_users(&[slow.user, quick.user]),
            origin: None,
            event: Some(delivery::Event::Entry(an_entry(batch * 10 + n, &text))),
        });
        gateway.deliver(deliveries.collect()).await;
    }
    eventually("the slow one is closed", async || {
        gateway.metrics().await.contains(r#"{code="4008"}"#)
    })
    .await;
    assert_eq!(does_not_read.closed().await, 4008);
    let heartbeat = tokio::time::timeout(3 * SOON, reading)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(heartbeat.frames_sent, 3_000);
    gateway.stop().await;
}

#[tokio::test]
async fn heartbeats_carry_the_count_and_a_cursor() {
    let gateway = Gateway::start_with(&[("GATEWAY__HEARTBEAT_INTERVAL_MS", "300")]).await;
    let ann = Somebody::new();
    let (mut client, welcome) = Client::sign_in_as(&gateway, ann, Format::Json).await;
    gateway.deliver(vec![to(&[ann.user], 1)]).await;
    assert_eq!(number(&mut client).await, 1);
    let until = tokio::time::Instant::now() + SOON;
    loop {
        assert!(
            tokio::time::Instant::now() < until,
            "no heartbeat with a later cursor"
        );
        if let server_frame::Frame::Heartbeat(heartbeat) = client.next_of_any_kind().await {
            assert_eq!(heartbeat.frames_sent, 1);
            let cursor: u64 = heartbeat.cursor.parse().unwrap();
            if cursor > welcome.cursor.parse().unwrap() {
                break;
            }
        }
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_deliveries_total"), "{metrics}");
    tokio::time::timeout(Duration::from_secs(20), gateway.stop())
        .await
        .unwrap();
}

/// Threads that want all of the machine until they are dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn new(threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..threads {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Many gateways start, each with a socket that is there before anything else is; the first thing told to each
/// is told in the moment in which the socket is registered.
#[tokio::test]
async fn the_first_delivery_of_a_gateway_does_not_wait_for_the_next() {
    // So many more make a stress test of it.
    let starts = std::env::var("GATEWAY_STARTS").map_or(4, |starts| starts.parse().unwrap());
    servers().await;
    let _busy = Busy::new(4);
    let mut slowest = Duration::ZERO;
    for _ in 0..starts {
        let gateway = Gateway::spawn(&[]).await;
        let ann = Somebody::new();
        let mut client = Client::open(&gateway, Format::Json).await;
        client.hello(&ann.token(), "").await;
        if client.welcome().await.cursor.is_empty() {
            // It came before the partition was read, and is registered now.
            let next = client.next().await;
            assert!(matches!(next, server_frame::Frame::Resync(_)), "{next:?}");
        }
        gateway.deliver(vec![to(&[ann.user], 1)]).await;
        let told = Instant::now();
        assert_eq!(number(&mut client).await, 1);
        slowest = slowest.max(told.elapsed());
        gateway.stop().await;
    }
    println!("{starts} starts, the slowest first delivery after {slowest:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

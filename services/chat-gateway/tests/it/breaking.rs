//! Break a dependency, see what holds, restore it, see it recover.

use std::time::Duration;

use chat_gateway::domain::frame::Format;
use clock::Clock;
use events::{log_record, redis_keys};
use ids::{ClientMessageId, ConversationId};
use local_stack::servers::{Server, TestServers};
use proto::socket::{Ping, Send, client_frame, server_frame};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::world::{Gateway, Somebody, eventually, kafka_settings, log_of};

async fn redis_at(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap()
}

async fn is_registered(url: &str, somebody: Somebody) -> bool {
    let leases: u32 = redis::cmd("HLEN")
        .arg(redis_keys::sockets(somebody.user))
        .query_async(&mut redis_at(url).await)
        .await
        .unwrap();
    leases == 1
}

async fn resync(client: &mut Client) -> String {
    match client.next().await {
        server_frame::Frame::Resync(resync) => resync.reason,
        other => panic!("not a resync: {other:?}"),
    }
}

#[tokio::test]
async fn a_registration_that_was_lost_ends_in_a_resync() {
    let own = TestServers::start(&[Server::Redis]).await.unwrap();
    let url = own.redis().url();
    let gateway = Gateway::start_with(&[("REDIS__URL", &url), ("GATEWAY__LEASE_MS", "900")]).await;
    let ann = Somebody::new();
    let mut client = Client::sign_in(&gateway, ann).await;
    assert!(is_registered(&url, ann).await);
    redis::cmd("FLUSHALL")
        .exec_async(&mut redis_at(&url).await)
        .await
        .unwrap();
    assert_eq!(resync(&mut client).await, "registration_lost");
    assert!(
        is_registered(&url, ann).await,
        "registered before it resyncs"
    );
    assert_eq!(client.heartbeat().await.frames_sent, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn while_redis_is_away_people_are_welcomed_and_resync_when_it_is_back() {
    let own = TestServers::start(&[Server::Redis]).await.unwrap();
    let url = own.redis().url();
    let gateway = Gateway::start_with(&[("REDIS__URL", &url)]).await;
    let (ann, bob) = (Somebody::new(), Somebody::new());
    let mut before = Client::sign_in(&gateway, ann).await;
    own.redis().kill9().await;

    let mut during = Client::open(&gateway, Format::Json).await;
    during.hello(&bob.token(), "").await;
    assert_eq!(during.welcome().await.cursor, "", "nothing to resume from");
    assert!(gateway.is_ready().await, "sockets live on without Redis");

    own.redis().start().await.unwrap();
    assert_eq!(resync(&mut during).await, "registered_late");
    assert!(is_registered(&url, bob).await);
    // Its lease was in the append-only file, and held all the while.
    assert_eq!(before.heartbeat().await.frames_sent, 0);
    assert!(is_registered(&url, ann).await);
    let after = Client::sign_in_as(&gateway, Somebody::new(), Format::Json)
        .await
        .1;
    assert_ne!(after.cursor, "");
    gateway.stop().await;
}

#[tokio::test]
async fn a_paused_redis_delays_a_welcome_and_loses_nothing() {
    let own = TestServers::start(&[Server::Redis]).await.unwrap();
    let url = own.redis().url();
    let gateway = Gateway::start_with(&[("REDIS__URL", &url)]).await;
    own.redis().pause().unwrap();
    let ann = Somebody::new();
    let mut client = Client::open(&gateway, Format::Json).await;
    client.hello(&ann.token(), "").await;
    assert_eq!(client.welcome().await.cursor, "");
    own.redis().resume().unwrap();
    assert_eq!(resync(&mut client).await, "registered_late");
    assert!(is_registered(&url, ann).await);
    gateway.stop().await;
}

#[tokio::test]
async fn without_kafka_it_starts_stops_its_heartbeats_and_recovers() {
    let own = TestServers::start(&[Server::Kafka]).await.unwrap();
    let brokers = own.kafka().brokers();
    kafka::create_topics(&kafka_settings(&brokers))
        .await
        .unwrap();
    own.kafka().kill9().await;
    let gateway = Gateway::spawn(&[
        ("KAFKA__BROKERS", &brokers),
        ("GATEWAY__MAX_IN_FLIGHT", "1"),
    ])
    .await;
    // A socket that comes too early is open, but can't be registered: nobody would read for it.
    let mut early = Client::open(&gateway, Format::Json).await;
    early.hello(&Somebody::new().token(), "").await;
    assert_eq!(early.welcome().await.cursor, "");
    assert!(!gateway.is_ready().await);
    own.kafka().start().await.unwrap();
    gateway.until_ready().await;
    assert_eq!(resync(&mut early).await, "registered_late");

    let mut client = Client::sign_in(&gateway, Somebody::new()).await;
    client.heartbeat().await;
    own.kafka().kill9().await;
    eventually("it isn't current any more", async || {
        !gateway.is_ready().await
    })
    .await;
    // A ping of the client is not answered by a heartbeat now; a faulty frame is by an error.
    let away_ms = Clock::system().unix_ms() as i64;
    client.send(client_frame::Frame::Ping(Ping {})).await;
    client.send_raw(Message::text("{")).await;
    loop {
        match client.next_of_any_kind().await {
            server_frame::Frame::Error(error) => break assert_eq!(error.code, "frame_malformed"),
            // One of before may still be on its way.
            server_frame::Frame::Heartbeat(old) => assert!(old.server_time_unix_ms < away_ms),
            other => panic!("not an error: {other:?}"),
        }
    }
    let conversation = ConversationId::generate(&Clock::system());
    let send = |text: &str| Send {
        client_message_id: ClientMessageId::generate(&Clock::system()).to_string(),
        conversation_id: conversation.to_string(),
        text: text.into(),
        ..Send::default()
    };
    // One record may be on its way; it waits for Kafka. The next has to be sent again.
    let (first, second) = (send("in the meantime"), send("a little later"));
    client.send(client_frame::Frame::Send(first)).await;
    client.send(client_frame::Frame::Send(second.clone())).await;
    let refused = client.refused().await;
    assert_eq!((refused.code.as_str(), refused.retry), ("retry", true));
    assert_eq!(refused.client_message_id, second.client_message_id);

    own.kafka().start().await.unwrap();
    gateway.until_ready().await;
    log_of(&brokers, conversation, 1).await;
    let again = Send {
        attempt: 2,
        outbox_restart: true,
        ..second
    };
    // Kafka has the first, its acknowledgement may still be on its way.
    loop {
        client.send(client_frame::Frame::Send(again.clone())).await;
        client.send(client_frame::Frame::Ping(Ping {})).await;
        match client.next_of_any_kind().await {
            server_frame::Frame::Heartbeat(_) => break,
            server_frame::Frame::Refused(_) => drop(client.next_of_any_kind().await),
            other => panic!("neither taken nor refused: {other:?}"),
        }
    }
    let texts: Vec<String> = log_of(&brokers, conversation, 2)
        .await
        .into_iter()
        .map(|record| match record.change {
            Some(log_record::Change::Send(send)) => send.text,
            other => panic!("not a send: {other:?}"),
        })
        .collect();
    assert_eq!(texts, ["in the meantime", "a little later"]);
    tokio::time::timeout(Duration::from_secs(20), gateway.stop())
        .await
        .unwrap();
}

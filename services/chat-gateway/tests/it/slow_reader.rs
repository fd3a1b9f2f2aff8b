//! One member of a large conversation doesn't read: the others don't notice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::{Delivery, delivery, pack_users};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use ids::{ConversationId, UserId};
use proto::socket::{Entry, Hello, Message as SocketMessage, client_frame, entry};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::request;
use crate::world::{Gateway, Somebody, eventually};

const MEMBERS: usize = 500;
/// Messages a second.
const RATE: u32 = 50;
const CALM: Duration = Duration::from_secs(8);
/// Of one text; what the kernel keeps for a socket is full after some seconds of these.
const TEXT_BYTES: usize = 2_000;
/// Time that a machine with more to do than this test may add.
const NOISE: Duration = Duration::from_millis(15);

type Socket = WebSocketStream<TcpStream>;

/// A welcomed socket, of which the kernel keeps at most some KiB unread.
async fn open(gateway: &Gateway, somebody: Somebody) -> Socket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let address = gateway.socket_address();
    let stream = socket.connect(address).await.unwrap();
    let (mut ws, _) = client_async(request(address, "parlance.v1.json"), stream)
        .await
        .unwrap();
    let hello = client_frame::Frame::Hello(Hello {
        access_token: somebody.token(),
        cursor: String::new(),
    });
    ws.send(Message::text(serde_json::to_string(&hello).unwrap()))
        .await
        .unwrap();
    let welcome = ws.next().await.unwrap().unwrap();
    assert!(welcome.into_text().unwrap().contains("welcome"));
    ws
}

/// When each message was handed to Kafka, by its number.
type Sent = Arc<Mutex<Vec<Instant>>>;

/// The number in an entry's text, if it is one: decoding all of it would be most of this test's work.
fn number_in(frame: &str) -> Option<usize> {
    let (_, rest) = frame.split_once("\"text\":\"")?;
    rest.split_once(' ')?.0.parse().ok()
}

/// Reads until the last message, each once and in order; returns how long each was on its way.
async fn read(mut ws: Socket, sent: Sent, last: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(last);
    while took.len() < last {
        let message = ws.next().await.unwrap().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        if let Some(number) = number_in(&text) {
            assert_eq!(number, took.len(), "once and in order");
            took.push(sent.lock().unwrap()[number].elapsed());
        }
    }
    took
}

async fn write(gateway: &Gateway, users: &[UserId], sent: &Sent, count: usize) {
    let users = pack_users(users);
    let conversation_id = ConversationId::from_bytes([1; 16]).to_string();
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..count {
        ticks.tick().await;
        let number = {
            let mut sent = sent.lock().unwrap();
            sent.push(Instant::now());
            sent.len() - 1
        };
        let message = SocketMessage {
            text: format!("{number} {}", "x".repeat(TEXT_BYTES)),
            ..SocketMessage::default()
        };
        let entry = Entry {
            conversation_id: conversation_id.clone(),
            number: number as u64 + 1,
            previous_number: number as u64,
            change: Some(entry::Change::Message(message)),
            ..Entry::default()
        };
        gateway
            .deliver(vec![Delivery {
                users: users.clone(),
                origin: None,
                event: Some(delivery::Event::Entry(entry)),
            }])
            .await;
    }
}

fn p99(took: impl Iterator<Item = Duration>) -> Duration {
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    took[(took.len() - 1) * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_conversation_of_500_one_who_does_not_read_delays_nobody() {
    let gateway = Gateway::start_with(&[("GATEWAY__QUEUE_FRAMES", "64")]).await;
    let people: Vec<Somebody> = (0..MEMBERS).map(|_| Somebody::new()).collect();
    let users: Vec<UserId> = people.iter().map(|somebody| somebody.user).collect();
    let mut sockets = join_all(people.iter().map(|one| open(&gateway, *one))).await;
    let mut does_not_read = sockets.pop().unwrap();
    let calm = (CALM.as_secs() as u32 * RATE) as usize;
    let sent = Sent::default();
    let all = 4 * calm;
    let readers: Vec<_> = sockets
        .into_iter()
        .map(|ws| tokio::spawn(read(ws, sent.clone(), all)))
        .collect();

    // Everybody reads; then one stops, and is closed somewhere in the second half.
    let (count, others) = (MEMBERS - 1, &users[..MEMBERS - 1]);
    write(&gateway, others, &sent, calm).await;
    write(&gateway, &users, &sent, all - calm).await;
    eventually("who doesn't read is closed", async || {
        gateway.metrics().await.contains(r#"{code="4008"}"#)
    })
    .await;
    let took: Vec<Vec<Duration>> = join_all(readers)
        .await
        .into_iter()
        .map(|reader| reader.unwrap())
        .collect();
    assert_eq!(took.len(), count);
    let of = |range: std::ops::Range<usize>| {
        let part = took.iter().map(move |took| took[range.clone()].iter());
        p99(part.flatten().copied())
    };
    // The first second is everybody's first.
    let (before, during) = (of(RATE as usize..calm), of(calm..all));
    println!("p99 to {count} sockets: {before:?} while all read, {during:?} while one doesn't");
    assert!(
        during <= before.mul_f64(1.2) + NOISE,
        "{during:?} after {before:?}"
    );
    let mut code = 0;
    while let Some(Ok(message)) = does_not_read.next().await {
        if let Message::Close(Some(close)) = message {
            code = close.code.into();
        }
    }
    assert_eq!(code, 4008);
    gateway.stop().await;
}

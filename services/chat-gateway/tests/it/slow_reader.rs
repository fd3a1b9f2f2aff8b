//! One member of a large conversation doesn't read: the others don't notice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::{Delivery, delivery, pack_users};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use ids::{ConversationId, UserId};
use proto::socket::{Entry, Hello, Message as SocketMessage, client_frame, entry};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::request;
use crate::world::{Gateway, Somebody, eventually};

const MEMBERS: usize = 500;
/// Messages a second: the first of these that the machine follows, which does other things as well.
const RATES: [usize; 3] = [50, 20, 10];
/// It follows if nearly all messages arrive within this.
const FOLLOWED: Duration = Duration::from_millis(100);
const CALM_SECONDS: usize = 8;
const MOST_SECONDS: usize = 60;
/// A message that says that none follows.
const END: &str = "end";
/// Bytes of a text: some hundred of them fill what the kernel keeps for one who doesn't read.
const TEXT_BYTES: usize = 256;
/// Bytes of a segment, the least that all must take (RFC 9293, 3.7.1).
const LEAST_SEGMENT_BYTES: u32 = 536;
/// What other work on the machine may add. One who holds others up does so for seconds.
const NOISE: Duration = Duration::from_millis(500);

type Socket = WebSocketStream<TcpStream>;

/// A socket of which both kernels keep only some ten KiB unread: they count in segments.
fn narrow_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    SockRef::from(&socket)
        .set_tcp_mss(LEAST_SEGMENT_BYTES)
        .unwrap();
    socket
}

/// A welcomed socket.
async fn open(gateway: &Gateway, somebody: Somebody, socket: TcpSocket) -> Socket {
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

/// How long each message was on its way to one reader, as far as it has come.
type Took = Arc<Mutex<Vec<Duration>>>;

/// Reads until the end, each message once and in order.
async fn read(mut ws: Socket, sent: Sent, took: Took) {
    loop {
        let message = ws.next().await.unwrap().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        if let Some(number) = number_in(&text) {
            let mut took = took.lock().unwrap();
            assert_eq!(number, took.len(), "once and in order");
            took.push(sent.lock().unwrap()[number].elapsed());
        } else if text.contains(END) {
            return;
        }
    }
}

async fn say(gateway: &Gateway, users: &[UserId], text: String) {
    let message = SocketMessage {
        text,
        ..SocketMessage::default()
    };
    let entry = Entry {
        conversation_id: ConversationId::from_bytes([1; 16]).to_string(),
        number: 1,
        change: Some(entry::Change::Message(message)),
        ..Entry::default()
    };
    gateway
        .deliver(vec![Delivery {
            users: pack_users(users),
            origin: None,
            event: Some(delivery::Event::Entry(entry)),
        }])
        .await;
}

/// Says something `rate` times a second for a second.
async fn write_for_a_second(gateway: &Gateway, users: &[UserId], sent: &Sent, rate: usize) {
    let mut ticks = interval(Duration::from_secs(1) / rate as u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..rate {
        ticks.tick().await;
        let number = {
            let mut sent = sent.lock().unwrap();
            sent.push(Instant::now());
            sent.len() - 1
        };
        say(
            gateway,
            users,
            format!("{number} {}", "x".repeat(TEXT_BYTES)),
        )
        .await;
    }
}

/// Whether the gateway still holds a socket of this person.
async fn is_connected(gateway: &Gateway, somebody: Somebody) -> bool {
    let url = format!(
        "http://{}/api/gateway/connections",
        gateway.socket_address()
    );
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(somebody.token())
        .send()
        .await
        .unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    !answer["items"].as_array().unwrap().is_empty()
}

/// Waits until all readers have what was sent.
async fn all_read(took: &[Took], sent: &Sent) {
    eventually("all have read", async || {
        let sent = sent.lock().unwrap().len();
        took.iter().all(|took| took.lock().unwrap().len() == sent)
    })
    .await;
}

/// To all readers, of the messages from this one on.
fn p99(took: &[Took], from: usize) -> Duration {
    let mut all: Vec<Duration> = Vec::new();
    for took in took {
        all.extend(&took.lock().unwrap()[from..]);
    }
    all.sort_unstable();
    all[(all.len() - 1) * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_conversation_of_500_one_who_does_not_read_delays_nobody() {
    let gateway = Gateway::start().await;
    let people: Vec<Somebody> = (0..MEMBERS).map(|_| Somebody::new()).collect();
    let users: Vec<UserId> = people.iter().map(|somebody| somebody.user).collect();
    let (does_not_read, read_all) = people.split_last().unwrap();
    let sockets = join_all(
        read_all
            .iter()
            .map(|one| open(&gateway, *one, TcpSocket::new_v4().unwrap())),
    )
    .await;
    // Held open, and not read.
    let _held = open(&gateway, *does_not_read, narrow_socket()).await;
    let sent = Sent::default();
    let took: Vec<Took> = sockets.iter().map(|_| Took::default()).collect();
    let readers: Vec<_> = sockets
        .into_iter()
        .zip(&took)
        .map(|(ws, took)| tokio::spawn(read(ws, sent.clone(), took.clone())))
        .collect();

    // All of them read.
    let readers_only = &users[..MEMBERS - 1];
    let (mut rate, mut before) = (0, Duration::MAX);
    for next in RATES {
        rate = next;
        // What comes first warms up.
        write_for_a_second(&gateway, readers_only, &sent, rate).await;
        let from = sent.lock().unwrap().len();
        for _ in 0..CALM_SECONDS {
            write_for_a_second(&gateway, readers_only, &sent, rate).await;
        }
        all_read(&took, &sent).await;
        before = p99(&took, from);
        if before <= FOLLOWED {
            break;
        }
    }

    // Then one doesn't, until it is closed.
    let from = sent.lock().unwrap().len();
    let mut seconds = 0;
    while is_connected(&gateway, *does_not_read).await {
        assert!(seconds < MOST_SECONDS, "who doesn't read is closed");
        write_for_a_second(&gateway, &users, &sent, rate).await;
        seconds += 1;
    }
    all_read(&took, &sent).await;
    let during = p99(&took, from);
    println!(
        "p99 to {} sockets at {rate}/s: {before:?} while all read, {during:?} while one doesn't, \
         which was closed after {seconds} s",
        took.len()
    );
    assert!(
        during <= before.mul_f64(1.2) + NOISE,
        "{during:?} after {before:?}"
    );
    say(&gateway, readers_only, END.to_owned()).await;
    for reader in readers {
        reader.await.unwrap();
    }
    gateway.stop().await;
}

//! The program itself, as a process: what an idle socket costs, and that it ends in good order.

use std::process::Command;

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use proto::socket::{Hello, client_frame};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::client::request;
use crate::process::Process;
use crate::world::{Environment, Somebody};

const SOCKETS: usize = 1_500;
/// The goal is 8 KiB on average over many more; the first ones also pay for what they share.
const MAX_BYTES_PER_SOCKET: usize = 12 * 1024;

async fn open(
    address: std::net::SocketAddr,
    token: String,
) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .write_buffer_size(0);
    let (mut ws, _) =
        connect_async_with_config(request(address, "parlance.v1.json"), Some(config), false)
            .await
            .unwrap();
    let hello = client_frame::Frame::Hello(Hello {
        access_token: token,
        cursor: String::new(),
    });
    ws.send(Message::text(serde_json::to_string(&hello).unwrap()))
        .await
        .unwrap();
    let welcome = ws.next().await.unwrap().unwrap();
    assert!(welcome.into_text().unwrap().contains("welcome"));
    ws
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_socket_costs_little_and_a_stop_ends_well() {
    let environment = Environment::new().await;
    // What is freed goes back at once, so that the memory is what is in use.
    let memory = [("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")];
    let mut process = Process::start(&environment, &memory).await;
    let addresses = environment.addresses();
    let healthy = Command::new(env!("CARGO_BIN_EXE_chat-gateway"))
        .args(["healthcheck"])
        .envs(environment.variables())
        .status();
    assert!(healthy.unwrap().success());

    let some = async |count: usize| {
        let mut sockets = Vec::new();
        while sockets.len() < count {
            let batch = (0..100).map(|_| open(addresses.http, Somebody::new().token()));
            sockets.extend(join_all(batch).await);
        }
        sockets
    };
    // Pools and caches are warm after these.
    let first = some(300).await;
    let before = process.resident_bytes();
    let others = some(SOCKETS).await;
    let after = process.resident_bytes();
    let each = after.saturating_sub(before) / SOCKETS;
    println!("{each} bytes a socket");
    assert!(each < MAX_BYTES_PER_SOCKET, "{each} bytes a socket");

    process.signal("TERM");
    let closed = join_all(first.into_iter().chain(others).map(async |mut socket| {
        let mut code = 0;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(close)) = message {
                code = u16::from(close.code);
            }
        }
        code
    }))
    .await;
    assert!(closed.iter().all(|code| *code == 4012));
    let end = tokio::task::spawn_blocking(move || process.wait()).await;
    assert!(end.unwrap().success());
}

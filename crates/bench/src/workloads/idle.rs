//! Sockets on which nothing happens: what they cost to open, and to have.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use client::wire::{Hello, client_frame, server_frame};
use client::{Client, Connection, Format, Incoming};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use crate::Args;
use crate::people;
use crate::processes::{self, CpuSeconds};
use crate::stack::Stack;

/// Sockets of one person. A person costs a password hash, which isn't what is measured; a gateway
/// keeps the same for a socket whoever's it is, but one entry in Redis less.
const SOCKETS_EACH: usize = 20;
const QUIET: Duration = Duration::from_secs(30);
const GATEWAY: &str = "chat-gateway";

/// What idle sockets cost.
#[derive(Debug, Serialize)]
pub struct Idle {
    pub sockets: usize,
    /// Growth of the gateways' resident memory.
    pub gateway_kib_per_socket: f64,
    pub connect_seconds: f64,
    /// From TCP to `welcome`, by process.
    pub connect_cpu_seconds: CpuSeconds,
    /// Over 30 s of nothing but heartbeats.
    pub quiet_cpu_seconds: CpuSeconds,
    pub quiet_seconds: u64,
    pub faults: Vec<String>,
}

/// Opens the sockets, holds them, measures.
pub async fn idle(args: &Args, stack: &Stack) -> Result<Idle> {
    let sockets = args.sockets as usize;
    let people = people::register(&stack.api, "i", sockets.div_ceil(SOCKETS_EACH)).await?;
    // What a first connection brings with it (buffers, pools, keys) is not a socket's.
    for (index, person) in people.iter().take(20).enumerate() {
        open(stack, person, index).await?.close().await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;

    tracing::info!("opening {sockets} sockets");
    let resident_before = processes::resident_kib(&stack.processes, GATEWAY);
    let cpu_before = processes::cpu(&stack.processes)?;
    let begun = Instant::now();
    let open_all = stream::iter(0..sockets)
        .map(|index| open(stack, &people[index / SOCKETS_EACH], index))
        .buffer_unordered(32)
        .try_collect::<Vec<_>>();
    let connections = open_all.await?;
    let connect_seconds = begun.elapsed().as_secs_f64();
    let cpu_connected = processes::cpu(&stack.processes)?;

    tracing::info!("holding them for {} s", QUIET.as_secs());
    let held: Vec<_> = connections
        .into_iter()
        .map(|it| tokio::spawn(hold(it)))
        .collect();
    tokio::time::sleep(QUIET).await;
    let cpu_after = processes::cpu(&stack.processes)?;
    let resident = processes::resident_kib(&stack.processes, GATEWAY);

    let lost = held.iter().filter(|socket| socket.is_finished()).count();
    for socket in &held {
        socket.abort();
    }
    Ok(Idle {
        sockets,
        gateway_kib_per_socket: resident.saturating_sub(resident_before) as f64 / sockets as f64,
        connect_seconds,
        connect_cpu_seconds: processes::used(&cpu_before, &cpu_connected),
        quiet_cpu_seconds: processes::used(&cpu_connected, &cpu_after),
        quiet_seconds: QUIET.as_secs(),
        faults: if lost == 0 {
            vec![]
        } else {
            vec![format!("{lost} idle sockets were closed")]
        },
    })
}

async fn open(stack: &Stack, person: &Client, index: usize) -> Result<Connection> {
    let token = person.fresh_credentials(None).await?.access_token;
    let url = stack.socket_url(index);
    let mut connection = Connection::open(&url, Format::Protobuf, Duration::from_secs(30))
        .await
        .context("open")?;
    let hello = Hello {
        access_token: token,
        cursor: String::new(),
    };
    connection.send(client_frame::Frame::Hello(hello)).await?;
    match connection.next().await {
        Incoming::Frame(server_frame::Frame::Welcome(_)) => Ok(connection),
        other => bail!("instead of a welcome: {other:?}"),
    }
}

/// Reads, which also answers pings, until the connection ends.
async fn hold(mut connection: Connection) {
    while !matches!(connection.next().await, Incoming::Closed(_)) {}
}

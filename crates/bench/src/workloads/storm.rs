//! Thousands of sockets lost at once, while people write: when everybody has caught up, and what it costs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use client::engine::Config;
use client::{Client, ConnectionState, Draft, Session, SessionOptions, Update};
use hdrhistogram::Histogram;
use ids::ConversationId;
use serde::Serialize;

use super::make_group;
use crate::Args;
use crate::load::Quantiles;
use crate::people;
use crate::processes::{self, CpuSeconds};
use crate::stack::Stack;

/// Sockets of one person: a person costs a password hash, which isn't what is measured.
const SOCKETS_EACH: usize = 20;
/// People of a group; somebody writes into each once a second.
const GROUP: usize = 50;
/// How long the calm is measured to which the storm is compared.
const CALM: Duration = Duration::from_secs(20);
/// Nobody waits longer for everybody to catch up.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a storm is like.
#[derive(Debug, Serialize)]
pub struct Storm {
    pub sockets: usize,
    /// From the first connection to the last session that has caught up, all at once and none before: what
    /// the generator and the suite can do with a cold start.
    pub first_connect_seconds: f64,
    /// From the loss of all sockets to each session's having caught up, on the one gateway that is left.
    pub caught_up_ms: Quantiles,
    /// Sessions that were connected with their first try.
    pub first_try_share: f64,
    /// Messages written from the loss until everybody had caught up.
    pub written_meanwhile: u64,
    /// Requests to DynamoDB: per socket in the storm, and per second in the calm before.
    pub store_requests_per_socket: f64,
    pub calm_store_requests_per_second: f64,
    /// From the loss until everybody had caught up.
    pub cpu_seconds: CpuSeconds,
    pub generator_cpu_seconds: f64,
    pub faults: Vec<String>,
}

/// What one session has seen.
#[derive(Debug, Default)]
struct Seen {
    caught_up: Option<Instant>,
    tries: u32,
    /// The last number shown.
    shown: u64,
    faults: Vec<String>,
}

impl Seen {
    fn see(&mut self, update: Update) {
        match update {
            Update::Shown { entry, .. } => {
                if self.shown != 0 && entry.number != self.shown + 1 {
                    self.faults
                        .push(format!("{} was shown after {}", entry.number, self.shown));
                }
                self.shown = entry.number;
            }
            Update::Connection(ConnectionState::Connecting) => self.tries += 1,
            Update::Connection(ConnectionState::CaughtUp) => {
                self.caught_up.get_or_insert_with(Instant::now);
            }
            Update::Connection(ConnectionState::Ended { code }) => {
                self.faults.push(format!("the session ended: {code}"));
            }
            Update::Reset { .. } => self.faults.push("entries were left out".to_owned()),
            _ => {}
        }
    }
}

type Board = Arc<Vec<Mutex<Seen>>>;

fn each<T>(board: &Board, mut look: impl FnMut(&mut Seen) -> T) -> Vec<T> {
    let seen = board.iter();
    seen.map(|seen| look(&mut seen.lock().unwrap_or_else(PoisonError::into_inner)))
        .collect()
}

/// Waits until all sessions have caught up; returns when each had.
async fn all_caught_up(board: &Board) -> Result<Vec<Instant>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let caught_up: Vec<_> = each(board, |seen| seen.caught_up);
        if let Some(all) = caught_up.iter().copied().collect::<Option<Vec<_>>>() {
            return Ok(all);
        }
        if Instant::now() > deadline {
            let missing = caught_up.iter().filter(|at| at.is_none()).count();
            bail!(
                "{missing} sessions have not caught up within {} s",
                PATIENCE.as_secs()
            );
        }
        // Each notes its own time.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Opens the sockets on one of two gateways, kills it, and sees them come back on the other.
pub async fn storm(args: &Args, stack: &Stack) -> Result<Storm> {
    let suite = stack
        .suite()
        .context("a storm needs a suite of its own: its gateway is killed")?;
    let [first, second] = &suite.gateways[..] else {
        bail!("a storm needs two gateways: --gateways 2");
    };
    let throttle = suite.throttle.as_ref().context("requests are counted")?;
    let requests = || throttle.counts().values().sum::<u64>();

    let sockets = args.sockets as usize;
    let people = people::register(&stack.api, "s", sockets.div_ceil(SOCKETS_EACH)).await?;
    let groups = groups(&people).await?;
    // All sockets on the first gateway, by the one way in, as behind a load balancer.
    second.stop().await;
    tracing::info!("connecting {sockets} sessions");
    let board: Board = Arc::new((0..sockets).map(|_| Mutex::default()).collect());
    let begun = Instant::now();
    let sessions: Vec<Session> = (0..sockets)
        .map(|index| {
            let person = index / SOCKETS_EACH;
            let options = SessionOptions {
                socket_url: Some(suite.socket_url()),
                engine: Config {
                    only: Some([groups[person / GROUP]].into()),
                    ..Config::default()
                },
                ..SessionOptions::default()
            };
            let board = Arc::clone(&board);
            Session::start_with(&people[person], options, move |update| {
                let mut seen = board[index].lock().unwrap_or_else(PoisonError::into_inner);
                seen.see(update);
            })
        })
        .collect();
    let connected = all_caught_up(&board).await?;
    let last = connected.into_iter().max().unwrap_or(begun);
    let first_connect_seconds = (last - begun).as_secs_f64();
    second.start().await?;

    // The first session of each group's first person writes.
    let authors: Vec<(Session, ConversationId)> = groups
        .iter()
        .enumerate()
        .map(|(group, id)| (sessions[group * GROUP * SOCKETS_EACH].clone(), *id))
        .collect();
    let written = Arc::new(Mutex::new(0_u64));
    let writing = tokio::spawn(write(authors, Arc::clone(&written)));
    let count = || *written.lock().unwrap_or_else(PoisonError::into_inner);

    tracing::info!("{} s of calm", CALM.as_secs());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = requests();
    tokio::time::sleep(CALM).await;
    let calm = (requests() - before) as f64 / CALM.as_secs_f64();

    tracing::info!("the storm");
    each(&board, |seen| {
        seen.caught_up = None;
        seen.tries = 0;
    });
    let (before, written_before) = (requests(), count());
    // Of the gateway that is left and all others: the one that is killed takes its time with it.
    let processes: Vec<_> = stack.processes.clone();
    let killed = first.pid();
    let living: Vec<_> = processes
        .into_iter()
        .filter(|process| Some(process.pid) != killed)
        .map(|mut process| {
            if process.name == "chat-gateway" {
                process.pid = second.pid().unwrap_or(process.pid);
            }
            process
        })
        .collect();
    let cpu_before = processes::cpu(&living)?;
    let own_before = processes::own_cpu()?;
    let lost = Instant::now();
    first.kill9().await;
    let caught_up = all_caught_up(&board).await?;
    let cpu_seconds = processes::used(&cpu_before, &processes::cpu(&living)?);
    let generator_cpu_seconds = processes::own_cpu()? - own_before;
    let store_requests = requests() - before;
    let written_meanwhile = count() - written_before;
    let first_tries = each(&board, |seen| seen.tries == 1);

    writing.abort();
    let mut histogram =
        Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).context("the bounds are valid")?;
    for at in caught_up {
        let micros = at.saturating_duration_since(lost).as_micros() as u64;
        histogram.saturating_record(micros.max(1));
    }
    first.start().await?;
    let faults = check(&board, &people, &groups).await?;
    Ok(Storm {
        sockets,
        first_connect_seconds,
        caught_up_ms: Quantiles::of(&histogram),
        first_try_share: first_tries.iter().filter(|first| **first).count() as f64 / sockets as f64,
        written_meanwhile,
        store_requests_per_socket: store_requests as f64 / sockets as f64,
        calm_store_requests_per_second: calm,
        cpu_seconds,
        generator_cpu_seconds,
        faults,
    })
}

async fn groups(people: &[Client]) -> Result<Vec<ConversationId>> {
    let mut groups = Vec::new();
    for members in people.chunks(GROUP) {
        let name = format!("storm-{}", members[0].user_id());
        groups.push(make_group(members, &name).await?);
    }
    Ok(groups)
}

/// A message into each group every second, until it is aborted.
async fn write(authors: Vec<(Session, ConversationId)>, written: Arc<Mutex<u64>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        for (author, group) in &authors {
            // With its outbox full it has enough to do.
            if author.try_send(*group, Draft::text("in the storm")).is_ok() {
                *written.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
        }
    }
}

/// Every session has shown everything, each number once and in order.
async fn check(board: &Board, people: &[Client], groups: &[ConversationId]) -> Result<Vec<String>> {
    let mut heads = Vec::new();
    for (members, group) in people.chunks(GROUP).zip(groups) {
        // What is in the outbox of a session may still be on its way.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let states = members[0].states(&[*group]).await.context("the head")?;
        heads.push(states.first().context("no head")?.head_number);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = each(board, |seen| seen.shown);
        let behind = shown
            .iter()
            .enumerate()
            .filter(|(index, shown)| **shown < heads[index / SOCKETS_EACH / GROUP])
            .count();
        if behind == 0 || Instant::now() > deadline {
            let mut faults: Vec<String> = each(board, |seen| std::mem::take(&mut seen.faults))
                .into_iter()
                .flatten()
                .take(10)
                .collect();
            if behind > 0 {
                faults.push(format!("{behind} sessions were not shown everything"));
            }
            return Ok(faults);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

//! Clients that start with nothing kept, three times as many as can be served: whether those that can be
//! served still are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use client::engine::Config;
use client::{Client, ConnectionState, Draft, Error, Position, Session, SessionOptions, Update};
use hdrhistogram::Histogram;
use ids::ConversationId;
use serde::Serialize;
use tokio::task::JoinSet;

use super::make_group;
use crate::Args;
use crate::load::Quantiles;
use crate::people;
use crate::processes::{self, CpuSeconds};
use crate::stack::Stack;

/// A person costs a password hash, which isn't what is measured: several clients are one person's.
const CLIENTS_EACH: usize = 20;
const GROUP: usize = 50;
/// Groups of each person, each of which is opened.
const GROUPS_EACH: usize = 3;
/// Messages of a group: a page.
const MESSAGES: usize = 30;
/// Clients that start at the same time when it is measured how many can be served.
const AT_ONCE: usize = 64;
/// How much more is offered than that.
const OVERLOAD: f64 = 3.0;
/// What has to be left of what can be served.
const LEAST_SHARE: f64 = 0.8;
/// Nobody waits longer for everybody to have started.
const PATIENCE: Duration = Duration::from_secs(180);

/// What it is like.
#[derive(Debug, Serialize)]
pub struct ColdStart {
    pub people: usize,
    /// Starts a second, when as many begin as have ended.
    pub most_per_second: f64,
    pub offered_per_second: f64,
    pub seconds: f64,
    /// Starts that were completed, a second, while so many were offered.
    pub completed_per_second: f64,
    /// From the moment at which a start was due until it was complete, of all that were offered.
    pub start_ms: Quantiles,
    /// Until the last was complete, after the last was due.
    pub drained_after_ms: u64,
    /// Answers that said "later", by code, and how many of them said when.
    pub refused: BTreeMap<String, u64>,
    pub refused_with_a_time: u64,
    /// While so many were offered, and until all were complete.
    pub cpu_seconds: CpuSeconds,
    pub generator_cpu_seconds: f64,
    pub faults: Vec<String>,
}

/// What was refused.
#[derive(Debug, Default)]
struct Refusals {
    by_code: Mutex<BTreeMap<String, u64>>,
    with_a_time: AtomicU64,
}

/// Who starts, and where.
#[derive(Clone)]
struct Starter {
    people: Arc<Vec<(Client, Vec<ConversationId>)>>,
    socket_urls: Arc<Vec<String>>,
    refusals: Arc<Refusals>,
}

impl Starter {
    /// What a client does that knows nothing: opens a socket, compares heads, reads the list and the newest
    /// page of what is on its screen.
    async fn start(&self, index: usize) -> Result<()> {
        let (person, groups) = &self.people[index % self.people.len()];
        let options = SessionOptions {
            socket_url: Some(self.socket_urls[index % self.socket_urls.len()].clone()),
            engine: Config {
                only: Some(groups.iter().copied().collect()),
                ..Config::default()
            },
            ..SessionOptions::default()
        };
        let (session, mut updates) = Session::start(person, options);
        loop {
            match updates.recv().await {
                Some(Update::Connection(ConnectionState::CaughtUp)) => break,
                Some(Update::Connection(ConnectionState::Ended { code })) => {
                    bail!("the session ended: {code}")
                }
                Some(_) => {}
                None => bail!("the session is over"),
            }
        }
        self.patiently(|| person.conversations(None, 50))
            .await
            .context("the list")?;
        for group in groups {
            let page = self
                .patiently(|| person.entries(*group, Position::Latest, 30))
                .await
                .context("a page")?;
            if page.entries.len() < MESSAGES {
                bail!("a page has {} entries", page.entries.len());
            }
        }
        drop(session);
        Ok(())
    }

    /// Asks again while the server says "later", no sooner than it says.
    async fn patiently<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = client::Result<T>>,
    {
        let mut pause = Duration::from_millis(500);
        loop {
            match ask().await {
                Err(error) if error.is_retryable() => {
                    let asked = self.note(&error);
                    let jittered = pause.mul_f64(rand::random_range(0.0..1.0));
                    tokio::time::sleep(asked + jittered).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    fn note(&self, error: &Error) -> Duration {
        let (code, asked) = match error {
            Error::Refused(refusal) => (refusal.code.clone(), refusal.retry_after),
            _ => ("no answer".to_owned(), None),
        };
        let by_code = self.refusals.by_code.lock();
        *by_code
            .unwrap_or_else(PoisonError::into_inner)
            .entry(code)
            .or_default() += 1;
        if asked.is_some() {
            self.refusals.with_a_time.fetch_add(1, Ordering::Relaxed);
        }
        asked.unwrap_or_default()
    }
}

/// Measures how many clients can start in a second, and then offers three times as many.
pub async fn cold_start(args: &Args, stack: &Stack) -> Result<ColdStart> {
    let count = (args.sockets as usize).div_ceil(CLIENTS_EACH);
    let clients = people::register(&stack.api, "c", count).await?;
    let mut people: Vec<(Client, Vec<ConversationId>)> =
        clients.into_iter().map(|one| (one, Vec::new())).collect();
    for round in 0..GROUPS_EACH {
        // Other people together in each round.
        people.rotate_left(GROUP / GROUPS_EACH);
        for members in people.chunks_mut(GROUP) {
            let clients: Vec<Client> = members.iter().map(|(one, _)| one.clone()).collect();
            let owner = &clients[0];
            let name = format!("cold-{round}-{}", owner.user_id());
            let group = make_group(&clients, &name).await?;
            for _ in 0..MESSAGES {
                let id = owner.new_client_message_id();
                let draft = Draft::text("x".repeat(args.body_bytes as usize));
                owner
                    .send_message(group, id, &draft)
                    .await
                    .context("write into a group")?;
            }
            for (_, groups) in members {
                groups.push(group);
            }
        }
    }
    let starter = Starter {
        people: Arc::new(people),
        socket_urls: Arc::new(stack.socket_urls.clone()),
        refusals: Arc::default(),
    };
    // The first starts find the servers' caches empty, and compile what Kafka and we have not run yet.
    tracing::info!("warming up: {} s", args.warm_up_seconds);
    as_fast_as_it_goes(&starter, args.warm_up_seconds).await?;
    tracing::info!("as fast as it goes: {} s", args.seconds);
    let most_per_second = as_fast_as_it_goes(&starter, args.seconds).await?;

    let rate = most_per_second * OVERLOAD;
    // No more may wait than sockets were asked for.
    let backlog_per_second = rate - most_per_second;
    let seconds = (f64::from(args.sockets) / backlog_per_second).clamp(1.0, args.seconds as f64);
    tracing::info!("{rate:.0} starts a second for {seconds:.0} s");
    let (cpu_before, own_before) = (processes::cpu(&stack.processes)?, processes::own_cpu()?);
    let begun = Instant::now();
    let mut starts = JoinSet::new();
    for index in 0..(rate * seconds) as usize {
        let due = begun + Duration::from_secs_f64(index as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        let starter = starter.clone();
        starts.spawn(async move {
            starter.start(index).await?;
            anyhow::Ok((due, Instant::now()))
        });
    }
    let last_due = Instant::now();
    let mut histogram =
        Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).context("the bounds are valid")?;
    let (mut faults, mut in_time, mut last) = (Vec::new(), 0_u64, last_due);
    let all = async {
        while let Some(started) = starts.join_next().await {
            match started.context("a start panicked")? {
                Ok((due, complete)) => {
                    in_time += u64::from(complete <= last_due);
                    last = last.max(complete);
                    let micros = complete.saturating_duration_since(due).as_micros() as u64;
                    histogram.saturating_record(micros.max(1));
                }
                Err(error) if faults.len() < 10 => faults.push(format!("{error:#}")),
                Err(_) => {}
            }
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(outcome) => outcome?,
        Err(_) => faults.push(format!(
            "not everybody has started within {} s",
            PATIENCE.as_secs()
        )),
    }
    let offered_seconds = (last_due - begun).as_secs_f64();
    let completed_per_second = in_time as f64 / offered_seconds;
    if completed_per_second < most_per_second * LEAST_SHARE {
        faults.push(format!(
            "of {most_per_second:.0} starts a second {completed_per_second:.0} are left when {rate:.0} are offered"
        ));
    }
    let refused = {
        let by_code = starter.refusals.by_code.lock();
        by_code.unwrap_or_else(PoisonError::into_inner).clone()
    };
    Ok(ColdStart {
        people: count,
        most_per_second,
        offered_per_second: rate,
        seconds: offered_seconds,
        completed_per_second,
        start_ms: Quantiles::of(&histogram),
        drained_after_ms: (last - last_due).as_millis() as u64,
        refused,
        refused_with_a_time: starter.refusals.with_a_time.load(Ordering::Relaxed),
        cpu_seconds: processes::used(&cpu_before, &processes::cpu(&stack.processes)?),
        generator_cpu_seconds: processes::own_cpu()? - own_before,
        faults,
    })
}

/// Starts a second, with [`AT_ONCE`] at the same time.
async fn as_fast_as_it_goes(starter: &Starter, seconds: u64) -> Result<f64> {
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let (next, mut workers) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..AT_ONCE {
        let (starter, next) = (starter.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut complete = 0_u64;
            while Instant::now() < until {
                let index = next.fetch_add(1, Ordering::Relaxed) as usize;
                starter.start(index).await?;
                complete += 1;
            }
            anyhow::Ok(complete)
        });
    }
    let mut complete = 0;
    while let Some(worker) = workers.join_next().await {
        complete += worker.context("a start panicked")??;
    }
    Ok(complete as f64 / begun.elapsed().as_secs_f64())
}

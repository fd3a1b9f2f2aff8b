//! Ids with numbers of the central generator: what fetching ahead is worth.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use auth::{IdentitySettings, PeerChannel, ServiceIdentity};
use central_ids::CentralNumbers;
use clock::Clock;
use hdrhistogram::Histogram;
use ids::{MessageId, PrefetchSettings, PrefetchedIds};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::Args;
use crate::stack::Stack;

/// Tasks that draw at once.
const TASKS: u64 = 4;
/// Asked for at once, and how many ids are drawn with that; 1 is one question for each id.
const BATCHES: [(u32, u64); 4] = [
    (1, 2_000),
    (100, 200_000),
    (1_000, 1_000_000),
    (10_000, 2_000_000),
];

/// Ids of one kind, drawn as fast as it goes.
#[derive(Debug, Serialize)]
pub struct Ids {
    /// Numbers asked for at once; 0: made here, without a generator.
    pub batch: u32,
    pub drawn: u64,
    pub per_second: f64,
    /// Nanoseconds until one was there, with its task's share of the wait for the machine.
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
    pub faults: Vec<String>,
}

/// Draws from the clock alone, then with each size of batch.
pub async fn ids(args: &Args, stack: &Stack) -> Result<Vec<Ids>> {
    let Some(account) = stack.account_internal_url() else {
        bail!(
            "the workload `ids` asks an internal port, which only a suite of our own opens to it"
        );
    };
    // The message service's own identity: it is one of those that may ask.
    let identity = ServiceIdentity::new(IdentitySettings {
        service: "message".to_owned(),
        signing_key_file: std::path::absolute(&args.data)?
            .join("identity/message.key.pem")
            .display()
            .to_string(),
        ..IdentitySettings::default()
    })?;
    let clock = Clock::system();
    let here = clock.clone();
    let made_here = draw(0, 1_000_000, move || {
        let id = MessageId::generate(&here).as_uuid().as_u128();
        async move { Ok(id) }
    });
    let mut measured = vec![made_here.await?];
    for (batch, draws) in BATCHES {
        tracing::info!("drawing {draws} ids in batches of {batch}");
        let numbers = CentralNumbers::new(PeerChannel::new("account", &account, identity.clone())?);
        let settings = PrefetchSettings {
            batch,
            // Half a batch is what is used while the next one is on its way.
            low_water: batch / 2,
            patience: Duration::from_secs(5),
        };
        let (source, prefetcher) = PrefetchedIds::new(numbers, settings, clock.clone());
        let stopping = CancellationToken::new();
        let prefetching = tokio::spawn(prefetcher.run(stopping.clone()));
        // The first batch, and the connection, are not what is measured.
        source.next().await?;
        let row = draw(batch, draws, move || {
            let source = source.clone();
            async move { Ok(source.next().await?.as_u128()) }
        });
        measured.push(row.await?);
        stopping.cancel();
        prefetching.await.context("the prefetcher")?;
    }
    Ok(measured)
}

/// Of nanoseconds, up to a minute.
fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).context("the bounds are valid")
}

async fn draw<N, F>(batch: u32, draws: u64, next: N) -> Result<Ids>
where
    N: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = Result<u128>> + Send,
{
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let next = next.clone();
            tokio::spawn(async move {
                let mut ids = Vec::with_capacity((draws / TASKS) as usize);
                let mut took = histogram()?;
                for _ in 0..draws / TASKS {
                    let begun = Instant::now();
                    ids.push(next().await?);
                    took.saturating_record(begun.elapsed().as_nanos() as u64);
                }
                anyhow::Ok((ids, took))
            })
        })
        .collect();
    let mut all = Vec::with_capacity(draws as usize);
    let mut took = histogram()?;
    let mut faults = Vec::new();
    for task in tasks {
        let (ids, of_task) = task.await??;
        if batch > 0 && !ids.is_sorted() {
            faults.push(format!("batches of {batch}: a task's ids don't ascend"));
        }
        all.extend(ids);
        took.add(of_task)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let drawn = all.len();
    all.sort_unstable();
    all.dedup();
    if all.len() != drawn {
        faults.push(format!(
            "batches of {batch}: {} ids twice",
            drawn - all.len()
        ));
    }
    Ok(Ids {
        batch,
        drawn: drawn as u64,
        per_second: drawn as f64 / seconds,
        p50_ns: took.value_at_quantile(0.5),
        p99_ns: took.value_at_quantile(0.99),
        max_ns: took.max(),
        faults,
    })
}

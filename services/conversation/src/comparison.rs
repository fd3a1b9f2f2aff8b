//! Tells the log who is in each conversation where it doesn't know: after it lost its end, or after a
//! restore. It may run while people talk, and again.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ids::ConversationId;
use problem::{Problem, Result};
use tokio::time::Instant;

use crate::peers::Peers;
use crate::store::comparison::Told;
use crate::store::conversations::Conversations;

const PAGE: u32 = 500;
/// Conversations that are compared at the same time.
const AT_ONCE: usize = 8;
/// How often one is tried that could not be compared.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Comparison {
    pub store: Conversations,
    pub peers: Peers,
    /// How long the log may take to apply what it is told.
    pub apply_timeout: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Compared {
    pub conversations: u64,
    /// Of them, those of which the log lacked something.
    pub behind: u64,
    /// What it lacked.
    pub changes: u64,
    /// What could not be compared, or was not applied in time, and why.
    pub failures: Vec<(ConversationId, Problem)>,
}

impl Comparison {
    /// Compares all; `progress` is called now and then.
    ///
    /// # Errors
    /// When Postgres can't be read.
    pub async fn run(&self, progress: impl Fn(&Compared)) -> anyhow::Result<Compared> {
        let mut compared = Compared::default();
        let mut after = None;
        loop {
            let page = self.store.ids_after(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(compared);
            };
            after = Some(*last);
            let mut outcomes = stream::iter(page)
                .map(|id| async move { (id, self.compare(id).await) })
                .buffer_unordered(AT_ONCE);
            while let Some((id, outcome)) = outcomes.next().await {
                compared.conversations += 1;
                match outcome {
                    Ok(None) => {}
                    Ok(Some(told)) => {
                        compared.behind += 1;
                        compared.changes += told.changes as u64;
                    }
                    Err(problem) => compared.failures.push((id, problem)),
                }
            }
            progress(&compared);
        }
    }

    async fn compare(&self, id: ConversationId) -> Result<Option<Told>> {
        let mut tries = 0;
        let told = loop {
            match self.tell(id).await {
                Ok(told) => break told,
                Err(problem) => {
                    tries += 1;
                    if tries == TRIES || !problem.is_retryable() {
                        return Err(problem);
                    }
                    let longest = FIRST_PAUSE * 2_u32.pow(tries);
                    tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
                }
            }
        };
        if let Some(told) = told {
            // The relay of a running service publishes it.
            let deadline = Instant::now() + self.apply_timeout;
            self.peers.await_applied(told.standing, deadline).await?;
        }
        Ok(told)
    }

    async fn tell(&self, id: ConversationId) -> Result<Option<Told>> {
        let logged = self.peers.membership(id).await?;
        let told = self.store.tell_missing(id, &logged).await;
        told.map_err(|error| postgres::problem(&error))
    }
}

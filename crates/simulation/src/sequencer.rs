//! Owners of one partition of the log: one that works, and those that were paused and don't know better.

use std::sync::Arc;

use futures_util::FutureExt as _;
use message::sequencer::owner::{Decided, MAX_BATCH, Outgoing, Owner, RawRecord};

use crate::store::MemoryStore;

const EPOCH: u64 = 1;

/// A batch that is decided, on its way into the world.
pub struct Batch {
    decided: Decided,
    end: usize,
    /// Rows, then heads, then what is told: how many of all of these are done.
    done: usize,
}

/// What a step of a batch did.
pub enum Step<'a> {
    Stored,
    Tell(&'a Outgoing),
    /// Nothing is left but to commit the offset: the next record to take.
    Commit(usize),
}

impl Batch {
    /// Does the next of the things that a batch does, one at a time. Writes wait while the store is away.
    pub fn step(&mut self, store: &MemoryStore) -> Step<'_> {
        let (rows, heads) = (self.decided.rows.len(), self.decided.heads.len());
        let at = self.done;
        if at < rows + heads && store.check().is_err() {
            return Step::Stored;
        }
        self.done += 1;
        if at < rows {
            store.put(&self.decided.rows[at]);
            Step::Stored
        } else if at < rows + heads {
            let (conversation, head) = self.decided.heads[at - rows];
            store.put_head(conversation, head);
            Step::Stored
        } else if let Some(outgoing) = self.decided.outgoing.get(at - rows - heads) {
            Step::Tell(outgoing)
        } else {
            Step::Commit(self.end)
        }
    }
}

/// One partition: its log, the offset that is committed, and who works on it.
pub struct Partition {
    store: MemoryStore,
    pub log: Vec<RawRecord>,
    committed: usize,
    owner: Option<Owner<MemoryStore>>,
    batch: Option<Batch>,
    /// Of owners that were paused: they go on at any time.
    pub asleep: Vec<Batch>,
}

impl Partition {
    #[must_use]
    pub fn new(store: MemoryStore) -> Self {
        Self {
            store,
            log: Vec::new(),
            committed: 0,
            owner: None,
            batch: None,
            asleep: Vec::new(),
        }
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.batch.is_none() && self.committed == self.log.len()
    }

    /// Takes up to `most` records, unless a batch is on its way. Nothing happens while the store is away.
    pub fn take(&mut self, most: usize, now_unix_ms: u64) {
        if self.batch.is_some() || self.committed == self.log.len() {
            return;
        }
        let end = (self.committed + most).min(self.log.len());
        let records = &self.log[self.committed..end];
        let decided = decide(&self.store, &mut self.owner, records, now_unix_ms);
        if let Some(decided) = decided {
            self.batch = Some(Batch {
                decided,
                end,
                done: 0,
            });
        }
    }

    /// What never may be: the offset goes before what it stands for.
    pub fn commit_early(&mut self) {
        if let Some(batch) = &self.batch {
            self.committed = batch.end;
        }
    }

    /// Does one thing of the batch that is on its way.
    pub fn step(&mut self, tell: impl FnOnce(&Outgoing)) {
        let Some(batch) = &mut self.batch else {
            return;
        };
        match batch.step(&self.store) {
            Step::Stored => {}
            Step::Tell(outgoing) => tell(outgoing),
            Step::Commit(next) => {
                // Somebody who was thought dead may have committed more; offsets of a group may go back.
                self.committed = next;
                self.batch = None;
            }
        }
    }

    /// The owner dies: what it has not committed is taken again.
    pub fn crash(&mut self) {
        self.owner = None;
        self.batch = None;
    }

    /// The owner is paused, and another takes over.
    pub fn pause(&mut self) {
        self.owner = None;
        self.asleep.extend(self.batch.take());
    }

    /// The owner lets go of memory, as after a long silence.
    pub fn forget(&mut self) {
        if self.batch.is_none() {
            self.owner = None;
        }
    }
}

/// What an owner makes of records; `None` while the store is away.
fn decide(
    store: &MemoryStore,
    owner: &mut Option<Owner<MemoryStore>>,
    records: &[RawRecord],
    now_unix_ms: u64,
) -> Option<Decided> {
    let at_once = "a store in memory never waits";
    store.check().ok()?;
    if owner.is_none() {
        let log_end = Arc::new(|| async { Ok(i64::MAX) }.boxed());
        let begun = Owner::begin(store.clone(), 0, EPOCH, log_end);
        *owner = begun.now_or_never().expect(at_once).ok();
    }
    let owner = owner.as_mut()?;
    let prepared = owner
        .prepare(records, now_unix_ms as i64)
        .now_or_never()
        .expect(at_once)
        .ok()?;
    let mut decided = owner.apply(prepared);
    let stood = owner.stand(&mut decided).now_or_never().expect(at_once);
    stood.expect("the store was there a moment ago");
    Some(decided)
}

/// Applies a whole log as one owner that nothing ever disturbs.
pub fn undisturbed(log: &[RawRecord], now_unix_ms: u64, store: &MemoryStore) {
    let mut owner = None;
    for batch in log.chunks(MAX_BATCH) {
        let decided = decide(store, &mut owner, batch, now_unix_ms);
        let decided = decided.expect("this store is never away");
        for written in &decided.rows {
            store.put(written);
        }
        for (conversation, head) in &decided.heads {
            store.put_head(*conversation, *head);
        }
    }
}

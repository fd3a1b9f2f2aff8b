//! Entries that were read lately. Rows of entries never change, so those below a head can be kept as long as
//! there is room.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use ids::ConversationId;
use moka::sync::Cache;
use prost::Message as _;
use tokio::sync::Mutex;

use crate::domain::conversation::StoredEntry;
use crate::store::{BUCKET_SIZE, Reads, StoreError};

/// Room for entries, in bytes: some 80,000 short messages.
const KEPT_BYTES: u64 = 32 * 1024 * 1024;
/// What an entry takes besides its text.
const OVERHEAD_BYTES: usize = 256;
/// Turns for reading. Conversations that share one by chance wait for each other, no more.
const TURNS: usize = 1_024;

type Key = (ConversationId, u64);

pub struct Entries {
    kept: Cache<Key, Arc<StoredEntry>>,
    /// What many ask for at once is read by the first.
    turns: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Entries {
    pub fn new() -> Self {
        let weigh = |_: &Key, stored: &Arc<StoredEntry>| {
            let bytes = stored.entry.encoded_len() + OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            kept: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(weigh)
                .build(),
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// As [`Reads::entries`]: the numbers, ascending, must not lie beyond a head that was read before.
    ///
    /// # Errors
    /// When they can't be read, or a hole stays.
    pub async fn get(
        &self,
        store: &impl Reads,
        conversation: ConversationId,
        numbers: &[u64],
    ) -> Result<Vec<Arc<StoredEntry>>, StoreError> {
        let (all, missing) = self.kept_of(conversation, numbers);
        if missing.is_empty() {
            return Ok(all);
        }
        let bucket = missing.last().map(|last| last / BUCKET_SIZE);
        let turn = self.hasher.hash_one((conversation, bucket)) as usize % TURNS;
        let _turn = self.turns[turn].lock().await;
        let (mut all, missing) = self.kept_of(conversation, numbers);
        if !missing.is_empty() {
            let read = store.entries(conversation, &missing).await?;
            all.extend(read.into_iter().map(Arc::new).inspect(|stored| {
                let key = (conversation, stored.entry.number);
                self.kept.insert(key, Arc::clone(stored));
            }));
            all.sort_by_key(|stored| stored.entry.number);
        }
        Ok(all)
    }

    /// Those that are kept, and the numbers of the others.
    fn kept_of(
        &self,
        conversation: ConversationId,
        numbers: &[u64],
    ) -> (Vec<Arc<StoredEntry>>, Vec<u64>) {
        let (mut kept, mut missing) = (Vec::with_capacity(numbers.len()), Vec::new());
        for number in numbers {
            match self.kept.get(&(conversation, *number)) {
                Some(stored) => kept.push(stored),
                None => missing.push(*number),
            }
        }
        (kept, missing)
    }
}

//! A store in memory. It refuses what must never happen: a row that is written again with other bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ids::{ConversationId, UserId};
use message::domain::conversation::{
    ChangeRow, DeletionRow, Head, IsDeletion, StoredEntry, StoredTarget,
};
use message::domain::membership::MemberRow;
use message::domain::readers::{HiddenRow, ReaderRow};
use message::domain::submission::IdKey;
use message::domain::{FirstSeen, Position};
use message::store::{EntryRange, ReachedAt, Reads, StoreError, Written};
use proto::socket::{Entry, entry};

#[derive(Debug, Default, PartialEq)]
struct Tables {
    heads: BTreeMap<ConversationId, Head>,
    entries: BTreeMap<(ConversationId, u64), StoredEntry>,
    first_seen: BTreeMap<(ConversationId, IdKey), FirstSeen>,
    members: BTreeMap<(ConversationId, Position, UserId), MemberRow>,
    readers: BTreeMap<(ConversationId, UserId, Position), ReaderRow>,
    hidden: BTreeMap<(ConversationId, UserId, u64), HiddenRow>,
    changes: BTreeMap<(ConversationId, u64, u64), ChangeRow>,
    deletions: BTreeMap<(ConversationId, u64), DeletionRow>,
}

/// A handle on the tables; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    is_away: Arc<Mutex<bool>>,
    heads_go_back: Arc<Mutex<bool>>,
}

fn put<K: Ord + std::fmt::Debug, V: PartialEq + Clone + std::fmt::Debug>(
    table: &mut BTreeMap<K, V>,
    key: K,
    row: &V,
) {
    if let Some(before) = table.get(&key) {
        assert_eq!(
            before, row,
            "the row {key:?} was written again with other bytes"
        );
    } else {
        table.insert(key, row.clone());
    }
}

impl MemoryStore {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on reads and writes fail, or work again.
    pub fn set_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap_or_else(PoisonError::into_inner) = is_away;
    }

    /// From now on any head is stored: what never may be.
    pub fn let_heads_go_back(&self) {
        *self
            .heads_go_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// # Errors
    /// While the store is away.
    pub fn check(&self) -> Result<(), StoreError> {
        if *self.is_away.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(StoreError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }

    /// # Panics
    /// When a row is there with other bytes.
    pub fn put(&self, written: &Written) {
        let id = written.conversation;
        let rows = &written.rows;
        let mut tables = self.tables();
        if let Some(row) = &rows.entry {
            put(&mut tables.entries, (id, row.entry.number), row);
        }
        if let Some((key, row)) = &rows.first_seen {
            put(&mut tables.first_seen, (id, *key), row);
        }
        for row in &rows.members {
            put(&mut tables.members, (id, row.position, row.user), row);
        }
        if let Some(row) = &rows.reader {
            put(&mut tables.readers, (id, row.reader, row.position), row);
        }
        if let Some(row) = &rows.hidden {
            put(&mut tables.hidden, (id, row.reader, row.number), row);
        }
        if let Some(row) = &rows.change {
            let key = (id, row.target, row.entry.number);
            put(&mut tables.changes, key, row);
        }
        if let Some(row) = &rows.deletion {
            put(&mut tables.deletions, (id, row.target), row);
        }
    }

    /// Stores a head unless one is there that is as far.
    pub fn put_head(&self, conversation: ConversationId, head: Head) {
        let go_back = *self
            .heads_go_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut tables = self.tables();
        let is_ahead = !go_back
            && tables
                .heads
                .get(&conversation)
                .is_some_and(|stored| stored.position >= head.position);
        if !is_ahead {
            tables.heads.insert(conversation, head);
        }
    }

    /// Whether both hold the same rows.
    #[must_use]
    pub fn holds_the_same_as(&self, other: &Self) -> bool {
        *self.tables() == *other.tables()
    }

    /// All entries of a conversation, whoever may see them.
    #[must_use]
    pub fn all_entries(&self, conversation: ConversationId) -> Vec<Entry> {
        self.tables()
            .entries
            .range((conversation, 0)..=(conversation, u64::MAX))
            .map(|(_, row)| row.entry.clone())
            .collect()
    }

    /// What became of a client message id.
    #[must_use]
    pub fn outcome(&self, conversation: ConversationId, key: IdKey) -> Option<FirstSeen> {
        self.tables().first_seen.get(&(conversation, key)).cloned()
    }
}

impl Reads for MemoryStore {
    async fn head(&self, conversation: ConversationId) -> Result<Option<Head>, StoreError> {
        self.check()?;
        Ok(self.tables().heads.get(&conversation).copied())
    }

    async fn heads(
        &self,
        conversations: &[ConversationId],
    ) -> Result<HashMap<ConversationId, Head>, StoreError> {
        self.check()?;
        let tables = self.tables();
        Ok(conversations
            .iter()
            .filter_map(|id| tables.heads.get(id).map(|head| (*id, *head)))
            .collect())
    }

    async fn first_seen(
        &self,
        keys: &[(ConversationId, IdKey)],
    ) -> Result<HashMap<(ConversationId, IdKey), FirstSeen>, StoreError> {
        self.check()?;
        let tables = self.tables();
        Ok(keys
            .iter()
            .filter_map(|key| tables.first_seen.get(key).map(|row| (*key, row.clone())))
            .collect())
    }

    async fn members(&self, conversation: ConversationId) -> Result<Vec<MemberRow>, StoreError> {
        self.check()?;
        let tables = self.tables();
        let rows = tables.members.iter();
        Ok(rows
            .filter(|((id, _, _), _)| *id == conversation)
            .map(|(_, row)| row.clone())
            .collect())
    }

    async fn member_rows(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Vec<MemberRow>, StoreError> {
        let mut rows = self.members(conversation).await?;
        rows.retain(|row| row.user == user);
        Ok(rows)
    }

    async fn reader(
        &self,
        conversation: ConversationId,
        reader: UserId,
        applied: Position,
    ) -> Result<Option<ReaderRow>, StoreError> {
        self.check()?;
        let begin = Position {
            epoch: 0,
            offset: 0,
        };
        Ok(self
            .tables()
            .readers
            .range((conversation, reader, begin)..=(conversation, reader, applied))
            .next_back()
            .map(|(_, row)| row.clone()))
    }

    async fn reached_at(
        &self,
        conversation: ConversationId,
        reader: UserId,
        number: u64,
        written: Position,
        applied: Position,
    ) -> Result<ReachedAt, StoreError> {
        self.check()?;
        let mut reached = ReachedAt::default();
        for (_, row) in self
            .tables()
            .readers
            .range((conversation, reader, written)..=(conversation, reader, applied))
        {
            if row.marks.delivered >= number {
                reached.delivered_unix_ms.get_or_insert(row.time_unix_ms);
            }
            if row.marks.read >= number {
                reached.read_unix_ms.get_or_insert(row.time_unix_ms);
            }
        }
        Ok(reached)
    }

    async fn hidden(
        &self,
        conversation: ConversationId,
        reader: UserId,
    ) -> Result<Vec<HiddenRow>, StoreError> {
        self.check()?;
        Ok(self
            .tables()
            .hidden
            .range((conversation, reader, 0)..=(conversation, reader, u64::MAX))
            .map(|(_, row)| row.clone())
            .collect())
    }

    async fn entries(
        &self,
        conversation: ConversationId,
        numbers: &[u64],
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.check()?;
        let tables = self.tables();
        numbers
            .iter()
            .map(|number| {
                let row = tables.entries.get(&(conversation, *number));
                row.cloned().ok_or_else(|| {
                    StoreError::Unavailable("an entry below the head is missing".to_owned())
                })
            })
            .collect()
    }

    async fn changes(
        &self,
        conversation: ConversationId,
        targets: &BTreeSet<u64>,
    ) -> Result<HashMap<u64, Vec<Entry>>, StoreError> {
        self.check()?;
        let mut changes: HashMap<u64, Vec<Entry>> = HashMap::new();
        for row in self.tables().changes_of(conversation) {
            if targets.contains(&row.target) {
                changes
                    .entry(row.target)
                    .or_default()
                    .push(row.entry.clone());
            }
        }
        Ok(changes)
    }

    async fn target(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<StoredTarget, StoreError> {
        let entry = self.entries(conversation, &[number]).await?.pop();
        let changes = self
            .tables()
            .changes_of(conversation)
            .filter(|row| row.target == number)
            .map(|row| {
                let is_deletion = match row.entry.change {
                    Some(entry::Change::Deleted(_)) => IsDeletion::Yes,
                    _ => IsDeletion::No,
                };
                (row.position, is_deletion)
            })
            .collect();
        Ok(StoredTarget { entry, changes })
    }

    async fn deletions(
        &self,
        conversation: ConversationId,
        range: EntryRange,
    ) -> Result<Vec<DeletionRow>, StoreError> {
        self.check()?;
        if range.from > range.to {
            return Ok(Vec::new());
        }
        Ok(self
            .tables()
            .deletions
            .range((conversation, range.from)..=(conversation, range.to))
            .map(|(_, row)| row.clone())
            .collect())
    }

    async fn deleted_of(
        &self,
        conversation: ConversationId,
        numbers: HashSet<u64>,
    ) -> Result<HashSet<u64>, StoreError> {
        self.check()?;
        let tables = self.tables();
        Ok(numbers
            .into_iter()
            .filter(|number| tables.deletions.contains_key(&(conversation, *number)))
            .collect())
    }

    async fn count_by_others(
        &self,
        conversation: ConversationId,
        reader: UserId,
        range: EntryRange,
        skipped: &BTreeSet<u64>,
    ) -> Result<u64, StoreError> {
        self.check()?;
        if range.from > range.to {
            return Ok(0);
        }
        Ok(self
            .tables()
            .entries
            .range((conversation, range.from)..=(conversation, range.to))
            .filter(|((_, number), row)| {
                row.countable_sender.is_some_and(|sender| sender != reader)
                    && !skipped.contains(number)
            })
            .count() as u64)
    }

    async fn set_aside_offsets(
        &self,
        _partition: i32,
        _epoch: u64,
    ) -> Result<HashSet<i64>, StoreError> {
        self.check()?;
        Ok(HashSet::new())
    }

    async fn set_aside(
        &self,
        _partition: i32,
        position: Position,
        reason: &str,
        _value: &[u8],
    ) -> Result<(), StoreError> {
        panic!("nothing here is poison: {position:?}: {reason}")
    }
}

impl Tables {
    fn changes_of(&self, conversation: ConversationId) -> impl Iterator<Item = &ChangeRow> {
        self.changes
            .range((conversation, 0, 0)..=(conversation, u64::MAX, u64::MAX))
            .map(|(_, row)| row)
    }
}

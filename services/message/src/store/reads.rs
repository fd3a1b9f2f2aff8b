//! What decisions and pages read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;

use ids::{ConversationId, UserId};
use proto::socket::Entry;

use super::{EntryRange, ReachedAt, Store, StoreError};
use crate::domain::conversation::{DeletionRow, Head, StoredEntry, StoredTarget};
use crate::domain::membership::MemberRow;
use crate::domain::readers::{HiddenRow, ReaderRow};
use crate::domain::submission::IdKey;
use crate::domain::{FirstSeen, Position};

/// Reads of the store, each strongly consistent. [`Store`] says what they mean; the simulation has a store of
/// its own, in which time and faults come from a seed.
pub trait Reads: Clone + Send + Sync + 'static {
    fn head(&self, conversation: ConversationId) -> impl Read<Option<Head>>;

    fn heads(&self, conversations: &[ConversationId]) -> impl Read<HashMap<ConversationId, Head>>;

    fn first_seen(
        &self,
        keys: &[(ConversationId, IdKey)],
    ) -> impl Read<HashMap<(ConversationId, IdKey), FirstSeen>>;

    fn members(&self, conversation: ConversationId) -> impl Read<Vec<MemberRow>>;

    fn member_rows(&self, conversation: ConversationId, user: UserId) -> impl Read<Vec<MemberRow>>;

    fn reader(
        &self,
        conversation: ConversationId,
        reader: UserId,
        applied: Position,
    ) -> impl Read<Option<ReaderRow>>;

    fn reached_at(
        &self,
        conversation: ConversationId,
        reader: UserId,
        number: u64,
        written: Position,
        applied: Position,
    ) -> impl Read<ReachedAt>;

    fn hidden(&self, conversation: ConversationId, reader: UserId) -> impl Read<Vec<HiddenRow>>;

    fn entries(&self, conversation: ConversationId, numbers: &[u64])
    -> impl Read<Vec<StoredEntry>>;

    fn changes(
        &self,
        conversation: ConversationId,
        targets: &BTreeSet<u64>,
    ) -> impl Read<HashMap<u64, Vec<Entry>>>;

    fn target(&self, conversation: ConversationId, number: u64) -> impl Read<StoredTarget>;

    fn deletions(
        &self,
        conversation: ConversationId,
        range: EntryRange,
    ) -> impl Read<Vec<DeletionRow>>;

    fn deleted_of(
        &self,
        conversation: ConversationId,
        numbers: HashSet<u64>,
    ) -> impl Read<HashSet<u64>>;

    fn count_by_others(
        &self,
        conversation: ConversationId,
        reader: UserId,
        range: EntryRange,
        skipped: &BTreeSet<u64>,
    ) -> impl Read<u64>;

    fn set_aside_offsets(&self, partition: i32, epoch: u64) -> impl Read<HashSet<i64>>;

    fn set_aside(
        &self,
        partition: i32,
        position: Position,
        reason: &str,
        value: &[u8],
    ) -> impl Read<()>;
}

/// What a read gives in the end.
pub trait Read<T>: Future<Output = Result<T, StoreError>> + Send {}

impl<T, F: Future<Output = Result<T, StoreError>> + Send> Read<T> for F {}

impl Reads for Store {
    fn head(&self, conversation: ConversationId) -> impl Read<Option<Head>> {
        self.head(conversation)
    }

    fn heads(&self, conversations: &[ConversationId]) -> impl Read<HashMap<ConversationId, Head>> {
        self.heads(conversations)
    }

    fn first_seen(
        &self,
        keys: &[(ConversationId, IdKey)],
    ) -> impl Read<HashMap<(ConversationId, IdKey), FirstSeen>> {
        self.first_seen(keys)
    }

    fn members(&self, conversation: ConversationId) -> impl Read<Vec<MemberRow>> {
        self.members(conversation)
    }

    fn member_rows(&self, conversation: ConversationId, user: UserId) -> impl Read<Vec<MemberRow>> {
        self.member_rows(conversation, user)
    }

    fn reader(
        &self,
        conversation: ConversationId,
        reader: UserId,
        applied: Position,
    ) -> impl Read<Option<ReaderRow>> {
        self.reader(conversation, reader, applied)
    }

    fn reached_at(
        &self,
        conversation: ConversationId,
        reader: UserId,
        number: u64,
        written: Position,
        applied: Position,
    ) -> impl Read<ReachedAt> {
        self.reached_at(conversation, reader, number, written, applied)
    }

    fn hidden(&self, conversation: ConversationId, reader: UserId) -> impl Read<Vec<HiddenRow>> {
        self.hidden(conversation, reader)
    }

    fn entries(
        &self,
        conversation: ConversationId,
        numbers: &[u64],
    ) -> impl Read<Vec<StoredEntry>> {
        self.entries(conversation, numbers)
    }

    fn changes(
        &self,
        conversation: ConversationId,
        targets: &BTreeSet<u64>,
    ) -> impl Read<HashMap<u64, Vec<Entry>>> {
        self.changes(conversation, targets)
    }

    fn target(&self, conversation: ConversationId, number: u64) -> impl Read<StoredTarget> {
        self.target(conversation, number)
    }

    fn deletions(
        &self,
        conversation: ConversationId,
        range: EntryRange,
    ) -> impl Read<Vec<DeletionRow>> {
        self.deletions(conversation, range)
    }

    fn deleted_of(
        &self,
        conversation: ConversationId,
        numbers: HashSet<u64>,
    ) -> impl Read<HashSet<u64>> {
        self.deleted_of(conversation, numbers)
    }

    fn count_by_others(
        &self,
        conversation: ConversationId,
        reader: UserId,
        range: EntryRange,
        skipped: &BTreeSet<u64>,
    ) -> impl Read<u64> {
        self.count_by_others(conversation, reader, range, skipped)
    }

    fn set_aside_offsets(&self, partition: i32, epoch: u64) -> impl Read<HashSet<i64>> {
        self.set_aside_offsets(partition, epoch)
    }

    fn set_aside(
        &self,
        partition: i32,
        position: Position,
        reason: &str,
        value: &[u8],
    ) -> impl Read<()> {
        self.set_aside(partition, position, reason, value)
    }
}

//! Reading: always strongly consistent, never beyond a head.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::{ConversationId, UserId};

use super::codec::{
    Item, bucket_key, bucket_of, entry_of, first_seen_of, head_of, id_sort_key, member_of,
    member_prefix, n, number, s, sender_of, text,
};
use super::{BUCKET_SIZE, Store, StoreError};
use crate::domain::FirstSeen;
use crate::domain::conversation::{Head, StoredEntry};
use crate::domain::membership::MemberRow;
use crate::domain::submission::IdKey;

/// Keys that DynamoDB takes in one batch.
const BATCH_KEYS: usize = 100;
/// Requests in flight for one call.
pub const CONCURRENCY: usize = 8;

/// A stretch of numbers, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRange {
    pub from: u64,
    pub to: u64,
}

impl Store {
    /// The heads of those conversations that have one.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn heads(
        &self,
        conversations: &[ConversationId],
    ) -> Result<HashMap<ConversationId, Head>, StoreError> {
        let keys = conversations
            .iter()
            .collect::<HashSet<_>>()
            .into_iter()
            .map(|id| (id.to_string(), "head".to_owned()))
            .collect();
        let mut heads = HashMap::new();
        for item in self.batch_get(keys).await? {
            let id = text(&item, "pk")?
                .parse()
                .map_err(|_| StoreError::Malformed("pk"))?;
            heads.insert(id, head_of(&item)?);
        }
        Ok(heads)
    }

    /// One head.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn head(&self, conversation: ConversationId) -> Result<Option<Head>, StoreError> {
        let row = self
            .client
            .get_item()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key("pk", s(conversation.to_string()))
            .key("sk", s("head"))
            .send()
            .await?;
        row.item().map(head_of).transpose()
    }

    /// What is known of client message ids, from before or after any position.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn first_seen(
        &self,
        keys: &[(ConversationId, IdKey)],
    ) -> Result<HashMap<(ConversationId, IdKey), FirstSeen>, StoreError> {
        let wanted: HashMap<(String, String), (ConversationId, IdKey)> = keys
            .iter()
            .map(|(conversation, key)| {
                let row = (conversation.to_string(), id_sort_key(*key));
                (row, (*conversation, *key))
            })
            .collect();
        let mut found = HashMap::new();
        for item in self.batch_get(wanted.keys().cloned().collect()).await? {
            let row = (text(&item, "pk")?.to_owned(), text(&item, "sk")?.to_owned());
            if let Some(key) = wanted.get(&row) {
                found.insert(*key, first_seen_of(&item)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn batch_get(
        &self,
        keys: Vec<(String, String)>,
    ) -> Result<Vec<Item>, StoreError> {
        let gets: Vec<_> = keys
            .chunks(BATCH_KEYS)
            .map(|chunk| self.batch_get_chunk(chunk.to_vec()))
            .collect();
        let found: Vec<Vec<Item>> = stream::iter(gets)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn batch_get_chunk(&self, keys: Vec<(String, String)>) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Item> = keys
            .into_iter()
            .map(|(pk, sk)| HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]))
            .collect();
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(|_| StoreError::Malformed("keys"))?;
        let mut request = HashMap::from([(self.conversations.clone(), wanted)]);
        let mut items = Vec::new();
        for _ in 0..8 {
            let mut answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(request))
                .send()
                .await?;
            if let Some(mut responses) = answer.responses.take() {
                items.extend(responses.remove(&self.conversations).unwrap_or_default());
            }
            request = answer.unprocessed_keys.unwrap_or_default();
            if request.is_empty() {
                return Ok(items);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(StoreError::Unavailable("keys stay unprocessed".to_owned()))
    }

    /// The whole history of a conversation's membership.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn members(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<MemberRow>, StoreError> {
        self.rows(conversation, "m#").await
    }

    /// One person's part of it.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn member_rows(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Vec<MemberRow>, StoreError> {
        self.rows(conversation, &member_prefix(user)).await
    }

    async fn rows(
        &self,
        conversation: ConversationId,
        prefix: &str,
    ) -> Result<Vec<MemberRow>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(conversation.to_string()))
            .expression_attribute_values(":prefix", s(prefix))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(item) = pages.next().await {
            rows.push(member_of(&item?)?);
        }
        Ok(rows)
    }

    /// The entries with these numbers, ascending. The numbers must not lie beyond a head that was read
    /// before: then a missing one is a fault of the read.
    ///
    /// # Errors
    /// When they can't be read, or a hole stays.
    pub async fn entries(
        &self,
        conversation: ConversationId,
        numbers: &[u64],
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let mut buckets: BTreeMap<u64, EntryRange> = BTreeMap::new();
        for number in numbers {
            buckets
                .entry(bucket_of(*number))
                .and_modify(|range| range.to = range.to.max(*number))
                .or_insert(EntryRange {
                    from: *number,
                    to: *number,
                });
        }
        let wanted: BTreeSet<u64> = numbers.iter().copied().collect();
        let reads: Vec<_> = buckets
            .into_iter()
            .map(|(bucket, range)| self.bucket(conversation, bucket, range, None))
            .collect();
        let pages: Vec<Vec<Item>> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut entries = Vec::with_capacity(wanted.len());
        for item in pages.iter().flatten() {
            if wanted.contains(&number::<u64>(item, "n")?) {
                entries.push(entry_of(item)?);
            }
        }
        if entries.len() == wanted.len() {
            Ok(entries)
        } else {
            Err(StoreError::Unavailable(
                "an entry below the head is missing".to_owned(),
            ))
        }
    }

    /// How many countable messages `reader` did not write with `from <= number <= to`, without those in
    /// `skipped`.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn count_by_others(
        &self,
        conversation: ConversationId,
        reader: UserId,
        range: EntryRange,
        skipped: &BTreeSet<u64>,
    ) -> Result<u64, StoreError> {
        if range.from > range.to {
            return Ok(0);
        }
        let reads: Vec<_> = (bucket_of(range.from)..=bucket_of(range.to))
            .map(|bucket| {
                let part = EntryRange {
                    from: range.from.max(bucket * BUCKET_SIZE + 1),
                    to: range.to.min((bucket + 1) * BUCKET_SIZE),
                };
                self.bucket(conversation, bucket, part, Some("n, sender"))
            })
            .collect();
        let mut pages = stream::iter(reads).buffer_unordered(CONCURRENCY);
        let mut count = 0;
        while let Some(items) = pages.next().await {
            for item in &items? {
                if sender_of(item)?.is_some_and(|sender| sender != reader)
                    && !skipped.contains(&number(item, "n")?)
                {
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    async fn bucket(
        &self,
        conversation: ConversationId,
        bucket: u64,
        range: EntryRange,
        projection: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.messages)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND n BETWEEN :from AND :to")
            .expression_attribute_values(":pk", bucket_key(conversation, bucket))
            .expression_attribute_values(":from", n(range.from))
            .expression_attribute_values(":to", n(range.to))
            .set_projection_expression(projection.map(ToOwned::to_owned))
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item?);
        }
        Ok(items)
    }

    /// Offsets of one partition that were set aside in this epoch.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn set_aside_offsets(
        &self,
        partition: i32,
        epoch: u64,
    ) -> Result<HashSet<i64>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(format!("log#{partition}")))
            .expression_attribute_values(":prefix", s(format!("p#{epoch:06}#")))
            .projection_expression("#o")
            .expression_attribute_names("#o", "offset")
            .into_paginator()
            .items()
            .send();
        let mut offsets = HashSet::new();
        while let Some(item) = pages.next().await {
            offsets.insert(number(&item?, "offset")?);
        }
        Ok(offsets)
    }

    /// Every row of both tables, for tests that compare stores.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn dump(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let mut rows = BTreeMap::new();
        for table in [&self.messages, &self.conversations] {
            let mut pages = self
                .client
                .scan()
                .table_name(table)
                .consistent_read(true)
                .into_paginator()
                .items()
                .send();
            while let Some(item) = pages.next().await {
                let item = item?;
                let key = |name: &str| format!("{:?}", item.get(name));
                let attributes: BTreeMap<&String, &AttributeValue> = item.iter().collect();
                rows.insert(
                    format!("{table} {} {} {}", key("pk"), key("sk"), key("n")),
                    format!("{attributes:?}"),
                );
            }
        }
        Ok(rows)
    }
}

//! Reading what became of messages: changes, deletions, what somebody hid.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::{ConversationId, UserId};
use proto::socket::Entry;

use super::codec::{
    Item, bucket_of, change_kind_of, change_of, changes_key, deletion_of, hidden_of, hidden_prefix,
    number_key, s,
};
use super::read::{CONCURRENCY, EntryRange};
use super::{Store, StoreError};
use crate::domain::conversation::{DeletionRow, StoredTarget};
use crate::domain::readers::HiddenRow;

impl Store {
    /// The changes of the messages with these numbers, by message, in the order of the changes.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn changes(
        &self,
        conversation: ConversationId,
        targets: &BTreeSet<u64>,
    ) -> Result<HashMap<u64, Vec<Entry>>, StoreError> {
        let mut buckets: BTreeMap<u64, EntryRange> = BTreeMap::new();
        for number in targets {
            buckets
                .entry(bucket_of(*number))
                .and_modify(|range| range.to = *number)
                .or_insert(EntryRange {
                    from: *number,
                    to: *number,
                });
        }
        let reads: Vec<_> = buckets
            .into_iter()
            .map(|(bucket, range)| {
                let from = number_key("", range.from);
                // '~' is above '#' and all digits.
                let to = format!("{}~", number_key("", range.to));
                self.between(changes_key(conversation, bucket), from, to, None)
            })
            .collect();
        let pages: Vec<Vec<Item>> = stream::iter(reads)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut changes: HashMap<u64, Vec<Entry>> = HashMap::new();
        for item in pages.iter().flatten() {
            let entry = change_of(item)?;
            if let Some(target) = entry.change.as_ref().and_then(|change| change.target())
                && targets.contains(&target)
            {
                changes.entry(target).or_default().push(entry);
            }
        }
        Ok(changes)
    }

    /// A message that is to be changed, and what was done to it, from before or after any position.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn target(
        &self,
        conversation: ConversationId,
        number: u64,
    ) -> Result<StoredTarget, StoreError> {
        let entry = self.entries(conversation, &[number]).await?.pop();
        let key = number_key("", number);
        let rows = self
            .between(
                changes_key(conversation, bucket_of(number)),
                format!("{key}#"),
                format!("{key}~"),
                Some(&["deletion", "epoch", "offset"]),
            )
            .await?;
        Ok(StoredTarget {
            entry,
            changes: rows.iter().map(change_kind_of).collect::<Result<_, _>>()?,
        })
    }

    /// The messages of a stretch that were deleted, at any position.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn deletions(
        &self,
        conversation: ConversationId,
        range: EntryRange,
    ) -> Result<Vec<DeletionRow>, StoreError> {
        if range.from > range.to {
            return Ok(Vec::new());
        }
        let (from, to) = (number_key("d#", range.from), number_key("d#", range.to));
        self.between(s(conversation.to_string()), from, to, None)
            .await?
            .iter()
            .map(deletion_of)
            .collect()
    }

    /// Which of these messages were deleted.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn deleted_of(
        &self,
        conversation: ConversationId,
        numbers: HashSet<u64>,
    ) -> Result<HashSet<u64>, StoreError> {
        let keys = numbers
            .into_iter()
            .map(|number| (conversation.to_string(), number_key("d#", number)))
            .collect();
        self.batch_get(keys)
            .await?
            .iter()
            .map(|item| deletion_of(item).map(|row| row.target))
            .collect()
    }

    /// What a member has hidden, at any position, by number.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn hidden(
        &self,
        conversation: ConversationId,
        reader: UserId,
    ) -> Result<Vec<HiddenRow>, StoreError> {
        let prefix = hidden_prefix(reader);
        let to = format!("{prefix}~");
        self.between(s(conversation.to_string()), prefix, to, None)
            .await?
            .iter()
            .map(hidden_of)
            .collect()
    }

    /// All rows of one partition of the conversations table with `from <= sk <= to`.
    pub(super) async fn between(
        &self,
        partition: AttributeValue,
        from: String,
        to: String,
        attributes: Option<&[&str]>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", partition)
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(to));
        if let Some(attributes) = attributes {
            // By placeholders: some names are words of DynamoDB.
            let names = attributes.iter().enumerate();
            let placeholders: Vec<String> = names.clone().map(|(n, _)| format!("#a{n}")).collect();
            query = query.projection_expression(placeholders.join(", "));
            for (n, name) in names {
                query = query.expression_attribute_names(format!("#a{n}"), *name);
            }
        }
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item?);
        }
        Ok(items)
    }
}

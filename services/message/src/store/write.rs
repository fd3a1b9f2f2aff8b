//! Writing: immutable rows in batches, heads with a condition.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::ConversationId;
use rand::RngExt as _;

use super::codec::{
    entry_item, first_seen_item, head_item, mark_item, member_item, n, position_key, s,
};
use super::{Store, StoreError};
use crate::domain::Position;
use crate::domain::conversation::{Head, Rows};

/// Items that DynamoDB takes in one batch.
const BATCH_ITEMS: usize = 25;
/// Requests in flight for one call.
const CONCURRENCY: usize = 8;

/// Immutable rows on their way into both tables.
#[derive(Debug, Default)]
pub struct RowSet {
    /// `true`: of the messages table.
    requests: Vec<(bool, WriteRequest)>,
}

impl RowSet {
    /// Adds what one record has to store.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] never for rows that we made.
    pub fn add(
        &mut self,
        conversation: ConversationId,
        time_unix_ms: i64,
        rows: &Rows,
    ) -> Result<(), StoreError> {
        if let Some(stored) = &rows.entry {
            self.put(true, entry_item(conversation, stored))?;
        }
        if let Some((key, first)) = &rows.first_seen {
            self.put(
                false,
                first_seen_item(conversation, *key, first, time_unix_ms),
            )?;
        }
        for member in &rows.members {
            self.put(false, member_item(conversation, member))?;
        }
        if let Some(mark) = &rows.mark {
            self.put(false, mark_item(conversation, mark))?;
        }
        Ok(())
    }

    fn put(&mut self, messages: bool, item: super::codec::Item) -> Result<(), StoreError> {
        let put = PutRequest::builder()
            .set_item(Some(item))
            .build()
            .map_err(|_| StoreError::Malformed("put"))?;
        self.requests
            .push((messages, WriteRequest::builder().put_request(put).build()));
        Ok(())
    }

    /// Rows in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

impl Store {
    /// Puts all rows, some requests at a time. What DynamoDB leaves unprocessed is sent again, with
    /// backoff, up to a limit; calling again with the same rows is harmless.
    ///
    /// # Errors
    /// When not all rows are known to be stored.
    pub async fn put_rows(&self, rows: &RowSet) -> Result<(), StoreError> {
        let puts: Vec<_> = rows
            .requests
            .chunks(BATCH_ITEMS)
            .map(|chunk| self.put_batch(chunk))
            .collect();
        stream::iter(puts)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn put_batch(&self, chunk: &[(bool, WriteRequest)]) -> Result<(), StoreError> {
        let mut items: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for (messages, request) in chunk {
            let table = if *messages {
                &self.messages
            } else {
                &self.conversations
            };
            items
                .entry(table.clone())
                .or_default()
                .push(request.clone());
        }
        for attempt in 0..8u32 {
            let place = self.place_for_a_write().await?;
            let answer = self
                .client
                .batch_write_item()
                .set_request_items(Some(items))
                .send()
                .await?;
            drop(place);
            items = answer.unprocessed_items.unwrap_or_default();
            if items.is_empty() {
                return Ok(());
            }
            metrics::counter!("message_store_unprocessed_total").increment(1);
            let ceiling = 20u64 << attempt;
            let pause = rand::rng().random_range(ceiling / 2..=ceiling);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(StoreError::Unavailable("items stay unprocessed".to_owned()))
    }

    /// Stores heads, unless a stored one is as far or further: then somebody is ahead, and all is well.
    ///
    /// # Errors
    /// When a head is not known to be stored.
    pub async fn put_heads(&self, heads: &[(ConversationId, Head)]) -> Result<(), StoreError> {
        let puts: Vec<_> = heads
            .iter()
            .map(|(conversation, head)| self.put_head(*conversation, head))
            .collect();
        stream::iter(puts)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn put_head(&self, conversation: ConversationId, head: &Head) -> Result<(), StoreError> {
        let _place = self.place_for_a_write().await?;
        let put = self
            .client
            .put_item()
            .table_name(&self.conversations)
            .set_item(Some(head_item(conversation, head)))
            .condition_expression("attribute_not_exists(pk) OR #e < :e OR (#e = :e AND #o < :o)")
            .expression_attribute_names("#e", "epoch")
            .expression_attribute_names("#o", "offset")
            .expression_attribute_values(":e", n(head.position.epoch))
            .expression_attribute_values(":o", n(head.position.offset))
            .send()
            .await;
        match put {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                metrics::counter!("message_heads_overtaken_total").increment(1);
                Ok(())
            }
            other => other.map(drop).map_err(StoreError::from),
        }
    }

    /// Notes that a record was set aside. Binds every replay, by any version.
    ///
    /// # Errors
    /// When the note is not known to be stored.
    pub async fn set_aside(
        &self,
        partition: i32,
        position: Position,
        reason: &str,
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.conversations)
            .item("pk", s(format!("log#{partition}")))
            .item("sk", s(position_key("p#", position)))
            .item("epoch", n(position.epoch))
            .item("offset", n(position.offset))
            .item("reason", s(reason))
            .item(
                "value",
                aws_sdk_dynamodb::types::AttributeValue::B(
                    aws_sdk_dynamodb::primitives::Blob::new(value),
                ),
            )
            .send()
            .await?;
        Ok(())
    }
}

//! Writing: immutable rows in batches, heads with a condition.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    BatchStatementErrorCodeEnum, BatchStatementRequest, PutRequest, WriteRequest,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use ids::ConversationId;
use rand::RngExt as _;

use super::codec::{
    change_item, deletion_item, entry_item, first_seen_item, head_item, hidden_item, member_item,
    n, position_key, reader_item, s,
};
use super::{Store, StoreError};
use crate::domain::Position;
use crate::domain::conversation::{Head, Rows};

/// Items that DynamoDB takes in one batch.
const BATCH_ITEMS: usize = 25;
/// Statements that DynamoDB takes in one batch.
const BATCH_STATEMENTS: usize = 25;
/// Requests in flight for one call.
const CONCURRENCY: usize = 8;

/// What one record has to store: immutable rows.
#[derive(Debug, Clone)]
pub struct Written {
    pub conversation: ConversationId,
    /// The record's time.
    pub time_unix_ms: i64,
    pub rows: Rows,
}

/// Puts into both tables; `true`: into the one of messages.
type Puts = Vec<(bool, WriteRequest)>;

impl Written {
    fn put_into(&self, puts: &mut Puts) -> Result<(), StoreError> {
        let (conversation, rows) = (self.conversation, &self.rows);
        if let Some(stored) = &rows.entry {
            puts.push((true, put(entry_item(conversation, stored))?));
        }
        let first_seen = rows
            .first_seen
            .as_ref()
            .map(|(key, first)| first_seen_item(conversation, *key, first, self.time_unix_ms));
        let reader = rows.reader.as_ref();
        let hidden = rows.hidden.as_ref();
        let change = rows.change.as_ref();
        let deletion = rows.deletion.as_ref();
        let items = [
            first_seen,
            reader.map(|row| reader_item(conversation, row)),
            hidden.map(|row| hidden_item(conversation, row)),
            change.map(|row| change_item(conversation, row)),
            deletion.map(|row| deletion_item(conversation, row)),
        ];
        let members = rows
            .members
            .iter()
            .map(|row| member_item(conversation, row));
        for item in items.into_iter().flatten().chain(members) {
            puts.push((false, put(item)?));
        }
        Ok(())
    }
}

fn put(item: super::codec::Item) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder()
        .set_item(Some(item))
        .build()
        .map_err(|_| StoreError::Malformed("put"))?;
    Ok(WriteRequest::builder().put_request(put).build())
}

impl Store {
    /// Puts all rows, some requests at a time. What DynamoDB leaves unprocessed is sent again, with backoff,
    /// up to a limit; calling again with the same rows is harmless.
    ///
    /// # Errors
    /// When not all rows are known to be stored.
    pub async fn put_rows(
        &self,
        written: impl IntoIterator<Item = &Written>,
    ) -> Result<(), StoreError> {
        let mut rows = Puts::new();
        for written in written {
            written.put_into(&mut rows)?;
        }
        let puts: Vec<_> = rows
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
    pub async fn put_heads(&self, heads: &[&(ConversationId, Head)]) -> Result<(), StoreError> {
        let puts: Vec<_> = heads
            .chunks(BATCH_STATEMENTS)
            .map(|chunk| self.put_some_heads(chunk))
            .collect();
        stream::iter(puts)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Heads that are there are replaced in one request, each with a condition of its own; a batch of puts
    /// knows none. What the condition refuses is new or overtaken, which a put tells apart.
    async fn put_some_heads(&self, heads: &[&(ConversationId, Head)]) -> Result<(), StoreError> {
        let mut refused = Vec::new();
        if let [one] = heads {
            refused.push(*one);
        } else {
            let statements = heads
                .iter()
                .map(|(conversation, head)| self.replace_head(*conversation, head))
                .collect::<Result<Vec<_>, _>>()?;
            let place = self.place_for_a_write().await?;
            let answer = self
                .client
                .batch_execute_statement()
                .set_statements(Some(statements))
                .send()
                .await?;
            drop(place);
            let outcomes = answer.responses();
            if outcomes.len() != heads.len() {
                return Err(StoreError::Malformed("answers to statements"));
            }
            for (head, outcome) in heads.iter().zip(outcomes) {
                match outcome.error().map(|error| (error.code(), error.message())) {
                    None => {}
                    Some((Some(BatchStatementErrorCodeEnum::ConditionalCheckFailed), _)) => {
                        refused.push(head);
                    }
                    Some((code, message)) => {
                        return Err(StoreError::Unavailable(format!(
                            "a head was not stored: {code:?} {}",
                            message.unwrap_or_default()
                        )));
                    }
                }
            }
        }
        for (conversation, head) in refused {
            self.put_head(*conversation, head).await?;
        }
        Ok(())
    }

    /// PartiQL's way to say what [`Self::put_head`] says of a head that exists.
    fn replace_head(
        &self,
        conversation: ConversationId,
        head: &Head,
    ) -> Result<BatchStatementRequest, StoreError> {
        let (epoch, offset) = (n(head.position.epoch), n(head.position.offset));
        BatchStatementRequest::builder()
            .statement(format!(
                "UPDATE \"{}\" SET \"last\" = ? SET \"countable\" = ? SET \"version\" = ? \
                 SET \"epoch\" = ? SET \"offset\" = ? SET \"applied_at\" = ? SET \"last_at\" = ? \
                 SET \"shown\" = ? SET \"changes\" = ? SET \"deletions\" = ? \
                 WHERE \"pk\" = ? AND \"sk\" = ? \
                 AND (\"epoch\" < ? OR (\"epoch\" = ? AND \"offset\" < ?))",
                self.conversations
            ))
            .parameters(n(head.last_number))
            .parameters(n(head.countable_total))
            .parameters(n(head.membership_version))
            .parameters(epoch.clone())
            .parameters(offset.clone())
            .parameters(n(head.applied_time_unix_ms))
            .parameters(n(head.last_time_unix_ms))
            .parameters(n(head.last_shown_number))
            .parameters(n(head.changes_total))
            .parameters(n(head.deletions_total))
            .parameters(s(conversation.to_string()))
            .parameters(s("head"))
            .parameters(epoch.clone())
            .parameters(epoch)
            .parameters(offset)
            .build()
            .map_err(|_| StoreError::Malformed("statement"))
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

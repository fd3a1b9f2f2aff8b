//! Reading how far members have got.

use ids::{ConversationId, UserId};

use super::codec::{position_key, reader_of, reader_prefix, s};
use super::{Store, StoreError};
use crate::domain::Position;
use crate::domain::readers::ReaderRow;

/// When a reader's marks first stood at or above a number, in Unix milliseconds; `None`: not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReachedAt {
    pub delivered_unix_ms: Option<i64>,
    pub read_unix_ms: Option<i64>,
}

impl Store {
    /// Where the reader stood as of `applied`; `None`: no mark was moved by then.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn reader(
        &self,
        conversation: ConversationId,
        reader: UserId,
        applied: Position,
    ) -> Result<Option<ReaderRow>, StoreError> {
        let prefix = reader_prefix(reader);
        let page = self
            .client
            .query()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(conversation.to_string()))
            .expression_attribute_values(":to", s(position_key(&prefix, applied)))
            .expression_attribute_values(":from", s(prefix))
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await?;
        page.items().first().map(reader_of).transpose()
    }

    /// When the reader got and read the message that was written at `written`, as of `applied`.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn reached_at(
        &self,
        conversation: ConversationId,
        reader: UserId,
        number: u64,
        written: Position,
        applied: Position,
    ) -> Result<ReachedAt, StoreError> {
        let prefix = reader_prefix(reader);
        let mut reached = ReachedAt::default();
        // Nobody reaches a message before it is there.
        let mut pages = self
            .client
            .query()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(conversation.to_string()))
            .expression_attribute_values(":from", s(position_key(&prefix, written)))
            .expression_attribute_values(":to", s(position_key(&prefix, applied)))
            .limit(50)
            .into_paginator()
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let row = reader_of(&item?)?;
            if row.marks.delivered >= number {
                reached.delivered_unix_ms.get_or_insert(row.time_unix_ms);
            }
            if row.marks.read >= number {
                reached.read_unix_ms = Some(row.time_unix_ms);
                break;
            }
        }
        Ok(reached)
    }
}

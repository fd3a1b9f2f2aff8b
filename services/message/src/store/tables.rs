//! Making the tables.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification,
};

use super::codec::{n, s};
use super::{Store, StoreError};

impl Store {
    /// Makes both tables and the first epoch of the log where they are missing. Idempotent.
    ///
    /// # Errors
    /// When DynamoDB refuses or can't be reached.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.create_table(&self.messages, ("n", ScalarAttributeType::N))
            .await?;
        self.create_table(&self.conversations, ("sk", ScalarAttributeType::S))
            .await?;
        self.expire_ids().await?;
        let first = self
            .client
            .put_item()
            .table_name(&self.conversations)
            .item("pk", s("log"))
            .item("sk", s("epoch"))
            .item("epoch", n(1))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match first {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            other => other.map(drop).map_err(StoreError::from),
        }
    }

    async fn create_table(
        &self,
        table: &str,
        sort_key: (&str, ScalarAttributeType),
    ) -> Result<(), StoreError> {
        let attribute = |name: &str, kind: ScalarAttributeType| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .map_err(|_| StoreError::Malformed("attribute definition"))
        };
        let key = |name: &str, kind: KeyType| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .map_err(|_| StoreError::Malformed("key schema"))
        };
        let created = self
            .client
            .create_table()
            .table_name(table)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk", ScalarAttributeType::S)?)
            .attribute_definitions(attribute(sort_key.0, sort_key.1)?)
            .key_schema(key("pk", KeyType::Hash)?)
            .key_schema(key(sort_key.0, KeyType::Range)?)
            .send()
            .await;
        if let Err(error) = created
            && !error
                .as_service_error()
                .is_some_and(|error| error.is_resource_in_use_exception())
        {
            return Err(error.into());
        }
        // AWS takes some seconds to make a table.
        loop {
            let description = self
                .client
                .describe_table()
                .table_name(table)
                .send()
                .await?;
            if description
                .table()
                .and_then(|table| table.table_status())
                .is_some_and(|status| *status == TableStatus::Active)
            {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }

    async fn expire_ids(&self) -> Result<(), StoreError> {
        let current = self
            .client
            .describe_time_to_live()
            .table_name(&self.conversations)
            .send()
            .await?;
        let is_set = current
            .time_to_live_description()
            .and_then(|ttl| ttl.attribute_name())
            .is_some();
        if is_set {
            return Ok(());
        }
        let specification = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name("expires")
            .build()
            .map_err(|_| StoreError::Malformed("time to live"))?;
        self.client
            .update_time_to_live()
            .table_name(&self.conversations)
            .time_to_live_specification(specification)
            .send()
            .await?;
        Ok(())
    }

    /// The epoch of the log that offsets belong to.
    ///
    /// # Errors
    /// When it can't be read, or nobody ran the migration.
    pub async fn epoch(&self) -> Result<u64, StoreError> {
        let row = self
            .client
            .get_item()
            .table_name(&self.conversations)
            .consistent_read(true)
            .key("pk", s("log"))
            .key("sk", s("epoch"))
            .send()
            .await?;
        let item = row
            .item()
            .ok_or(StoreError::Malformed("no epoch: run `message migrate`"))?;
        super::codec::number(item, "epoch")
    }

    /// Begins the next epoch: for a log that was made anew or lost its end. Returns it.
    ///
    /// # Errors
    /// When DynamoDB refuses or can't be reached.
    pub async fn begin_epoch(&self) -> Result<u64, StoreError> {
        self.client
            .update_item()
            .table_name(&self.conversations)
            .key("pk", s("log"))
            .key("sk", s("epoch"))
            .update_expression("ADD epoch :one")
            .expression_attribute_values(":one", n(1))
            .send()
            .await?;
        self.epoch().await
    }
}

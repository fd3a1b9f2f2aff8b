//! DynamoDB: entries, and what is known of each conversation.
//!
//! | table | partition key | sort key | row |
//! |---|---|---|---|
//! | messages | `<conversation>#<bucket>` | number | an entry; a bucket holds 128 numbers, so that a busy conversation spreads |
//! | conversations | `<conversation>` | `head` | last number, applied position: the only row that is ever replaced, and never by an older one |
//! | | | `m#<user>#<epoch>#<offset>` | came, left, got another role, ... |
//! | | | `r#<user>#<epoch>#<offset>` | a mark of a reader moved: where all of them are since |
//! | | | `h#<user>#<number>` | an entry that a member has hidden |
//! | | | `d#<number>` | a message that was deleted for everybody |
//! | | | `c#<user>#<client message id>` | first record with the id and its outcome; expires |
//! | | `<conversation>#x#<bucket>` | `<number>#<number of the change>` | a change of a message, with the message's bucket |
//! | | `log` | `epoch` | which log the offsets belong to |
//! | | `log#<partition>` | `p#<epoch>#<offset>` | a record that was set aside |
//!
//! All but `head` are immutable: whoever writes one again writes the same bytes, so batches need no
//! condition and a late writer can't revert anything.

mod changes;
mod codec;
mod read;
mod readers;
mod reads;
mod tables;
mod write;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use read::EntryRange;
pub use readers::ReachedAt;
pub use reads::Reads;
pub use write::Written;

/// Numbers to a bucket of the messages table.
pub const BUCKET_SIZE: u64 = 128;

/// The `[aws]` section of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSettings {
    pub region: String,
    /// Set for an emulator; empty: AWS itself.
    #[serde(default)]
    pub dynamodb_endpoint: String,
    /// Put before the names of both tables.
    pub table_prefix: String,
}

/// What can go wrong between us and DynamoDB.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Wait and try again.
    #[error("DynamoDB: {0}")]
    Unavailable(String),
    /// A row is not what we write.
    #[error("a stored row is malformed: {0}")]
    Malformed(&'static str),
}

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: std::error::Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        Self::Unavailable(DisplayErrorContext(error).to_string())
    }
}

impl From<StoreError> for problem::Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => Self::unavailable("dynamodb", &error),
            StoreError::Malformed(_) => Self::internal(&error),
        }
    }
}

/// A handle on both tables; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    messages: String,
    conversations: String,
    /// Places for writes in flight, over all partitions. While one waits, its next batch grows: a store
    /// that is slow gets fewer and larger requests, not more.
    writes: Arc<Semaphore>,
}

/// Writes in flight at once.
const WRITES_AT_ONCE: usize = 16;

impl Store {
    /// A client with the credentials of the environment. Connects at the first call.
    pub async fn connect(settings: &AwsSettings) -> Self {
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new(settings.region.clone()))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(2))
                    .operation_attempt_timeout(Duration::from_secs(10))
                    .operation_timeout(Duration::from_secs(25))
                    .build(),
            )
            // Requests and answers are small; their timeouts above are enough.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::standard().with_max_attempts(3));
        if !settings.dynamodb_endpoint.is_empty() {
            loader = loader.endpoint_url(&settings.dynamodb_endpoint);
        }
        Self::with_client(Client::new(&loader.load().await), &settings.table_prefix)
    }

    /// With a client of the caller's making.
    #[must_use]
    pub fn with_client(client: Client, table_prefix: &str) -> Self {
        Self {
            client,
            messages: format!("{table_prefix}messages"),
            conversations: format!("{table_prefix}conversations"),
            writes: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
        }
    }

    async fn place_for_a_write(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        self.writes
            .acquire()
            .await
            .map_err(|_| StoreError::Unavailable("stopping".to_owned()))
    }
}

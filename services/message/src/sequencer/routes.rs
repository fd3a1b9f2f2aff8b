//! Where people's sockets are, and the index of what changed for them; both in Redis, both may be lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::redis_keys;
use ids::{ConversationId, UserId};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, Script, ServerErrorKind};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One look-up: Redis is on the way of every delivery, and when it doesn't answer there is another way.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long Redis is left alone after it didn't answer.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Conversations that the index keeps for a person.
const INDEX_LENGTH: usize = 2_000;
/// How long the index of a person is kept without a change: a week.
const INDEX_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// What is read again below a cursor: the time from a note to its delivery, and what clocks of Redis
/// nodes may differ.
const CURSOR_OVERLAP_MS: u64 = 30_000;
/// Users to one pipeline.
const PIPELINE_USERS: usize = 500;

/// Notes the changed conversations and returns the holders of live sockets, in one step: a session that
/// registers meanwhile either is found here or finds the note.
const NOTE_AND_FIND: &str = r"
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if #ARGV > 2 then
  for i = 3, #ARGV do redis.call('ZADD', KEYS[2], ms, ARGV[i]) end
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[1]))
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
local found = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if tonumber(fields[i + 1]) >= ms then found[#found + 1] = fields[i] end
end
return found
";

/// Answers `{complete, now, conversation, ...}`. The index counts as lost when Redis isn't the same process
/// as when it began: an append-only file may lack its last second. It begins with the next millisecond: a
/// cursor of this one may be from before.
const READ_CHANGES: &str = r"
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local born = redis.call('GET', KEYS[2])
local born_ms, born_run
if born then born_ms, born_run = string.match(born, '^(%d+):(%w+)$') end
if born_run ~= run then
  redis.call('SET', KEYS[2], string.format('%.0f:%s', ms + 1, run))
  return {0, string.format('%.0f', ms + 1)}
end
local cursor = tonumber(ARGV[1])
if cursor < tonumber(born_ms) or cursor < ms - tonumber(ARGV[3]) then
  return {0, string.format('%.0f', ms)}
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if tonumber(oldest[2]) > cursor then return {0, string.format('%.0f', ms)} end
end
local answer = {1, string.format('%.0f', ms)}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], cursor - tonumber(ARGV[4]), '+inf')) do
  answer[#answer + 1] = id
end
return answer
";

/// Begins the index anew: what it lacks may matter to anybody.
const BEGIN_AGAIN: &str = r"
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
redis.call('SET', KEYS[1], string.format('%.0f:%s', ms + 1, run))
return 1
";

/// What a person's index says of the time since a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Whether `conversations` names everything that changed.
    pub complete: bool,
    pub conversations: Vec<ConversationId>,
    /// For the next time.
    pub cursor: String,
}

/// Redis as the sequencer and the readers of the index need it. Cheap to clone.
#[derive(Clone)]
pub struct Routes {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    connection: Mutex<Option<ConnectionManager>>,
    rest_until: Mutex<Option<Instant>>,
    /// Something wasn't noted: the index must begin again before it may be trusted.
    incomplete: AtomicBool,
    note_and_find: Script,
    read_changes: Script,
    begin_again: Script,
}

impl Routes {
    /// Connects at the first use.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                connection: Mutex::new(None),
                rest_until: Mutex::new(None),
                incomplete: AtomicBool::new(false),
                note_and_find: Script::new(NOTE_AND_FIND),
                read_changes: Script::new(READ_CHANGES),
                begin_again: Script::new(BEGIN_AGAIN),
            }),
        }
    }

    async fn connection(&self) -> Result<ConnectionManager, RedisError> {
        let mut slot = self.inner.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(connection.clone());
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(1);
        let connection = self
            .inner
            .client
            .get_connection_manager_with_config(config)
            .await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// For each user the deliveries partitions of live sockets; `changes` are noted in the index on the
    /// way. `None` when Redis can't answer: then everybody has to be told, and the index begins again as
    /// soon as it can.
    pub async fn note_and_find(
        &self,
        users: &BTreeMap<UserId, BTreeSet<ConversationId>>,
    ) -> Option<HashMap<UserId, Vec<u32>>> {
        if users.is_empty() {
            return Some(HashMap::new());
        }
        let resting =
            matches!(*self.inner.rest_until.lock().await, Some(until) if Instant::now() < until);
        let answer = if resting {
            None
        } else {
            match self.try_note_and_find(users).await {
                Ok(found) => Some(found),
                Err(error) => {
                    metrics::counter!("message_route_lookups_failed_total").increment(1);
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "look-up of sockets failed"
                    );
                    *self.inner.rest_until.lock().await = Some(Instant::now() + REST_AFTER_FAILURE);
                    None
                }
            }
        };
        if answer.is_none() && users.values().any(|changed| !changed.is_empty()) {
            self.mark_incomplete();
        }
        answer
    }

    async fn try_note_and_find(
        &self,
        users: &BTreeMap<UserId, BTreeSet<ConversationId>>,
    ) -> Result<HashMap<UserId, Vec<u32>>, RedisError> {
        let mut connection = self.connection().await?;
        let mut found = HashMap::with_capacity(users.len());
        let users: Vec<_> = users.iter().collect();
        for chunk in users.chunks(PIPELINE_USERS) {
            let mut pipeline = redis::pipe();
            for (user, changed) in chunk {
                let mut call = self.inner.note_and_find.prepare_invoke();
                call.key(redis_keys::sockets(**user))
                    .key(redis_keys::changed(**user))
                    .arg(INDEX_LENGTH)
                    .arg(INDEX_KEPT_MS);
                for conversation in *changed {
                    call.arg(conversation.to_string());
                }
                pipeline.invoke_script(&call);
            }
            let first_try = pipeline.query_async(&mut connection).await;
            let answers: Vec<Vec<String>> = match first_try {
                // A Redis that restarted has forgotten the script. Noting twice is harmless.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.inner.note_and_find.load_async(&mut connection).await?;
                    pipeline.query_async(&mut connection).await?
                }
                answers => answers?,
            };
            for ((user, _), fields) in chunk.iter().zip(answers) {
                let mut partitions: Vec<u32> = fields
                    .iter()
                    .filter_map(|field| field.split_once(':')?.0.parse().ok())
                    .collect();
                partitions.sort_unstable();
                partitions.dedup();
                found.insert(**user, partitions);
            }
        }
        Ok(found)
    }

    /// What changed for a person since a cursor. An unreadable cursor or a Redis that can't answer is an
    /// incomplete answer, never an error: the client compares heads then.
    pub async fn changes(&self, user: UserId, cursor: &str) -> Changes {
        let incomplete = |cursor: String| Changes {
            complete: false,
            conversations: Vec::new(),
            cursor,
        };
        let since: u64 = cursor.parse().unwrap_or(0);
        if self.inner.incomplete.load(Ordering::SeqCst) {
            return incomplete(cursor.to_owned());
        }
        let answer = async {
            let mut connection = self.connection().await?;
            self.inner
                .read_changes
                .key(redis_keys::changed(user))
                .key(redis_keys::CHANGED_BORN)
                .arg(since)
                .arg(INDEX_LENGTH)
                .arg(INDEX_KEPT_MS)
                .arg(CURSOR_OVERLAP_MS)
                .invoke_async::<Vec<redis::Value>>(&mut connection)
                .await
        }
        .await;
        let values = match answer {
            Ok(values) => values,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "reading the changed-index failed"
                );
                return incomplete(cursor.to_owned());
            }
        };
        let mut texts = values
            .into_iter()
            .filter_map(|value| redis::from_redis_value::<String>(value).ok());
        let complete = texts.next().as_deref() == Some("1");
        let next = texts.next().unwrap_or_else(|| cursor.to_owned());
        Changes {
            complete,
            conversations: texts.filter_map(|id| id.parse().ok()).collect(),
            cursor: next,
        }
    }

    /// Whether something wasn't noted and nobody has been told of it yet.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.inner.incomplete.load(Ordering::SeqCst)
    }

    /// Begins the index again. Afterwards every socket has to be told to compare heads, and then
    /// [`Self::is_complete_again`].
    ///
    /// # Errors
    /// When Redis can't answer.
    pub async fn begin_again(&self) -> Result<(), RedisError> {
        let mut connection = self.connection().await?;
        self.inner
            .begin_again
            .key(redis_keys::CHANGED_BORN)
            .invoke_async::<i64>(&mut connection)
            .await
            .map(drop)
    }

    /// Stops trusting the index.
    pub fn mark_incomplete(&self) {
        self.inner.incomplete.store(true, Ordering::SeqCst);
    }

    /// Trusts the index again.
    pub fn is_complete_again(&self) {
        self.inner.incomplete.store(false, Ordering::SeqCst);
    }

    /// Whether Redis answers.
    pub async fn answers(&self) -> bool {
        let ping = async {
            let mut connection = self.connection().await?;
            redis::cmd("PING")
                .query_async::<String>(&mut connection)
                .await
        };
        ping.await.is_ok()
    }
}

//! What other services are asked.

use std::collections::HashMap;
use std::time::Duration;

use auth::{PeerChannel, Person};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ids::{ConversationId, UserId};
use problem::{Kind, Problem, Result};
use proto::account::GetUsersRequest;
use proto::account::account_service_client::AccountServiceClient;
use proto::message::message_internal_service_client::MessageInternalServiceClient;
use proto::message::{
    AwaitMembershipVersionRequest, CountMessagesRequest, GetHeadsRequest, GetSummariesRequest,
};
use proto::socket;
use tokio::time::Instant;

use crate::domain::conversation::Standing;
use crate::domain::page::Activity;
use crate::store::activity::DailyCount;

/// Heads asked for in one call, and calls under way at once for one list.
const HEADS_PER_CALL: usize = 1_000;
const HEADS_CALLS_AT_ONCE: usize = 4;
/// A wait for the log is made of slices: one call to a pod that goes away costs one slice, and each
/// stays below the deadline of a call.
const AWAIT_SLICE: Duration = Duration::from_millis(1_500);
const AWAIT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub struct Peers {
    pub account: PeerChannel,
    pub message: PeerChannel,
}

/// Why somebody can't be brought into a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// There is no such person.
    Unknown,
}

/// What the message service has counted above a number.
#[derive(Debug)]
pub struct Counted {
    pub counts: Vec<DailyCount>,
    /// The number up to which it is.
    pub through: u64,
    pub head: u64,
    /// Offset of the last record of the log that is in the head.
    pub applied_offset: i64,
}

impl Peers {
    /// Those of `users` (at most 100, the person left aside) with whom the person can't begin a
    /// conversation, or put them into a group.
    ///
    /// # Errors
    /// When the account service fails.
    pub async fn unreachable(
        &self,
        person: &Person,
        users: &[UserId],
    ) -> Result<Vec<(UserId, Unreachable)>> {
        let unknown = self.unknown_users(person, users).await?;
        Ok(unknown
            .into_iter()
            .map(|user| (user, Unreachable::Unknown))
            .collect())
    }

    /// Those of `users` (at most 100, the person left aside) that have no account.
    ///
    /// # Errors
    /// When the account service fails.
    async fn unknown_users(&self, person: &Person, users: &[UserId]) -> Result<Vec<UserId>> {
        let mut unknown = users.to_vec();
        // Whose token was verified is known.
        unknown.retain(|user| *user != person.user);
        if unknown.is_empty() {
            return Ok(unknown);
        }
        let request = GetUsersRequest {
            user_ids: unknown.iter().map(UserId::to_string).collect(),
        };
        let found = AccountServiceClient::new(self.account.channel())
            .get_users(self.account.request(request, Some(person)))
            .await
            .map_err(|status| Problem::from_peer("account", &status))?
            .into_inner();
        unknown.retain(|user| {
            let text = user.to_string();
            // Who deleted their account is left as a tombstone, which nobody writes to.
            !found
                .users
                .iter()
                .any(|known| known.user_id == text && !known.deleted)
        });
        Ok(unknown)
    }

    /// Returns when the log has applied a version.
    ///
    /// # Errors
    /// A retryable problem at `deadline`; another when the message service refuses.
    pub async fn await_applied(&self, standing: Standing, deadline: Instant) -> Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let slice = left.min(AWAIT_SLICE);
            let request = AwaitMembershipVersionRequest {
                conversation_id: standing.conversation.to_string(),
                version: standing.version.get(),
                timeout_ms: slice.as_millis() as u32,
            };
            let answer = MessageInternalServiceClient::new(self.message.channel())
                .await_membership_version(self.message.request(request, None))
                .await;
            let status = match answer {
                Ok(_) => return Ok(()),
                Err(status) => status,
            };
            let problem = Problem::from_status(&status);
            if !problem.is_retryable() {
                return Err(Problem::from_peer("message", &status));
            }
            if Instant::now() + AWAIT_PAUSE >= deadline {
                return Err(problem);
            }
            if problem.kind != Kind::Timeout {
                tokio::time::sleep(AWAIT_PAUSE).await;
            }
        }
    }

    /// When each conversation last had an entry, of those that the person is in by the log.
    ///
    /// # Errors
    /// When the message service fails.
    pub async fn activities(
        &self,
        person: &Person,
        ids: &[ConversationId],
    ) -> Result<Vec<Activity>> {
        let calls: Vec<_> = ids
            .chunks(HEADS_PER_CALL)
            .map(|chunk| self.heads(person, chunk))
            .collect();
        stream::iter(calls)
            .buffer_unordered(HEADS_CALLS_AT_ONCE)
            .try_concat()
            .await
    }

    async fn heads(&self, person: &Person, ids: &[ConversationId]) -> Result<Vec<Activity>> {
        let request = GetHeadsRequest {
            conversation_ids: ids.iter().map(ConversationId::to_string).collect(),
        };
        MessageInternalServiceClient::new(self.message.channel())
            .get_heads(self.message.request(request, Some(person)))
            .await
            .map_err(|status| Problem::from_peer("message", &status))?
            .into_inner()
            .heads
            .iter()
            .map(|head| {
                Ok(Activity {
                    time_unix_ms: head.time_unix_ms,
                    conversation: read_id(&head.conversation_id)?,
                })
            })
            .collect()
    }

    /// Who wrote how many messages on which day, above a number.
    ///
    /// # Errors
    /// When the message service fails.
    pub async fn count_messages(
        &self,
        conversation: ConversationId,
        after: u64,
    ) -> Result<Counted> {
        let request = CountMessagesRequest {
            conversation_id: conversation.to_string(),
            after_number: after,
        };
        let counted = MessageInternalServiceClient::new(self.message.channel())
            .count_messages(self.message.request(request, None))
            .await
            .map_err(|status| Problem::from_peer("message", &status))?
            .into_inner();
        let counts = counted
            .counts
            .iter()
            .map(|count| {
                Ok(DailyCount {
                    day: count.day as i32,
                    user: UserId::parse(&count.sender_id)
                        .map_err(|error| Problem::internal(&error))?,
                    messages: count.messages,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Counted {
            counts,
            through: counted.through_number,
            head: counted.head_number,
            applied_offset: counted.applied_offset,
        })
    }

    /// State and last entry of each conversation (at most 100) that the person is in.
    ///
    /// # Errors
    /// When the message service fails.
    pub async fn summaries(
        &self,
        person: &Person,
        ids: &[ConversationId],
    ) -> Result<HashMap<ConversationId, (socket::ConversationState, Option<socket::Entry>)>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let request = GetSummariesRequest {
            conversation_ids: ids.iter().map(ConversationId::to_string).collect(),
        };
        MessageInternalServiceClient::new(self.message.channel())
            .get_summaries(self.message.request(request, Some(person)))
            .await
            .map_err(|status| Problem::from_peer("message", &status))?
            .into_inner()
            .summaries
            .into_iter()
            .filter_map(|summary| {
                let state = summary.state?;
                Some(read_id(&state.conversation_id).map(|id| (id, (state, summary.last_entry))))
            })
            .collect()
    }
}

fn read_id(text: &str) -> Result<ConversationId> {
    ConversationId::parse(text).map_err(|error| Problem::internal(&error))
}

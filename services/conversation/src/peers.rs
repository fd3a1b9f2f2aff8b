//! What other services are asked.

use std::collections::HashMap;
use std::time::Duration;

use auth::{PeerChannel, Person, ServiceIdentity};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ids::{ConversationId, UserId};
use problem::{Kind, Problem, Result};
use proto::account::permission_internal_service_client::PermissionInternalServiceClient;
use proto::account::{CheckPermissionsRequest, Permission};
use proto::message::message_internal_service_client::MessageInternalServiceClient;
use proto::message::{
    AwaitMembershipVersionRequest, CountMessagesRequest, GetHeadsRequest, GetMembershipRequest,
    GetSummariesRequest,
};
use proto::{event, socket};
use tokio::time::Instant;

use crate::config::Config;
use crate::domain::comparison::{Logged, LoggedMember};
use crate::domain::conversation::Standing;
use crate::domain::member::Role;
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

/// Whether a person may bring another into a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Allowed,
    Refused,
    /// If both are in a group.
    IfSharedGroup,
    /// They have no account.
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
    /// Channels that connect when they are needed.
    ///
    /// # Errors
    /// When an address can't be used.
    pub fn new(config: &Config, identity: &ServiceIdentity) -> anyhow::Result<Self> {
        let channel = |name, address| PeerChannel::new(name, address, identity.clone());
        Ok(Self {
            account: channel("account", &config.peers.account)?,
            message: channel("message", &config.peers.message)?,
        })
    }

    /// Who is in a conversation as the log has it.
    ///
    /// # Errors
    /// When the message service fails.
    pub async fn membership(&self, conversation: ConversationId) -> Result<Logged> {
        let request = GetMembershipRequest {
            conversation_id: conversation.to_string(),
        };
        let answer = MessageInternalServiceClient::new(self.message.channel())
            .get_membership(self.message.request(request, None))
            .await
            .map_err(|status| Problem::from_peer("message", &status))?
            .into_inner();
        let members = answer.members.iter().map(|member| {
            let known = LoggedMember {
                role: match member.role() {
                    event::Role::Owner => Role::Owner,
                    event::Role::Admin => Role::Admin,
                    event::Role::Member | event::Role::Unspecified => Role::Member,
                },
                sees_from: member.sees_from_number,
            };
            Ok((read_user(&member.user_id)?, known))
        });
        Ok(Logged {
            version: answer.version,
            members: members.collect::<Result<_>>()?,
            blockers: answer
                .blocker_ids
                .iter()
                .map(|id| read_user(id))
                .collect::<Result<_>>()?,
        })
    }

    /// Whom of `users` (at most 1,000, the person left aside) a person may bring into a conversation.
    ///
    /// # Errors
    /// When the account service fails.
    pub async fn reach(&self, person: &Person, users: &[UserId]) -> Result<Vec<(UserId, Reach)>> {
        let mut others = users.to_vec();
        others.retain(|user| *user != person.user);
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let request = CheckPermissionsRequest {
            user_id: person.user.to_string(),
            other_ids: others.iter().map(UserId::to_string).collect(),
        };
        let answer = PermissionInternalServiceClient::new(self.account.channel())
            .check_permissions(self.account.request(request, Some(person)))
            .await
            .map_err(|status| Problem::from_peer("account", &status))?
            .into_inner();
        let by_id: HashMap<&str, Permission> = answer
            .others
            .iter()
            .map(|other| (other.user_id.as_str(), other.write()))
            .collect();
        Ok(others
            .into_iter()
            .map(|user| {
                let reach = match by_id.get(user.to_string().as_str()) {
                    None => Reach::Unknown,
                    Some(Permission::Allowed) => Reach::Allowed,
                    Some(Permission::IfSharedGroup) => Reach::IfSharedGroup,
                    // What a newer version may say is no permission.
                    Some(
                        Permission::Refused
                        | Permission::IfSharedConversation
                        | Permission::Unspecified,
                    ) => Reach::Refused,
                };
                (user, reach)
            })
            .collect())
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
                    user: read_user(&count.sender_id)?,
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

fn read_user(text: &str) -> Result<UserId> {
    UserId::parse(text).map_err(|error| Problem::internal(&error))
}

fn read_id(text: &str) -> Result<ConversationId> {
    ConversationId::parse(text).map_err(|error| Problem::internal(&error))
}

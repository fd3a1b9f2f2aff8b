//! Who is in which conversation: every change, and the way to the log that it takes before its
//! caller gets an answer.

use std::sync::Arc;
use std::time::Duration;

use auth::Person;
use central_ids::NewIds;
use clock::Clock;
use ids::{ConversationId, UserId};
use problem::{Fields, Result};
use tokio::time::{Instant, timeout_at};

use crate::domain::block::Block;
use crate::domain::conversation::{Conversation, Pair, Standing};
use crate::domain::group_name::GroupName;
use crate::domain::page::{MemberCursor, PageSize};
use crate::events::publish::Publisher;
use crate::limits::Limits;
use crate::metrics;
use crate::peers::{Peers, Reach};
use crate::problems;
use crate::store::blocks::Blocks;
use crate::store::conversations::{Conversations, NewGroup, View};
use crate::store::departures::Departure;

/// People that a group may begin with, its owner not counted, and that may be added at once.
pub const MAX_AT_ONCE: usize = 100;

pub struct Memberships {
    pub store: Conversations,
    pub blocks: Blocks,
    pub publisher: Publisher,
    pub peers: Peers,
    pub limits: Arc<Limits>,
    pub clock: Clock,
    pub new_ids: NewIds,
    /// How long a call waits for the log; then its caller gets `membership_pending`.
    pub apply_timeout: Duration,
}

/// Why somebody can't be brought into a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// There is no such person.
    Unknown,
    /// By a block, or because they don't want it from strangers.
    NotAllowed,
}

impl Memberships {
    /// Opens the one conversation of a person and another, or returns it: one that exists goes on,
    /// whatever they allow now.
    ///
    /// # Errors
    /// `cannot_open_with_self`, `user_unknown`, `not_allowed`, `membership_pending`.
    pub async fn open_direct(&self, person: &Person, peer: UserId) -> Result<Conversation> {
        let pair = Pair::of(person.user, peer)?;
        self.limits.read(person.user).await?;
        let existing = self
            .store
            .find_direct(pair)
            .await
            .map_err(|error| postgres::problem(&error))?;
        if let Some((conversation, standing)) = existing {
            self.settle(standing).await?;
            return Ok(conversation);
        }
        self.limits.new_conversation(person.user, 1).await?;
        if let Some((_, reason)) = self.unreachable(person, &[peer]).await?.first() {
            return Err(match reason {
                Unreachable::Unknown => problems::user_unknown(),
                Unreachable::NotAllowed => problems::not_allowed(),
            });
        }
        let (conversation, standing) = self
            .store
            .open_direct(
                pair,
                person.user,
                ConversationId::from_uuid(self.new_ids.next().await?),
                self.clock.unix_ms(),
            )
            .await?;
        self.settle(standing).await?;
        Ok(conversation)
    }

    /// Those of `users` (at most 100) whom the person can't bring into a conversation.
    ///
    /// # Errors
    /// When Postgres or the account service fails.
    pub(crate) async fn unreachable(
        &self,
        person: &Person,
        users: &[UserId],
    ) -> Result<Vec<(UserId, Unreachable)>> {
        let reach = self.peers.reach(person, users).await?;
        let among_groups: Vec<UserId> = reach
            .iter()
            .filter(|(_, reach)| *reach == Reach::IfSharedGroup)
            .map(|(user, _)| *user)
            .collect();
        let shared = if among_groups.is_empty() {
            Vec::new()
        } else {
            self.blocks
                .share_a_group(person.user, &among_groups)
                .await
                .map_err(|error| postgres::problem(&error))?
        };
        Ok(reach
            .into_iter()
            .filter_map(|(user, reach)| {
                let reason = match reach {
                    Reach::Allowed => None,
                    Reach::Unknown => Some(Unreachable::Unknown),
                    Reach::Refused => Some(Unreachable::NotAllowed),
                    Reach::IfSharedGroup => {
                        (!shared.contains(&user)).then_some(Unreachable::NotAllowed)
                    }
                };
                Some((user, reason?))
            })
            .collect())
    }

    /// Makes a block, or its end, hold between two people, now and in a conversation that is opened
    /// later. Idempotent.
    ///
    /// # Errors
    /// `membership_pending`.
    pub async fn set_block(&self, block: Block) -> Result<()> {
        let standing = self
            .blocks
            .set(block)
            .await
            .map_err(|error| postgres::problem(&error))?;
        match standing {
            Some(standing) => self.settle(standing).await,
            None => Ok(()),
        }
    }

    /// Takes somebody whose account was deleted out of their conversations. The relay tells the log.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn depart(&self, user: UserId) -> Result<Departure> {
        self.store
            .depart(user, self.clock.unix_ms())
            .await
            .map_err(|error| postgres::problem(&error))
    }

    /// Creates a group that the person owns, or returns it if the same call made it before.
    ///
    /// # Errors
    /// `group_name_taken`, `membership_pending`; `input_invalid` with each surplus member, and each who
    /// can't be added.
    pub async fn create_group(&self, person: &Person, group: &NewGroup) -> Result<Conversation> {
        if group.members.len() > MAX_AT_ONCE {
            let mut fields = Fields::default();
            fields.refuse(
                "member_ids",
                "too_many_members",
                format!("A group begins with at most {MAX_AT_ONCE} others; more can join."),
            );
            return Err(fields.into_problem());
        }
        self.limits
            .new_conversation(person.user, group.members.len())
            .await?;
        self.require_reachable(person, "member_ids", &group.members)
            .await?;
        let (conversation, standing) = self
            .store
            .create_group(
                group,
                person.user,
                ConversationId::from_uuid(self.new_ids.next().await?),
                self.clock.unix_ms(),
            )
            .await?;
        self.settle(standing).await?;
        Ok(conversation)
    }

    /// Refuses people who can't be put into a group by this person, each under its place in `field`.
    pub(crate) async fn require_reachable(
        &self,
        person: &Person,
        field: &str,
        users: &[UserId],
    ) -> Result<()> {
        let unreachable = self.unreachable(person, users).await?;
        if unreachable.is_empty() {
            return Ok(());
        }
        let mut fields = Fields::default();
        for (index, user) in users.iter().enumerate() {
            if let Some((_, reason)) = unreachable.iter().find(|(other, _)| other == user) {
                let (code, detail) = match reason {
                    Unreachable::Unknown => ("user_unknown", "There is no such person."),
                    Unreachable::NotAllowed => ("not_allowed", problems::NOT_ALLOWED),
                };
                fields.refuse(format!("{field}[{index}]"), code, detail);
            }
        }
        Err(fields.into_problem())
    }

    /// Joins a public group by its name.
    ///
    /// # Errors
    /// `group_unknown`, `group_full`, `membership_pending`.
    pub async fn join(&self, person: &Person, name: &GroupName) -> Result<Conversation> {
        self.limits.search(person.user).await?;
        self.limits.change(person.user).await?;
        let (conversation, standing) = self
            .store
            .join(name, person.user, self.clock.unix_ms())
            .await?;
        self.settle(standing).await?;
        Ok(conversation)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `membership_pending`.
    pub async fn leave(&self, person: &Person, conversation: ConversationId) -> Result<()> {
        self.limits.change(person.user).await?;
        let standing = self
            .store
            .leave(conversation, person.user, self.clock.unix_ms())
            .await?;
        self.settle(standing).await
    }

    /// Takes somebody out of a group; oneself is leaving.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`, `membership_pending`.
    pub async fn remove(
        &self,
        person: &Person,
        conversation: ConversationId,
        target: UserId,
    ) -> Result<()> {
        if target == person.user {
            return self.leave(person, conversation).await;
        }
        self.limits.change(person.user).await?;
        let standing = self
            .store
            .remove(conversation, person.user, target, self.clock.unix_ms())
            .await?;
        self.settle(standing).await
    }

    /// A conversation and a page of its members, for one of them, when the log knows them too.
    ///
    /// # Errors
    /// `conversation_unknown`, `membership_pending`.
    pub async fn view(
        &self,
        person: &Person,
        conversation: ConversationId,
        after: Option<MemberCursor>,
        size: PageSize,
    ) -> Result<View> {
        self.limits.read(person.user).await?;
        let view = self
            .store
            .view(conversation, person.user, after, size)
            .await
            .map_err(|error| postgres::problem(&error))?
            .ok_or_else(problems::conversation_unknown)?;
        self.settle(view.standing).await?;
        Ok(view)
    }

    /// Whether a person is a member now, whether or not the log knows already.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn is_member(&self, conversation: ConversationId, user: UserId) -> Result<bool> {
        self.store
            .is_member(conversation, user)
            .await
            .map_err(|error| postgres::problem(&error))
    }

    /// Returns when the log has applied a version: nobody is told of a change before everybody can
    /// see it.
    pub(crate) async fn settle(&self, standing: Standing) -> Result<()> {
        let began = Instant::now();
        let deadline = began + self.apply_timeout;
        match timeout_at(deadline, self.publisher.publish_through(standing)).await {
            Ok(Ok(())) => {}
            // The relay publishes it yet, perhaps in time.
            Ok(Err(error)) => tracing::warn!(
                conversation.id = %standing.conversation,
                error = &error as &dyn std::error::Error,
                "a membership change is left to the relay"
            ),
            Err(_) => {
                metrics::pending(began.elapsed());
                return Err(problems::membership_pending());
            }
        }
        let applied = self.peers.await_applied(standing, deadline).await;
        match applied {
            Ok(()) => {
                metrics::applied(began.elapsed());
                Ok(())
            }
            Err(problem) if problem.is_retryable() => {
                metrics::pending(began.elapsed());
                Err(problems::membership_pending())
            }
            Err(problem) => Err(problem),
        }
    }
}

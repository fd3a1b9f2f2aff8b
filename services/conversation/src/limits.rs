//! How much one person may do here, in whatever way they call.

use clock::Clock;
use ids::UserId;
use problem::Result;
use rate_limit::{Limit, Rate, Redis};
use serde::Deserialize;

/// The `[limits]` section: what one person may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    pub reads: Rate,
    pub changes: Rate,
    pub new_conversations: Rate,
    pub added_members: Rate,
    pub searches: Rate,
    pub reports: Rate,
}

pub struct Limits {
    reads: Limit,
    changes: Limit,
    new_conversations: Limit,
    added_members: Limit,
    searches: Limit,
    reports: Limit,
}

impl Limits {
    #[must_use]
    pub fn new(settings: &LimitSettings, redis: &Redis, clock: &Clock) -> Self {
        let limit = |name, rate| Limit::new(name, rate, redis.clone(), clock.clone());
        Self {
            reads: limit("conversation:reads", settings.reads),
            changes: limit("conversation:changes", settings.changes),
            new_conversations: limit("conversation:new", settings.new_conversations),
            added_members: limit("conversation:added", settings.added_members),
            searches: limit("conversation:searches", settings.searches),
            reports: limit("conversation:reports", settings.reports),
        }
    }

    /// Something of one's own is read.
    pub(crate) async fn read(&self, user: UserId) -> Result<()> {
        self.reads.take(user, 1).await
    }

    /// Something is changed.
    pub(crate) async fn change(&self, user: UserId) -> Result<()> {
        self.changes.take(user, 1).await
    }

    /// A conversation is opened or a group made; each of `others` is somebody who has to bear it.
    pub(crate) async fn new_conversation(&self, user: UserId, others: usize) -> Result<()> {
        self.changes.take(user, 1).await?;
        self.new_conversations.take(user, 1).await?;
        self.added_members.take(user, cost(others)).await
    }

    /// People are put into a group.
    pub(crate) async fn add_members(&self, user: UserId, others: usize) -> Result<()> {
        self.changes.take(user, 1).await?;
        self.added_members.take(user, cost(others)).await
    }

    /// Something is looked for that need not be the person's own: by name, by token.
    pub(crate) async fn search(&self, user: UserId) -> Result<()> {
        self.searches.take(user, 1).await
    }

    pub(crate) async fn report(&self, user: UserId) -> Result<()> {
        self.reports.take(user, 1).await
    }
}

fn cost(others: usize) -> u32 {
    u32::try_from(others).unwrap_or(u32::MAX)
}

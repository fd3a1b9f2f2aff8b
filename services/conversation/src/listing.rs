//! A person's conversations, newest activity first.

use std::collections::HashMap;
use std::sync::Arc;

use auth::Person;
use ids::ConversationId;
use problem::Result;
use proto::socket;

use crate::domain::conversation::Conversation;
use crate::domain::page::{self, Activity, Cursor, PageSize};
use crate::domain::settings::{Filter, Settings};
use crate::limits::Limits;
use crate::peers::Peers;
use crate::store::conversations::Conversations;

pub struct Listing {
    pub store: Conversations,
    pub peers: Peers,
    pub limits: Arc<Limits>,
}

/// A line of the list. Head, read mark and unread count come together, as the message service has them.
#[derive(Debug, Clone)]
pub struct Line {
    pub conversation: Conversation,
    pub state: socket::ConversationState,
    pub last_entry: Option<socket::Entry>,
    /// The person's own.
    pub settings: Settings,
}

#[derive(Debug)]
pub struct Page {
    pub lines: Vec<Line>,
    pub next: Option<Cursor>,
}

impl Listing {
    /// One page of those that `filter` shows; what is pinned comes on one page, in the order of the pins.
    /// What the log doesn't know yet is left out: nobody sees a conversation before it can be written to.
    ///
    /// # Errors
    /// When Postgres or the message service fails.
    pub async fn page(
        &self,
        person: &Person,
        filter: Filter,
        cursor: Option<Cursor>,
        size: PageSize,
    ) -> Result<Page> {
        self.limits.read(person.user).await?;
        let mut settings = self
            .store
            .settings_of(person.user)
            .await
            .map_err(|error| postgres::problem(&error))?;
        settings.retain(|_, settings| filter.shows(settings));
        let ids: Vec<ConversationId> = settings.keys().copied().collect();
        let mut activities = self.peers.activities(person, &ids).await?;
        let next = if filter == Filter::Pinned {
            let position = |activity: &Activity| settings.get(&activity.conversation)?.pin_position;
            activities.sort_by_key(position);
            None
        } else {
            let next;
            (activities, next) = page::take(activities, cursor, size);
            next
        };
        let ids: Vec<ConversationId> = activities
            .iter()
            .map(|activity| activity.conversation)
            .collect();
        let (summaries, conversations) =
            tokio::join!(self.peers.summaries(person, &ids), self.store.by_ids(&ids));
        let mut summaries = summaries?;
        let mut conversations: HashMap<ConversationId, Conversation> = conversations
            .map_err(|error| postgres::problem(&error))?
            .into_iter()
            .map(|conversation| (conversation.id, conversation))
            .collect();
        let lines = ids
            .iter()
            .filter_map(|id| {
                // Somebody who was removed since the heads were read has no summary.
                let (state, last_entry) = summaries.remove(id)?;
                Some(Line {
                    conversation: conversations.remove(id)?,
                    state,
                    last_entry,
                    settings: settings.remove(id)?,
                })
            })
            .collect();
        Ok(Page { lines, next })
    }
}

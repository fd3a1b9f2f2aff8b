//! A person's conversations, newest activity first.

use std::collections::HashMap;

use auth::Person;
use ids::ConversationId;
use problem::Result;
use proto::socket;

use crate::domain::conversation::Conversation;
use crate::domain::page::{self, Cursor, PageSize};
use crate::peers::Peers;
use crate::store::conversations::Conversations;

pub struct Listing {
    pub store: Conversations,
    pub peers: Peers,
}

/// A line of the list. Head, read mark and unread count come together, as the message service has them.
#[derive(Debug, Clone)]
pub struct Line {
    pub conversation: Conversation,
    pub state: socket::ConversationState,
    pub last_entry: Option<socket::Entry>,
}

#[derive(Debug)]
pub struct Page {
    pub lines: Vec<Line>,
    pub next: Option<Cursor>,
}

impl Listing {
    /// One page. What the log doesn't know yet is left out: nobody sees a conversation before it can
    /// be written to.
    ///
    /// # Errors
    /// When Postgres or the message service fails.
    pub async fn page(
        &self,
        person: &Person,
        cursor: Option<Cursor>,
        size: PageSize,
    ) -> Result<Page> {
        let ids = self
            .store
            .ids_of(person.user)
            .await
            .map_err(|error| postgres::problem(&error))?;
        let activities = self.peers.activities(person, &ids).await?;
        let (activities, next) = page::take(activities, cursor, size);
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
                })
            })
            .collect();
        Ok(Page { lines, next })
    }
}

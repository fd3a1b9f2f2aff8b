//! What a group says of itself, who leads it, and how it is found.

use auth::Person;
use ids::{ConversationId, UserId};
use problem::{Fields, Result};

use crate::domain::conversation::{Conversation, GroupCard, GroupChanges};
use crate::domain::group_name::{GroupName, GroupNamePrefix};
use crate::domain::member::Role;
use crate::domain::page::{NameCursor, PageSize};
use crate::memberships::{MAX_AT_ONCE, Memberships};
use crate::problems;

/// A page of public groups.
#[derive(Debug)]
pub struct GroupPage {
    pub cards: Vec<GroupCard>,
    pub next: Option<NameCursor>,
}

impl Memberships {
    /// Puts people into a group, all or none.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`, `group_full`,
    /// `membership_pending`; `input_invalid` with each person who can't be added.
    pub async fn add_members(
        &self,
        person: &Person,
        conversation: ConversationId,
        users: &[UserId],
    ) -> Result<()> {
        if users.len() > MAX_AT_ONCE {
            let mut fields = Fields::default();
            fields.refuse(
                "user_ids",
                "too_many_members",
                format!("At most {MAX_AT_ONCE} people are added at once."),
            );
            return Err(fields.into_problem());
        }
        self.limits.add_members(person.user, users.len()).await?;
        // Strangers don't learn who has an account.
        if !self.is_member(conversation, person.user).await? {
            return Err(problems::conversation_unknown());
        }
        self.require_reachable(person, "user_ids", users).await?;
        let standing = self
            .store
            .add_members(conversation, person.user, users, self.clock.unix_ms())
            .await?;
        self.settle(standing).await
    }

    /// Changes what a group says of itself.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`, `group_name_taken`,
    /// `membership_pending`.
    pub async fn change_group(
        &self,
        person: &Person,
        conversation: ConversationId,
        changes: &GroupChanges,
    ) -> Result<Conversation> {
        self.limits.change(person.user).await?;
        let (conversation, standing) = self
            .store
            .change_group(conversation, person.user, changes)
            .await?;
        self.settle(standing).await?;
        Ok(conversation)
    }

    /// Gives a member a role.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`, `member_unknown`,
    /// `owner_required`, `membership_pending`.
    pub async fn set_role(
        &self,
        person: &Person,
        conversation: ConversationId,
        target: UserId,
        role: Role,
    ) -> Result<()> {
        self.limits.change(person.user).await?;
        let standing = self
            .store
            .set_role(conversation, person.user, target, role)
            .await?;
        self.settle(standing).await
    }

    /// Lets a member see entries from a number on that were written before they came.
    ///
    /// # Errors
    /// `from_number_invalid`, `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`,
    /// `member_unknown`, `membership_pending`.
    pub async fn open_history(
        &self,
        person: &Person,
        conversation: ConversationId,
        target: UserId,
        from_number: u64,
    ) -> Result<()> {
        if from_number == 0 {
            let mut fields = Fields::default();
            fields.refuse(
                "from_number",
                "from_number_invalid",
                "Entries are numbered from 1.",
            );
            return Err(fields.into_problem());
        }
        self.limits.change(person.user).await?;
        let standing = self
            .store
            .open_history(conversation, person.user, target, from_number)
            .await?;
        self.settle(standing).await
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`, `membership_pending`.
    pub async fn delete_group(&self, person: &Person, conversation: ConversationId) -> Result<()> {
        self.limits.change(person.user).await?;
        let standing = self
            .store
            .delete_group(conversation, person.user, self.clock.unix_ms())
            .await?;
        self.settle(standing).await
    }

    /// A page of public groups whose names begin with `prefix`, in the order of names.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn public_groups(
        &self,
        person: &Person,
        prefix: &GroupNamePrefix,
        cursor: Option<&NameCursor>,
        size: PageSize,
    ) -> Result<GroupPage> {
        self.limits.search(person.user).await?;
        let mut cards = self
            .store
            .public_groups(
                person.user,
                prefix,
                cursor.map(NameCursor::name),
                // One more tells whether there is another page.
                size.get() + 1,
            )
            .await
            .map_err(|error| postgres::problem(&error))?;
        let more = cards.len() > size.get();
        cards.truncate(size.get());
        let next = cards
            .last()
            .filter(|_| more)
            .map(|card| NameCursor::after(card.group.name.clone()));
        Ok(GroupPage { cards, next })
    }

    /// A group by its name: a public one, or one that the person is in.
    ///
    /// # Errors
    /// `group_unknown`.
    pub async fn group_by_name(&self, person: &Person, name: &GroupName) -> Result<GroupCard> {
        self.limits.search(person.user).await?;
        self.store
            .group_by_name(person.user, name)
            .await
            .map_err(|error| postgres::problem(&error))?
            .ok_or_else(problems::group_unknown)
    }
}

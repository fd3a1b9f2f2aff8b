//! What members want for themselves: mute, archive, pin.

use auth::Person;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ids::ConversationId;
use problem::{Fields, Result};

use crate::domain::settings::{MAX_PINS, Settings, SettingsChanges};
use crate::memberships::Memberships;

/// Conversations that are waited for at the same time, of those whose pins have moved.
const SETTLED_AT_ONCE: usize = 8;

impl Memberships {
    /// The person's own settings of a conversation.
    ///
    /// # Errors
    /// `conversation_unknown`.
    pub async fn settings(
        &self,
        person: &Person,
        conversation: ConversationId,
    ) -> Result<Settings> {
        self.limits.read(person.user).await?;
        Ok(self.store.settings(conversation, person.user).await?)
    }

    /// Changes them; the person's devices are told by the log.
    ///
    /// # Errors
    /// `conversation_unknown`, `too_many_pins`, `membership_pending`.
    pub async fn change_settings(
        &self,
        person: &Person,
        conversation: ConversationId,
        changes: SettingsChanges,
    ) -> Result<Settings> {
        self.limits.change(person.user).await?;
        let (settings, standing) = self
            .store
            .change_settings(conversation, person.user, changes)
            .await?;
        self.settle(standing).await?;
        Ok(settings)
    }

    /// Puts the person's pinned conversations into an order.
    ///
    /// # Errors
    /// `pins_changed`, `membership_pending`; `input_invalid` for more than may be pinned.
    pub async fn order_pins(&self, person: &Person, order: &[ConversationId]) -> Result<()> {
        if order.len() > MAX_PINS {
            let mut fields = Fields::default();
            fields.refuse(
                "conversation_ids",
                "too_many_pins",
                format!("At most {MAX_PINS} conversations can be pinned."),
            );
            return Err(fields.into_problem());
        }
        self.limits.change(person.user).await?;
        let standings = self.store.order_pins(person.user, order).await?;
        stream::iter(standings)
            .map(|standing| self.settle(standing))
            .buffer_unordered(SETTLED_AT_ONCE)
            .try_collect()
            .await
    }
}

//! Invitations to groups by a secret token.

use auth::Person;
use ids::{ConversationId, InvitationId};
use problem::Result;

use crate::domain::conversation::{Conversation, GroupCard};
use crate::domain::invitation::{Invitation, InvitationToken, Lifetime, MaxUses};
use crate::memberships::Memberships;
use crate::problems;

impl Memberships {
    /// Makes an invitation. The token is told this once.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`, `too_many_invitations`.
    pub async fn create_invitation(
        &self,
        person: &Person,
        conversation: ConversationId,
        lifetime: Lifetime,
        max_uses: Option<MaxUses>,
    ) -> Result<(Invitation, InvitationToken)> {
        self.limits.change(person.user).await?;
        let token = InvitationToken::generate();
        let now = self.clock.unix_ms();
        let invitation = Invitation {
            id: InvitationId::generate(&self.clock),
            created_by: person.user,
            created_at_unix_ms: now,
            expires_at_unix_ms: now + lifetime.as_ms(),
            max_uses,
            uses: 0,
        };
        self.store
            .create_invitation(conversation, &invitation, &token)
            .await?;
        Ok((invitation, token))
    }

    /// A group's open invitations, newest first.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`.
    pub async fn invitations(
        &self,
        person: &Person,
        conversation: ConversationId,
    ) -> Result<Vec<Invitation>> {
        self.limits.read(person.user).await?;
        Ok(self
            .store
            .invitations(conversation, person.user, self.clock.unix_ms())
            .await?)
    }

    /// Ends an invitation.
    ///
    /// # Errors
    /// `conversation_unknown`, `direct_conversation_fixed`, `role_insufficient`.
    pub async fn revoke_invitation(
        &self,
        person: &Person,
        conversation: ConversationId,
        invitation: InvitationId,
    ) -> Result<()> {
        self.limits.change(person.user).await?;
        Ok(self
            .store
            .revoke_invitation(conversation, person.user, invitation)
            .await?)
    }

    /// The group that a token invites to, and when the invitation ends (Unix milliseconds).
    ///
    /// # Errors
    /// `invitation_unknown`.
    pub async fn preview_invitation(
        &self,
        person: &Person,
        token: &str,
    ) -> Result<(GroupCard, u64)> {
        self.limits.search(person.user).await?;
        let token = InvitationToken::parse(token).map_err(|_| problems::invitation_unknown())?;
        self.store
            .preview_invitation(person.user, &token, self.clock.unix_ms())
            .await
            .map_err(|error| postgres::problem(&error))?
            .ok_or_else(problems::invitation_unknown)
    }

    /// Joins the group that a token invites to.
    ///
    /// # Errors
    /// `invitation_unknown`, `group_full`, `membership_pending`.
    pub async fn join_by_invitation(&self, person: &Person, token: &str) -> Result<Conversation> {
        self.limits.search(person.user).await?;
        self.limits.change(person.user).await?;
        let token = InvitationToken::parse(token).map_err(|_| problems::invitation_unknown())?;
        let (conversation, standing) = self
            .store
            .accept_invitation(person.user, &token, self.clock.unix_ms())
            .await?;
        self.settle(standing).await?;
        Ok(conversation)
    }
}

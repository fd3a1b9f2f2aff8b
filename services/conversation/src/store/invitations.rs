use ids::{ConversationId, InvitationId, UserId};
use uuid::Uuid;

use super::conversations::Conversations;
use super::departures::holds_departed;
use super::groups::{ChangeError, open_group};
use super::rows::{ConversationRow, Membership, lock, membership, put_in, select_conversation};
use crate::domain::conversation::{Conversation, GroupCard, Standing};
use crate::domain::invitation::{Invitation, InvitationToken, MaxUses};
use crate::domain::member::Action;

/// Open invitations that a group may have.
pub const MAX_OPEN: i64 = 50;

#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error(transparent)]
    Group(#[from] ChangeError),
    #[error("the group has as many open invitations as it may have")]
    TooMany,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("no open invitation has this token")]
    Unknown,
    #[error("the group is full")]
    Full,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

#[derive(sqlx::FromRow)]
struct InvitationRow {
    id: Uuid,
    created_by: Uuid,
    created_at_unix_ms: i64,
    expires_at_unix_ms: i64,
    max_uses: Option<i32>,
    uses: i32,
}

impl InvitationRow {
    fn invitation(&self) -> Result<Invitation, sqlx::Error> {
        Ok(Invitation {
            id: InvitationId::from_uuid(self.id),
            created_by: UserId::from_uuid(self.created_by),
            created_at_unix_ms: self.created_at_unix_ms as u64,
            expires_at_unix_ms: self.expires_at_unix_ms as u64,
            max_uses: self
                .max_uses
                .map(|uses| MaxUses::new(uses as u32))
                .transpose()
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
            uses: self.uses as u32,
        })
    }
}

impl Conversations {
    /// Keeps an invitation to a group under the hash of its token. What has ended is forgotten.
    ///
    /// # Errors
    /// [`ChangeError`] by the role; [`InviteError::TooMany`] at [`MAX_OPEN`].
    pub async fn create_invitation(
        &self,
        conversation: ConversationId,
        invitation: &Invitation,
        token: &InvitationToken,
    ) -> Result<(), InviteError> {
        let mut tx = self.pool.begin().await?;
        open_group(&mut tx, conversation, invitation.created_by, Action::Invite).await?;
        sqlx::query(
            "DELETE FROM invitations
             WHERE conversation_id = $1 AND (expires_at_unix_ms <= $2 OR uses = max_uses)",
        )
        .bind(conversation.as_uuid())
        .bind(invitation.created_at_unix_ms as i64)
        .execute(&mut *tx)
        .await?;
        // The row of the conversation is locked: nobody else counts at the same time.
        let open: i64 =
            sqlx::query_scalar("SELECT count(*) FROM invitations WHERE conversation_id = $1")
                .bind(conversation.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
        if open >= MAX_OPEN {
            return Err(InviteError::TooMany);
        }
        sqlx::query(
            "INSERT INTO invitations (id, conversation_id, token_hash, created_by,
                                      created_at_unix_ms, expires_at_unix_ms, max_uses)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(invitation.id.as_uuid())
        .bind(conversation.as_uuid())
        .bind(token.hash().as_slice())
        .bind(invitation.created_by.as_uuid())
        .bind(invitation.created_at_unix_ms as i64)
        .bind(invitation.expires_at_unix_ms as i64)
        .bind(invitation.max_uses.map(|uses| uses.get() as i32))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A group's open invitations, newest first.
    ///
    /// # Errors
    /// [`ChangeError`] by the role.
    pub async fn invitations(
        &self,
        conversation: ConversationId,
        actor: UserId,
        now_unix_ms: u64,
    ) -> Result<Vec<Invitation>, ChangeError> {
        let mut tx = self.pool.begin().await?;
        open_group(&mut tx, conversation, actor, Action::Invite).await?;
        let rows: Vec<InvitationRow> = sqlx::query_as(
            "SELECT id, created_by, created_at_unix_ms, expires_at_unix_ms, max_uses, uses
             FROM invitations
             WHERE conversation_id = $1 AND expires_at_unix_ms > $2
               AND (max_uses IS NULL OR uses < max_uses)
             ORDER BY created_at_unix_ms DESC, id DESC",
        )
        .bind(conversation.as_uuid())
        .bind(now_unix_ms as i64)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(rows
            .iter()
            .map(InvitationRow::invitation)
            .collect::<Result<_, _>>()?)
    }

    /// Ends an invitation; one that has ended stays so.
    ///
    /// # Errors
    /// [`ChangeError`] by the role.
    pub async fn revoke_invitation(
        &self,
        conversation: ConversationId,
        actor: UserId,
        invitation: InvitationId,
    ) -> Result<(), ChangeError> {
        let mut tx = self.pool.begin().await?;
        open_group(&mut tx, conversation, actor, Action::Invite).await?;
        sqlx::query("DELETE FROM invitations WHERE conversation_id = $1 AND id = $2")
            .bind(conversation.as_uuid())
            .bind(invitation.as_uuid())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The group that a token invites to, and when the invitation ends (Unix milliseconds). `None`: it
    /// is not good, or not for this person.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn preview_invitation(
        &self,
        viewer: UserId,
        token: &InvitationToken,
        now_unix_ms: u64,
    ) -> Result<Option<(GroupCard, u64)>, sqlx::Error> {
        let rows: Vec<ConversationRow> = sqlx::query_as(select_conversation!(
            "JOIN invitations i ON i.conversation_id = c.id
             LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = $2
             WHERE i.token_hash = $1 AND i.expires_at_unix_ms > $3
               AND (i.max_uses IS NULL OR i.uses < i.max_uses)
               AND (m.removed_at_unix_ms IS NULL OR i.created_at_unix_ms > m.removed_at_unix_ms)"
        ))
        .bind(token.hash().as_slice())
        .bind(viewer.as_uuid())
        .bind(now_unix_ms as i64)
        .fetch_all(&self.pool)
        .await?;
        let Some(card) = self.cards(viewer, &rows).await?.pop() else {
            return Ok(None);
        };
        let expires: Option<i64> =
            sqlx::query_scalar("SELECT expires_at_unix_ms FROM invitations WHERE token_hash = $1")
                .bind(token.hash().as_slice())
                .fetch_optional(&self.pool)
                .await?;
        Ok(expires.map(|expires| (card, expires as u64)))
    }

    /// Puts somebody into the group that a token invites to, and counts it. Who is in it already uses
    /// nothing. An invitation that was made before somebody was removed doesn't let them back in.
    ///
    /// # Errors
    /// [`AcceptError::Unknown`] for a token that isn't good (any more), [`AcceptError::Full`] at the
    /// group's limit.
    pub async fn accept_invitation(
        &self,
        user: UserId,
        token: &InvitationToken,
        now_unix_ms: u64,
    ) -> Result<(Conversation, Standing), AcceptError> {
        let hash = token.hash();
        let mut tx = self.pool.begin().await?;
        let found: Option<Uuid> =
            sqlx::query_scalar("SELECT conversation_id FROM invitations WHERE token_hash = $1")
                .bind(hash.as_slice())
                .fetch_optional(&mut *tx)
                .await?;
        let id = ConversationId::from_uuid(found.ok_or(AcceptError::Unknown)?);
        let mut row = lock(&mut tx, id).await?.ok_or(AcceptError::Unknown)?;
        let removed_at_unix_ms = match membership(&mut tx, id, user).await? {
            Membership::Current(_) => {
                tx.commit().await?;
                return Ok((row.conversation()?, row.standing()));
            }
            Membership::Former { removed_at_unix_ms } => removed_at_unix_ms,
            Membership::Never => None,
        };
        // All that makes it good is asked again here: it may have ended while the lock was awaited.
        let counted = sqlx::query(
            "UPDATE invitations SET uses = uses + 1
             WHERE token_hash = $1 AND expires_at_unix_ms > $2
               AND (max_uses IS NULL OR uses < max_uses)
               AND created_at_unix_ms > $3",
        )
        .bind(hash.as_slice())
        .bind(now_unix_ms as i64)
        .bind(removed_at_unix_ms.map_or(-1, |at| at as i64))
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if !counted {
            return Err(AcceptError::Unknown);
        }
        if row.member_count as u32 >= self.max_members {
            return Err(AcceptError::Full);
        }
        // Their access token is good for some minutes yet.
        if holds_departed(&mut tx, &[user]).await? {
            return Err(AcceptError::Unknown);
        }
        put_in(&mut tx, &mut row, user, user, now_unix_ms).await?;
        tx.commit().await?;
        Ok((row.conversation()?, row.standing()))
    }
}

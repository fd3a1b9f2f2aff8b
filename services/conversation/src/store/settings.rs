use std::collections::HashMap;

use ids::{ConversationId, UserId};
use uuid::Uuid;

use super::conversations::Conversations;
use super::outbox::Change;
use super::rows::{
    ConversationRow, Membership, SettingsRow, Tx, lock, membership, muted_until_unix_ms, record,
};
use crate::domain::conversation::Standing;
use crate::domain::settings::{MAX_PINS, Settings, SettingsChanges};

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("not a member, or no such conversation")]
    Unknown,
    #[error("as many conversations are pinned as may be")]
    TooManyPins,
    #[error("other conversations are pinned")]
    PinsChanged,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Conversations {
    /// Every conversation that somebody is in now, with their settings, in no order.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn settings_of(
        &self,
        user: UserId,
    ) -> Result<HashMap<ConversationId, Settings>, sqlx::Error> {
        #[derive(sqlx::FromRow)]
        struct Row {
            conversation_id: Uuid,
            #[sqlx(flatten)]
            settings: SettingsRow,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT conversation_id, settings_version, muted_until_unix_ms, archived, pin_position
             FROM members WHERE user_id = $1 AND left_version IS NULL",
        )
        .bind(user.as_uuid())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let id = ConversationId::from_uuid(row.conversation_id);
                (id, row.settings.settings())
            })
            .collect())
    }

    /// A member's own settings.
    ///
    /// # Errors
    /// [`SettingsError::Unknown`] for who isn't in it.
    pub async fn settings(
        &self,
        id: ConversationId,
        user: UserId,
    ) -> Result<Settings, SettingsError> {
        let mut tx = self.pool.begin().await?;
        let settings = read(&mut tx, id, user).await?;
        tx.commit().await?;
        Ok(settings)
    }

    /// Changes a member's own settings. What is as it should be already makes no version.
    ///
    /// # Errors
    /// [`SettingsError::Unknown`] for who isn't in it, [`SettingsError::TooManyPins`].
    pub async fn change_settings(
        &self,
        id: ConversationId,
        user: UserId,
        changes: SettingsChanges,
    ) -> Result<(Settings, Standing), SettingsError> {
        let mut tx = self.pool.begin().await?;
        if changes.pinned.is_some() {
            lock_pins(&mut tx, user).await?;
        }
        let mut row = lock(&mut tx, id).await?.ok_or(SettingsError::Unknown)?;
        let before = read(&mut tx, id, user).await?;
        let pin_position = match (changes.pinned, before.pin_position) {
            (Some(true), None) => Some(next_pin(&mut tx, user).await?),
            (Some(false), _) => None,
            (_, position) => position,
        };
        let after = Settings {
            mute: changes.mute.unwrap_or(before.mute),
            archived: changes.archived.unwrap_or(before.archived),
            pin_position,
            ..before
        };
        let settings = if after == before {
            before
        } else {
            write(&mut tx, &mut row, user, after).await?
        };
        tx.commit().await?;
        Ok((settings, row.standing()))
    }

    /// Puts somebody's pinned conversations into an order; returns those whose place has changed.
    ///
    /// # Errors
    /// [`SettingsError::PinsChanged`] unless `order` has exactly those that are pinned.
    pub async fn order_pins(
        &self,
        user: UserId,
        order: &[ConversationId],
    ) -> Result<Vec<Standing>, SettingsError> {
        let mut tx = self.pool.begin().await?;
        lock_pins(&mut tx, user).await?;
        let pinned: Vec<Uuid> = sqlx::query_scalar(
            "SELECT conversation_id FROM members
             WHERE user_id = $1 AND left_version IS NULL AND pin_position IS NOT NULL
             ORDER BY conversation_id",
        )
        .bind(user.as_uuid())
        .fetch_all(&mut *tx)
        .await?;
        let mut wanted: Vec<(ConversationId, u32)> = order.iter().copied().zip(1..).collect();
        // In the order of ids everywhere, so that two of these calls can't wait for each other.
        wanted.sort_unstable();
        let same = wanted.len() == pinned.len()
            && wanted
                .iter()
                .zip(&pinned)
                .all(|((id, _), pinned)| id.as_uuid() == *pinned);
        if !same {
            return Err(SettingsError::PinsChanged);
        }
        let mut standings = Vec::new();
        for (id, position) in wanted {
            let mut row = lock(&mut tx, id).await?.ok_or(SettingsError::PinsChanged)?;
            let before = match read(&mut tx, id, user).await {
                Err(SettingsError::Unknown) => return Err(SettingsError::PinsChanged),
                other => other?,
            };
            if before.pin_position != Some(position) {
                let after = Settings {
                    pin_position: Some(position),
                    ..before
                };
                write(&mut tx, &mut row, user, after).await?;
                standings.push(row.standing());
            }
        }
        tx.commit().await?;
        Ok(standings)
    }
}

async fn read(
    tx: &mut Tx<'_>,
    id: ConversationId,
    user: UserId,
) -> Result<Settings, SettingsError> {
    let Membership::Current(_) = membership(tx, id, user).await? else {
        return Err(SettingsError::Unknown);
    };
    let row: SettingsRow = sqlx::query_as(
        "SELECT settings_version, muted_until_unix_ms, archived, pin_position FROM members
         WHERE conversation_id = $1 AND user_id = $2",
    )
    .bind(id.as_uuid())
    .bind(user.as_uuid())
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.settings())
}

/// Stores settings of a member of a locked conversation as the next version of them.
async fn write(
    tx: &mut Tx<'_>,
    row: &mut ConversationRow,
    user: UserId,
    settings: Settings,
) -> Result<Settings, sqlx::Error> {
    let settings = Settings {
        version: settings.version + 1,
        ..settings
    };
    sqlx::query(
        "UPDATE members
         SET settings_version = $3, muted_until_unix_ms = $4, archived = $5, pin_position = $6
         WHERE conversation_id = $1 AND user_id = $2",
    )
    .bind(row.id)
    .bind(user.as_uuid())
    .bind(settings.version as i64)
    .bind(muted_until_unix_ms(settings.mute))
    .bind(settings.archived)
    .bind(settings.pin_position.map(|position| position as i32))
    .execute(&mut **tx)
    .await?;
    let change = Change::SettingsChanged {
        user,
        settings_version: settings.version,
    };
    record(tx, row, user, change).await?;
    Ok(settings)
}

/// One person's pins change one after the other. The key is the random half of the id (RFC 9562, section
/// 5.7); two people with the same one would only wait for each other. A class of its own keeps it apart
/// from the locks of the outbox.
async fn lock_pins(tx: &mut Tx<'_>, user: UserId) -> Result<(), sqlx::Error> {
    let [.., a, b, c, d] = *user.as_bytes();
    sqlx::query("SELECT pg_advisory_xact_lock(1, $1)")
        .bind(i32::from_be_bytes([a, b, c, d]))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Below all that is pinned.
async fn next_pin(tx: &mut Tx<'_>, user: UserId) -> Result<u32, SettingsError> {
    let (pins, last): (i64, i32) = sqlx::query_as(
        "SELECT count(*), coalesce(max(pin_position), 0) FROM members
         WHERE user_id = $1 AND left_version IS NULL AND pin_position IS NOT NULL",
    )
    .bind(user.as_uuid())
    .fetch_one(&mut **tx)
    .await?;
    if pins as usize >= MAX_PINS {
        return Err(SettingsError::TooManyPins);
    }
    Ok(last as u32 + 1)
}

//! A person's own profile and data: changed, exported, deleted.

use auth::{Person, session_ended};
use problem::{Fields, Kind, Problem};
use serde_json::{Map, Value, json};

use crate::accounts::{invalid, taken};
use crate::app::App;
use crate::domain::{Client, DisplayName, Handle, Picture, SecurityEvent, StatusText};
use crate::store;
use crate::store::security_events::Event;
use crate::store::users::{self, Own, ProfileChange, Updated};
use crate::store::{departures, identities, security_events, sessions};

/// Most events that one page, and an export, has.
pub const MAX_EVENTS: u32 = 100;
const EXPORTED_EVENTS: i64 = 10_000;

/// What to change; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct ProfilePatch<'a> {
    pub display_name: Option<&'a str>,
    pub handle: Option<&'a str>,
    pub status_text: Option<&'a str>,
    pub picture: Option<&'a str>,
    /// A merge patch (RFC 7396).
    pub metadata: Option<&'a Map<String, Value>>,
}

impl App {
    /// Changes the profile, if `if_version` is its version, or whatever its version is.
    pub async fn update_profile(
        &self,
        person: &Person,
        patch: &ProfilePatch<'_>,
        if_version: Option<i64>,
        client: &Client,
    ) -> Result<Own, Problem> {
        let mut fields = Fields::default();
        let mut change = ProfileChange {
            display_name: patch.display_name.and_then(|text| {
                fields.parse(
                    "display_name",
                    "display_name_invalid",
                    DisplayName::parse(text),
                )
            }),
            handle: patch
                .handle
                .and_then(|text| fields.parse("handle", "handle_invalid", Handle::parse(text))),
            status_text: patch.status_text.and_then(|text| {
                fields.parse(
                    "status_text",
                    "status_text_invalid",
                    StatusText::parse(text),
                )
            }),
            picture: patch
                .picture
                .and_then(|text| fields.parse("picture", "picture_invalid", Picture::parse(text))),
            metadata: None,
        };
        // Somebody else's change may come between the look and the change: then look again.
        for _ in 0..8 {
            let own = self.own(person.user).await?;
            if if_version.is_some_and(|version| version != own.version) {
                return Err(stale());
            }
            if let Some(metadata) = patch.metadata {
                change.metadata = fields.parse(
                    "metadata",
                    "metadata_invalid",
                    own.metadata.patched(metadata),
                );
            }
            if !fields.is_empty() {
                return Err(fields.into_problem());
            }
            match self.try_update_profile(&own, &change, client).await? {
                Updated::Done => return self.own(person.user).await,
                Updated::HandleTaken => {
                    return Err(taken(
                        "handle",
                        "handle_taken",
                        "Somebody else has this handle, or had it until recently.",
                    ));
                }
                Updated::Stale => {}
            }
        }
        Err(stale())
    }

    async fn try_update_profile(
        &self,
        own: &Own,
        change: &ProfileChange,
        client: &Client,
    ) -> Result<Updated, Problem> {
        let user = own.profile.user;
        let new_handle = change
            .handle
            .as_ref()
            .filter(|handle| handle.as_str() != own.profile.handle);
        let counted = match new_handle {
            Some(_) => Some(self.limits.handle_change(user).await?),
            None => None,
        };
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let updated = users::update_profile(
            &mut transaction,
            own,
            change,
            self.clock.unix_ms(),
            self.accounts.handle_quarantine_seconds * 1_000,
        )
        .await?;
        if updated != Updated::Done {
            if let Some(counted) = counted {
                counted.give_back().await;
            }
            return Ok(updated);
        }
        if let Some(handle) = new_handle {
            let detail = format!("@{} → @{}", own.profile.handle, handle.as_str());
            self.record(
                &mut transaction,
                user,
                SecurityEvent::HandleChanged,
                None,
                Some(client),
                &detail,
            )
            .await?;
        }
        transaction.commit().await.map_err(store::failed)?;
        Ok(updated)
    }

    /// Events of the person's account, newest first, those before the event `before`.
    pub async fn security_events(
        &self,
        person: &Person,
        before: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Vec<Event>, Problem> {
        let mut fields = Fields::default();
        let before =
            before.map(|text| fields.parse("before", "cursor_invalid", text.parse::<i64>()));
        let limit = limit.unwrap_or(50);
        if !(1..=MAX_EVENTS).contains(&limit) {
            fields.refuse(
                "limit",
                "limit_invalid",
                format!("A page has 1 to {MAX_EVENTS}."),
            );
        }
        if !fields.is_empty() {
            return Err(fields.into_problem());
        }
        security_events::page(
            &self.database,
            person.user,
            before.flatten(),
            i64::from(limit),
        )
        .await
    }

    /// All that this service knows of the person, as JSON.
    pub async fn export(&self, person: &Person, client: &Client) -> Result<Value, Problem> {
        self.fresh(person).await?;
        let own = self.own(person.user).await?;
        let sessions = sessions::devices(&self.database, person.user, self.clock.unix_ms()).await?;
        let identities = identities::of_user(&self.database, person.user).await?;
        let events =
            security_events::page(&self.database, person.user, None, EXPORTED_EVENTS).await?;
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        self.record(
            &mut transaction,
            person.user,
            SecurityEvent::DataExported,
            Some(person.session),
            Some(client),
            "",
        )
        .await?;
        transaction.commit().await.map_err(store::failed)?;
        Ok(json!({
            "account": {
                "user_id": own.profile.user,
                "email": own.email.as_str(),
                "email_verified": own.email_verified,
                "handle": own.profile.handle,
                "display_name": own.profile.display_name,
                "status_text": own.profile.status_text,
                "picture": own.profile.picture.to_string(),
                "metadata": own.metadata.into_map(),
                "has_password": own.password_hash.is_some(),
                "created_at": rfc3339(own.created_unix_ms),
            },
            "sessions": sessions.iter().map(|device| json!({
                "session_id": device.session,
                "device_name": device.device_name,
                "user_agent": device.user_agent,
                "created_at": rfc3339(device.created_unix_ms),
                "last_used_at": rfc3339(device.last_used_unix_ms),
            })).collect::<Vec<_>>(),
            "identities": identities.iter().map(|identity| json!({
                "provider": identity.provider,
                "email": identity.email,
                "linked_at": rfc3339(identity.linked_unix_ms),
            })).collect::<Vec<_>>(),
            "security_events": events.iter().map(|event| json!({
                "kind": event.kind,
                "at": rfc3339(event.at_unix_ms),
                "session_id": event.session,
                "address": event.address,
                "user_agent": event.user_agent,
                "detail": event.detail,
            })).collect::<Vec<_>>(),
        }))
    }

    /// Deletes the account: the person's data go, their sessions end, and a tombstone keeps the id,
    /// so that what they wrote is not somebody else's. They leave their conversations shortly after.
    pub async fn delete_account(&self, person: &Person) -> Result<(), Problem> {
        self.fresh(person).await?;
        let own = self.own(person.user).await?;
        let now = self.clock.unix_ms();
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let buried = users::bury(
            &mut transaction,
            &own,
            now,
            self.accounts.handle_quarantine_seconds * 1_000,
        )
        .await?;
        if !buried {
            return Err(session_ended());
        }
        let ended =
            sessions::end_all_in(&mut transaction, person.user, None, "account_deleted", now)
                .await?;
        departures::note(&mut transaction, person.user, now).await?;
        transaction.commit().await.map_err(store::failed)?;
        tracing::info!(user.id = %person.user, "an account was deleted by its owner");
        self.after_end(&ended, "account_deleted").await;
        self.departed.notify_one();
        self.contacts_changed.notify_one();
        Ok(())
    }
}

fn rfc3339(unix_ms: u64) -> Value {
    clock::from_unix_ms(unix_ms)
        .format(&time::format_description::well_known::Rfc3339)
        .map_or(Value::Null, Value::String)
}

fn stale() -> Problem {
    Problem::new(
        Kind::VersionConflict,
        "version_conflict",
        "The profile was changed meanwhile. Read it again.",
    )
}

/// The version of an entity tag (RFC 9110, section 8.8.3).
pub fn version_of_etag(etag: &str) -> Result<i64, Problem> {
    etag.trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| {
            invalid().with_field("If-Match", "etag_invalid", "Not an entity tag of ours.")
        })
}

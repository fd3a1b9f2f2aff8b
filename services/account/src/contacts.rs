//! Contacts, blocks, what people allow others, and how they find each other; REST and gRPC both come
//! here.
//!
//! **Invariants.** Whom one may not reach is one answer, whatever the reason: nobody learns that they
//! were blocked. A block stands when it is in Postgres; its caller is told that it holds when the log
//! has it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ids::UserId;
use problem::{Fields, Kind, Problem};

use crate::app::App;
use crate::domain::page::{Found, Latest, ListSize, SearchSize};
use crate::domain::privacy::{Permissions, Privacy, PrivacyChange};
use crate::domain::{ContactState, Email, Handle, InvalidQuery, Profile, SearchQuery};
use crate::events;
use crate::store::blocks::{self, Blocked};
use crate::store::contacts::{self, Entry, Invited};
use crate::store::{numbers, privacy, search, users};

/// Most people whom one call asks about.
pub const MAX_OTHERS: usize = 1_000;
/// Most numbers of one lease.
pub const MAX_LEASE: u32 = 1_000_000;

/// Somebody on one's list.
pub struct Contact {
    pub profile: Profile,
    pub state: ContactState,
    pub since_unix_ms: i64,
}

/// Somebody whom one has blocked.
pub struct Block {
    pub profile: Profile,
    pub since_unix_ms: i64,
}

/// Some of a list, and where the rest begins.
pub struct Page<T> {
    pub items: Vec<T>,
    /// `None` on the last one.
    pub next: Option<String>,
}

impl App {
    /// Invites somebody, or makes contacts of two who have both invited.
    ///
    /// `user_unknown`, `not_yourself`, `not_allowed`, `contacts_full`, `rate_limited`.
    pub async fn invite(&self, inviter: UserId, invitee: UserId) -> Result<Contact, Problem> {
        somebody_else(inviter, invitee)?;
        let counted = self.limits.invitation(inviter, invitee).await?;
        let invited =
            contacts::invite(&self.database, inviter, invitee, self.clock.unix_ms()).await;
        let entry = match invited {
            // It counts: somebody is told of it.
            Ok(Invited::Changed(entry)) => {
                self.contacts_changed.notify_one();
                entry
            }
            Ok(Invited::AsBefore(entry)) => {
                counted.give_back().await;
                entry
            }
            // These count too: who asks again and again is looking for something.
            Ok(Invited::UserUnknown) => return Err(user_unknown()),
            Ok(Invited::NotAllowed) => return Err(not_allowed()),
            Ok(Invited::Full) => return Err(full("contacts_full", "Your list is full.")),
            Err(problem) => {
                counted.give_back().await;
                return Err(problem);
            }
        };
        self.contact(entry).await
    }

    /// `invitation_unknown` when there is nothing to accept.
    pub async fn accept(&self, invitee: UserId, inviter: UserId) -> Result<Contact, Problem> {
        let now = self.clock.unix_ms();
        let accepted = contacts::accept(&self.database, invitee, inviter, now).await?;
        self.contacts_changed.notify_one();
        let entry = accepted.ok_or_else(|| {
            Problem::new(
                Kind::NotFound,
                "invitation_unknown",
                "There is no such invitation. It may have been withdrawn.",
            )
        })?;
        self.contact(entry).await
    }

    pub async fn decline(&self, invitee: UserId, inviter: UserId) -> Result<(), Problem> {
        contacts::decline(&self.database, invitee, inviter, self.clock.unix_ms()).await?;
        self.contacts_changed.notify_one();
        Ok(())
    }

    pub async fn remove_contact(&self, owner: UserId, other: UserId) -> Result<(), Problem> {
        contacts::remove(&self.database, owner, other, self.clock.unix_ms()).await?;
        self.contacts_changed.notify_one();
        Ok(())
    }

    pub async fn contacts(
        &self,
        owner: UserId,
        state: Option<ContactState>,
        after: Option<Latest>,
        size: ListSize,
    ) -> Result<Page<Contact>, Problem> {
        let entries = contacts::list(&self.database, owner, state, after, size).await?;
        let (entries, next) = cut(entries, size.get(), |entry| {
            Latest {
                unix_ms: entry.since_unix_ms,
                user: entry.user,
            }
            .encode()
        });
        let mut profiles = self
            .profiles(entries.iter().map(|entry| entry.user))
            .await?;
        let items = entries
            .into_iter()
            .filter_map(|entry| {
                Some(Contact {
                    profile: profiles.remove(&entry.user)?,
                    state: entry.state,
                    since_unix_ms: entry.since_unix_ms,
                })
            })
            .collect();
        Ok(Page { items, next })
    }

    /// Returns when no message passes between the two any more.
    ///
    /// `user_unknown`, `not_yourself`, `blocks_full`, `rate_limited`, `block_pending`.
    pub async fn block(&self, blocker: UserId, blocked: UserId) -> Result<(), Problem> {
        somebody_else(blocker, blocked)?;
        self.limits.block_change(blocker).await?;
        let now = self.clock.unix_ms();
        let outcome = blocks::block(&self.database, blocker, blocked, now).await?;
        self.contacts_changed.notify_one();
        self.make_it_hold(outcome).await
    }

    /// `rate_limited`, `block_pending`.
    pub async fn unblock(&self, blocker: UserId, blocked: UserId) -> Result<(), Problem> {
        self.limits.block_change(blocker).await?;
        let now = self.clock.unix_ms();
        let outcome = blocks::unblock(&self.database, blocker, blocked, now).await?;
        self.make_it_hold(outcome).await
    }

    async fn make_it_hold(&self, outcome: Blocked) -> Result<(), Problem> {
        let decision = match outcome {
            Blocked::Told => return Ok(()),
            Blocked::UserUnknown => return Err(user_unknown()),
            Blocked::Full => return Err(full("blocks_full", "You block too many people.")),
            Blocked::Untold(decision) => decision,
        };
        events::blocks::tell(self, decision).await.map_err(|error| {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::warn!(error, "a block is left to the relay");
            Problem::new(
                Kind::Unavailable,
                "block_pending",
                "The change is made but has not reached the conversation yet. The same call again \
                 waits for it.",
            )
            .with_retry_after(Duration::from_secs(1))
        })
    }

    pub async fn blocks(
        &self,
        blocker: UserId,
        after: Option<Latest>,
        size: ListSize,
    ) -> Result<Page<Block>, Problem> {
        let entries = blocks::list(&self.database, blocker, after, size).await?;
        let (entries, next) = cut(entries, size.get(), |entry| {
            Latest {
                unix_ms: entry.since_unix_ms,
                user: entry.user,
            }
            .encode()
        });
        let mut profiles = self
            .profiles(entries.iter().map(|entry| entry.user))
            .await?;
        let items = entries
            .into_iter()
            .filter_map(|entry| {
                Some(Block {
                    profile: profiles.remove(&entry.user)?,
                    since_unix_ms: entry.since_unix_ms,
                })
            })
            .collect();
        Ok(Page { items, next })
    }

    pub async fn privacy(&self, user: UserId) -> Result<Privacy, Problem> {
        privacy::get(&self.database, user).await
    }

    pub async fn change_privacy(
        &self,
        user: UserId,
        change: PrivacyChange,
    ) -> Result<Privacy, Problem> {
        privacy::change(&self.database, user, change).await
    }

    /// What a person and others may do towards each other. Who has no account is left out.
    ///
    /// `ids_too_many`.
    pub async fn permissions(
        &self,
        person: UserId,
        others: &[UserId],
    ) -> Result<Vec<(UserId, Permissions)>, Problem> {
        if others.len() > MAX_OTHERS {
            let mut fields = Fields::default();
            fields.refuse(
                "other_ids",
                "ids_too_many",
                format!("At most {MAX_OTHERS} at once."),
            );
            return Err(fields.into_problem());
        }
        privacy::permissions(&self.database, person, others).await
    }

    /// People whom a query finds, for somebody. `rate_limited`.
    pub async fn search(
        &self,
        seeker: UserId,
        address: IpAddr,
        query: &SearchQuery,
        after: Option<Found>,
        size: SearchSize,
    ) -> Result<Page<Profile>, Problem> {
        self.limits.search(seeker, address).await?;
        let (users, next) = match query {
            SearchQuery::Email(email) => {
                let found = search::by_email(&self.database, seeker, email).await?;
                (found.into_iter().collect(), None)
            }
            SearchQuery::Prefix(prefix) => {
                let found =
                    search::by_prefix(&self.database, seeker, prefix, after.as_ref(), size).await?;
                let (found, next) = cut(found, size.get(), Found::encode);
                (found.into_iter().map(|found| found.user).collect(), next)
            }
        };
        let users: Vec<UserId> = users;
        let mut profiles = self.profiles(users.iter().copied()).await?;
        Ok(Page {
            items: users
                .iter()
                .filter_map(|user| profiles.remove(user))
                .collect(),
            next,
        })
    }

    /// The person with exactly this handle, if they want to be found. `user_unknown`, `rate_limited`.
    pub async fn find_by_handle(
        &self,
        seeker: UserId,
        address: IpAddr,
        handle: &str,
    ) -> Result<Profile, Problem> {
        self.limits.search(seeker, address).await?;
        // What is no handle is nobody's.
        let handle = Handle::parse(handle).map_err(|_| user_unknown())?;
        let found = search::by_handle(&self.database, seeker, &handle).await?;
        self.profile(found).await
    }

    /// The person with exactly this e-mail address, if they want to be found. `user_unknown`,
    /// `rate_limited`.
    pub async fn find_by_email(
        &self,
        seeker: UserId,
        address: IpAddr,
        email: &str,
    ) -> Result<Profile, Problem> {
        self.limits.search(seeker, address).await?;
        let email = Email::parse(email).map_err(|_| user_unknown())?;
        let found = search::by_email(&self.database, seeker, &email).await?;
        self.profile(found).await
    }

    /// The first of `count` numbers that nobody else was or will be given. `lease_size_invalid`.
    pub async fn lease_numbers(&self, count: u32) -> Result<u64, Problem> {
        if count == 0 || count > MAX_LEASE {
            let mut fields = Fields::default();
            fields.refuse(
                "count",
                "lease_size_invalid",
                format!("1 to {MAX_LEASE} numbers."),
            );
            return Err(fields.into_problem());
        }
        numbers::lease(&self.database, count).await
    }

    async fn contact(&self, entry: Entry) -> Result<Contact, Problem> {
        Ok(Contact {
            profile: self.profile(Some(entry.user)).await?,
            state: entry.state,
            since_unix_ms: entry.since_unix_ms,
        })
    }

    async fn profile(&self, user: Option<UserId>) -> Result<Profile, Problem> {
        let user = user.ok_or_else(user_unknown)?;
        self.profiles([user])
            .await?
            .remove(&user)
            .ok_or_else(user_unknown)
    }

    async fn profiles(
        &self,
        users: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, Profile>, Problem> {
        let users: Vec<UserId> = users.into_iter().collect();
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let profiles = users::by_ids(&self.database, &users).await?;
        Ok(profiles
            .into_iter()
            .map(|profile| (profile.user, profile))
            .collect())
    }
}

/// Reads a person's id.
pub fn parse_user(text: &str) -> Result<UserId, Problem> {
    let mut fields = Fields::default();
    fields
        .parse("user_id", "user_id_invalid", UserId::parse(text))
        .ok_or_else(|| fields.into_problem())
}

/// Where a page begins and how long it is, each with the name of its field.
pub fn parse_page(
    (cursor_field, cursor): (&'static str, &str),
    (size_field, size): (&'static str, u32),
) -> Result<(Option<Latest>, ListSize), Problem> {
    let mut fields = Fields::default();
    let cursor = match cursor {
        "" => Some(None),
        text => fields
            .parse(cursor_field, "cursor_invalid", Latest::parse(text))
            .map(Some),
    };
    let size = fields.parse(size_field, "limit_invalid", ListSize::new(size));
    match (cursor, size) {
        (Some(cursor), Some(size)) => Ok((cursor, size)),
        _ => Err(fields.into_problem()),
    }
}

/// What is searched, where the page begins and how long it is.
pub fn parse_search(
    query: &str,
    (cursor_field, cursor): (&'static str, &str),
    (size_field, size): (&'static str, u32),
) -> Result<(SearchQuery, Option<Found>, SearchSize), Problem> {
    let mut fields = Fields::default();
    let query = match SearchQuery::parse(query) {
        Ok(query) => Some(query),
        Err(error) => {
            let code = match error {
                InvalidQuery::Short => "query_too_short",
                InvalidQuery::Form => "query_invalid",
            };
            fields.refuse("query", code, error.to_string());
            None
        }
    };
    let after = match cursor {
        "" => Some(None),
        text => fields
            .parse(cursor_field, "cursor_invalid", Found::parse(text))
            .map(Some),
    };
    let size = fields.parse(size_field, "limit_invalid", SearchSize::new(size));
    match (query, after, size) {
        (Some(query), Some(after), Some(size)) => Ok((query, after, size)),
        _ => Err(fields.into_problem()),
    }
}

/// The page, of rows of which one more was asked for, and where the next one begins.
fn cut<T>(
    mut rows: Vec<T>,
    size: usize,
    place: impl FnOnce(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(place);
    (rows, next)
}

fn somebody_else(one: UserId, other: UserId) -> Result<(), Problem> {
    if one == other {
        return Err(Problem::new(
            Kind::InvalidInput,
            "not_yourself",
            "This is for somebody else than yourself.",
        ));
    }
    Ok(())
}

fn not_allowed() -> Problem {
    Problem::new(
        Kind::PermissionDenied,
        "not_allowed",
        "You can't reach this person.",
    )
}

fn full(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(Kind::FailedPrecondition, code, detail)
}

fn user_unknown() -> Problem {
    Problem::new(Kind::NotFound, "user_unknown", "There is nobody like that.")
}

use std::collections::HashMap;
use std::time::Duration;

use auth::PeerChannel;
use ids::UserId;
use moka::sync::Cache;
use proto::account::last_seen_internal_service_client::LastSeenInternalServiceClient;
use proto::account::{GetLastSeenRequest, LastSeen, NoteLastSeenRequest};

use super::{PeerAway, peer_failed};

/// Most people in one call.
pub const MAX_PEOPLE: usize = 500;
/// Only whom Redis has forgotten is asked for, and that doesn't change while they are away.
const TTL: Duration = Duration::from_secs(60);
const CACHED: u64 = 100_000;

/// When people were last seen, as the account service keeps it.
pub struct TimesSeen {
    peer: PeerChannel,
    /// `None`: it doesn't know either.
    known: Cache<UserId, Option<u64>>,
}

impl TimesSeen {
    pub(super) fn new(peer: PeerChannel) -> Self {
        Self {
            peer,
            known: Cache::builder()
                .max_capacity(CACHED)
                .time_to_live(TTL)
                .build(),
        }
    }

    /// Has times kept, at most [`MAX_PEOPLE`].
    ///
    /// # Errors
    /// [`PeerAway`] when the account service doesn't answer.
    pub async fn note(&self, people: &[(UserId, u64)]) -> Result<(), PeerAway> {
        let people = people.iter().map(|(user, unix_ms)| LastSeen {
            user_id: user.to_string(),
            unix_ms: *unix_ms as i64,
        });
        let request = NoteLastSeenRequest {
            people: people.collect(),
        };
        let request = self.peer.request(request, None);
        let mut account = LastSeenInternalServiceClient::new(self.peer.channel());
        let noted = account.note_last_seen(request).await;
        noted.map(drop).map_err(|status| {
            peer_failed("account", &status);
            PeerAway("account")
        })
    }

    /// When people were last seen, in Unix milliseconds; those of whom that isn't known, or can't be found
    /// out now, are left out.
    pub async fn of(&self, users: &[UserId]) -> HashMap<UserId, u64> {
        let mut found = HashMap::new();
        let mut unknown = Vec::new();
        for user in users {
            match self.known.get(user) {
                Some(Some(unix_ms)) => drop(found.insert(*user, unix_ms)),
                Some(None) => {}
                None => unknown.push(*user),
            }
        }
        for asked in unknown.chunks(MAX_PEOPLE) {
            let request = GetLastSeenRequest {
                user_ids: asked.iter().map(UserId::to_string).collect(),
            };
            let request = self.peer.request(request, None);
            let mut account = LastSeenInternalServiceClient::new(self.peer.channel());
            let answer = match account.get_last_seen(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) => {
                    peer_failed("account", &status);
                    continue;
                }
            };
            for user in asked {
                self.known.insert(*user, None);
            }
            for seen in answer.people {
                if let Ok(user) = seen.user_id.parse() {
                    self.known.insert(user, Some(seen.unix_ms as u64));
                    found.insert(user, seen.unix_ms as u64);
                }
            }
        }
        found
    }
}

use std::collections::HashMap;
use std::time::Duration;

use auth::{PeerChannel, Person};
use ids::UserId;
use moka::sync::Cache;
use proto::account::permission_internal_service_client::PermissionInternalServiceClient;
use proto::account::{CheckPermissionsRequest, Permission, PermissionsTowards};

use super::{PeerAway, peer_failed};

const TTL: Duration = Duration::from_secs(10);
const CACHED: u64 = 200_000;

/// What somebody may do towards somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Towards {
    pub typing: Verdict,
    pub see_presence: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Refused,
    /// Allowed if both are in any conversation.
    IfTogether,
}

impl Verdict {
    fn of(permission: Permission) -> Self {
        match permission {
            Permission::Allowed => Self::Allowed,
            Permission::IfSharedConversation => Self::IfTogether,
            // What a newer version allows under a condition unknown here is not allowed.
            Permission::IfSharedGroup | Permission::Refused | Permission::Unspecified => {
                Self::Refused
            }
        }
    }
}

/// What blocks and settings allow: asked of the account service, and known for a moment.
pub struct Permissions {
    peer: PeerChannel,
    known: Cache<(UserId, UserId), Towards>,
}

impl Permissions {
    pub(super) fn new(peer: PeerChannel) -> Self {
        Self {
            peer,
            known: Cache::builder()
                .max_capacity(CACHED)
                .time_to_live(TTL)
                .build(),
        }
    }

    /// What the person may do towards others, at most 1,000 of them. Who has no account is left out.
    ///
    /// # Errors
    /// [`PeerAway`] when the account service doesn't answer.
    pub async fn towards(
        &self,
        person: &Person,
        others: &[UserId],
    ) -> Result<HashMap<UserId, Towards>, PeerAway> {
        let mut found = HashMap::with_capacity(others.len());
        let mut other_ids = Vec::new();
        for other in others {
            match self.known.get(&(person.user, *other)) {
                Some(towards) => drop(found.insert(*other, towards)),
                None => other_ids.push(other.to_string()),
            }
        }
        if other_ids.is_empty() {
            return Ok(found);
        }
        let request = CheckPermissionsRequest {
            user_id: person.user.to_string(),
            other_ids,
        };
        let request = self.peer.request(request, Some(person));
        let mut account = PermissionInternalServiceClient::new(self.peer.channel());
        let answer = account.check_permissions(request).await.map_err(|status| {
            peer_failed("account", &status);
            PeerAway("account")
        })?;
        for permissions in &answer.get_ref().others {
            if let Ok(other) = permissions.user_id.parse() {
                let towards = towards(permissions);
                self.known.insert((person.user, other), towards);
                found.insert(other, towards);
            }
        }
        Ok(found)
    }
}

fn towards(permissions: &PermissionsTowards) -> Towards {
    Towards {
        typing: Verdict::of(permissions.typing()),
        see_presence: Verdict::of(permissions.see_presence()),
    }
}

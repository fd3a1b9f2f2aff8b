use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth::{PeerChannel, Person};
use ids::{ConversationId, UserId};
use moka::sync::Cache;
use proto::conversation::GetAudienceRequest;
use proto::conversation::co_member_internal_service_client::CoMemberInternalServiceClient;
use tonic::Code;

use super::{QUICK, peer_failed};
use crate::domain::typing::MAX_AUDIENCE;

const TTL: Duration = Duration::from_secs(30);
/// After a leave, hints that were on their way come this late at most.
const LEFT_TTL: Duration = Duration::from_secs(10);
const CACHED: u64 = 20_000;

/// Whom a hint about a conversation may reach.
#[derive(Debug, Clone)]
pub enum Audience {
    /// All members.
    Members(Arc<[UserId]>),
    /// There are more than are told.
    TooMany,
    /// The person isn't in it, or it doesn't exist.
    NotAMember,
    /// The peer is away: nobody is told.
    Unknown,
}

/// Members of conversations in which somebody typed a moment ago.
///
/// A change of membership that comes through the log takes the conversation out at once, so nobody is told
/// for longer than that takes.
pub struct Audiences {
    peer: PeerChannel,
    known: Cache<ConversationId, Audience>,
    left: Cache<(ConversationId, UserId), ()>,
    /// How many changes of membership came: an answer that was under way meanwhile isn't kept.
    changes: AtomicU64,
}

impl Audiences {
    pub(super) fn new(peer: PeerChannel) -> Self {
        Self {
            peer: peer.with_deadline(QUICK),
            known: Cache::builder()
                .max_capacity(CACHED)
                .time_to_live(TTL)
                .build(),
            left: Cache::builder()
                .max_capacity(CACHED)
                .time_to_live(LEFT_TTL)
                .build(),
            changes: AtomicU64::new(0),
        }
    }

    /// Whom the person's hint may reach; asks for at most [`QUICK`].
    pub async fn of(&self, conversation: ConversationId, person: &Person) -> Audience {
        match self.known.get(&conversation) {
            Some(Audience::Members(members)) if members.contains(&person.user) => {
                return Audience::Members(members);
            }
            Some(Audience::TooMany) => return Audience::TooMany,
            // Somebody who came after it was asked, or a stranger: the peer says which.
            _ => {}
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let request = GetAudienceRequest {
            conversation_id: conversation.to_string(),
            max_members: MAX_AUDIENCE,
        };
        let request = self.peer.request(request, Some(person));
        let mut peer = CoMemberInternalServiceClient::new(self.peer.channel());
        let audience = match peer.get_audience(request).await {
            Ok(answer) => {
                let ids = answer.into_inner().user_ids;
                let members: Arc<[UserId]> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                if members.is_empty() {
                    Audience::TooMany
                } else {
                    Audience::Members(members)
                }
            }
            Err(status) if status.code() == Code::NotFound => return Audience::NotAMember,
            Err(status) => {
                peer_failed("conversation", &status);
                return Audience::Unknown;
            }
        };
        self.known.insert(conversation, audience.clone());
        if self.changes.load(Ordering::SeqCst) != changes {
            self.known.invalidate(&conversation);
        }
        audience
    }

    /// The members are others now.
    pub fn changed(&self, conversation: ConversationId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.known.invalidate(&conversation);
    }

    /// Somebody has left: hints that are on their way don't reach them any more.
    pub fn left(&self, conversation: ConversationId, user: UserId) {
        self.left.insert((conversation, user), ());
        self.changed(conversation);
    }

    /// Somebody has come, perhaps again.
    pub fn joined(&self, conversation: ConversationId, user: UserId) {
        self.left.invalidate(&(conversation, user));
        self.changed(conversation);
    }

    /// Whether somebody has left a moment ago.
    pub fn has_left(&self, conversation: ConversationId, user: UserId) -> bool {
        self.left.contains_key(&(conversation, user))
    }
}

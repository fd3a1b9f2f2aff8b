//! What the gateway asks of other services. None of it is needed to pass messages: when a peer is
//! away, the log decides, or the client compares heads.

mod audiences;
mod co_members;
mod permissions;
mod times_seen;

use std::time::Duration;

use auth::{EndedSessions, PeerChannel, PeerError, Person, ServiceIdentity};
use ids::{ConversationId, SessionId, UserId};
use moka::Expiry;
use moka::sync::Cache;
use proto::account::CheckSessionRequest;
use proto::account::account_internal_service_client::AccountInternalServiceClient;
use proto::conversation::CheckMemberRequest;
use proto::conversation::conversation_internal_service_client::ConversationInternalServiceClient;
use proto::message::GetChangesRequest;
use proto::message::message_internal_service_client::MessageInternalServiceClient;
use proto::socket::Resumed;
use tonic::Code;

use crate::config;

pub use audiences::{Audience, Audiences};
pub use co_members::CoMembers;
pub use permissions::{Permissions, Verdict};
pub use times_seen::{MAX_PEOPLE, TimesSeen};

/// A frame of a socket waits for these; better the log decides than a queue runs full.
const QUICK: Duration = Duration::from_millis(300);
/// How long a session that was found good isn't asked for again.
const SESSION_TTL: Duration = Duration::from_secs(5);
const MEMBER_TTL: Duration = Duration::from_secs(30);
/// Short, because the next thing after "not a member" is often a join.
const OTHER_TTL: Duration = Duration::from_secs(1);
const CACHED: u64 = 200_000;

pub struct Peers {
    pub account: PeerChannel,
    pub sessions: Sessions,
    pub memberships: Memberships,
    pub changes: Changes,
    pub audiences: Audiences,
    pub permissions: Permissions,
    pub co_members: CoMembers,
    pub times_seen: TimesSeen,
}

/// A peer that is needed for the answer doesn't answer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer `{0}` is away")]
pub struct PeerAway(&'static str);

impl Peers {
    /// # Errors
    /// When an address is none.
    pub fn new(
        peers: &config::Peers,
        identity: &ServiceIdentity,
        ended: EndedSessions,
    ) -> Result<Self, PeerError> {
        let channel = |name, url| PeerChannel::new(name, url, identity.clone());
        let account = channel("account", &peers.account)?;
        let conversation = channel("conversation", &peers.conversation)?;
        Ok(Self {
            sessions: Sessions::new(account.clone(), ended),
            memberships: Memberships::new(conversation.clone()),
            changes: Changes {
                peer: channel("message", &peers.message)?,
            },
            audiences: Audiences::new(conversation.clone()),
            permissions: Permissions::new(account.clone()),
            co_members: CoMembers { peer: conversation },
            times_seen: TimesSeen::new(account.clone()),
            account,
        })
    }
}

/// Which login sessions are over, although their tokens are still good.
pub struct Sessions {
    peer: PeerChannel,
    good: Cache<SessionId, ()>,
    ended: EndedSessions,
}

impl Sessions {
    fn new(peer: PeerChannel, ended: EndedSessions) -> Self {
        Self {
            peer: peer.with_deadline(QUICK),
            good: Cache::builder()
                .max_capacity(CACHED)
                .time_to_live(SESSION_TTL)
                .build(),
            ended,
        }
    }

    /// Asks the account service. When it is away, the verified token is enough.
    pub async fn check(&self, person: &Person, now_unix_ms: u64) -> bool {
        if self.ended.contains(person.session) {
            return false;
        }
        if self.good.contains_key(&person.session) {
            return true;
        }
        let request = self.peer.request(
            CheckSessionRequest {
                session_id: person.session.to_string(),
            },
            Some(person),
        );
        let mut account = AccountInternalServiceClient::new(self.peer.channel());
        match account.check_session(request).await {
            Ok(answer) if !answer.get_ref().active => {
                self.ended.insert(person.session, now_unix_ms as i64);
                return false;
            }
            Ok(_) => {}
            Err(status) => peer_failed("account", &status),
        }
        // A peer that is away isn't asked by everybody who reconnects.
        self.good.insert(person.session, ());
        true
    }
}

/// What is known of somebody's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    Member,
    NotMember,
    /// There is no such conversation.
    NoConversation,
    /// The peer is away: the log decides.
    Unknown,
}

/// Keeps what can't be accepted out of the log. The log decides; this only saves it work.
pub struct Memberships {
    peer: PeerChannel,
    known: Cache<(ConversationId, UserId), Membership>,
}

struct ByAnswer;

impl<K> Expiry<K, Membership> for ByAnswer {
    fn expire_after_create(
        &self,
        _: &K,
        answer: &Membership,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(match answer {
            Membership::Member => MEMBER_TTL,
            _ => OTHER_TTL,
        })
    }

    fn expire_after_update(
        &self,
        key: &K,
        answer: &Membership,
        at: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, answer, at)
    }
}

impl Memberships {
    fn new(peer: PeerChannel) -> Self {
        Self {
            peer: peer.with_deadline(QUICK),
            known: Cache::builder()
                .max_capacity(CACHED)
                .expire_after(ByAnswer)
                .build(),
        }
    }

    /// What is known without asking.
    pub fn known(&self, conversation: ConversationId, user: UserId) -> Option<Membership> {
        self.known.get(&(conversation, user))
    }

    /// Asks the conversation service, for at most [`QUICK`].
    pub async fn ask(&self, conversation: ConversationId, person: &Person) -> Membership {
        let request = self.peer.request(
            CheckMemberRequest {
                conversation_id: conversation.to_string(),
                user_id: person.user.to_string(),
            },
            Some(person),
        );
        let mut peer = ConversationInternalServiceClient::new(self.peer.channel());
        let membership = match peer.check_member(request).await {
            Ok(answer) if answer.get_ref().member => Membership::Member,
            Ok(_) => Membership::NotMember,
            Err(status) if status.code() == Code::NotFound => Membership::NoConversation,
            Err(status) => {
                peer_failed("conversation", &status);
                Membership::Unknown
            }
        };
        self.known.insert((conversation, person.user), membership);
        membership
    }
}

/// What changed while a client was away.
pub struct Changes {
    peer: PeerChannel,
}

impl Changes {
    /// What the client missed since `cursor`, or that it has to compare heads. `registered` is the
    /// cursor of the registration: good in either case, since what came after it comes here.
    pub async fn since(&self, cursor: String, person: &Person, registered: String) -> Resumed {
        let request = self
            .peer
            .request(GetChangesRequest { cursor }, Some(person));
        let mut message = MessageInternalServiceClient::new(self.peer.channel());
        match message
            .get_changes(request)
            .await
            .map(|answer| answer.into_inner())
        {
            Ok(answer) if answer.complete => Resumed {
                complete: true,
                changed: answer.changed,
                cursor: registered,
            },
            Ok(_) => Resumed {
                complete: false,
                changed: Vec::new(),
                cursor: registered,
            },
            Err(status) => {
                peer_failed("message", &status);
                Resumed {
                    complete: false,
                    changed: Vec::new(),
                    cursor: registered,
                }
            }
        }
    }
}

/// Expected while a peer restarts: counted, and only told where somebody looks closely.
fn peer_failed(peer: &'static str, status: &tonic::Status) {
    metrics::counter!("gateway_peer_failures_total", "peer" => peer).increment(1);
    tracing::debug!(
        peer,
        code = ?status.code(),
        message = status.message(),
        "peer did not answer"
    );
}

//! Who types, and who is there: hints, which are in no count. What can't be sent now is sent later only if it
//! is still worth something then.

use std::collections::HashMap;

use ids::{ConversationId, UserId};
use proto::socket::{MemberTyping, WatchPresence, client_frame};

use super::{Action, Update, tell};

/// Most people whose presence a session watches.
pub const MAX_WATCHED: usize = 100;
/// Between two words that somebody types.
const SAY_EVERY_MS: u64 = 3_000;
/// How long a question waits that the server had no room for.
const ASK_AGAIN_MS: u64 = 1_000;

/// Whether somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// To be shown for so long, or until a message of theirs.
    Started {
        expires_in_ms: u32,
    },
    Stopped,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Connected with any device.
    Online,
    /// When they were last connected, by the server's clock, if that is known.
    Offline { last_seen_unix_ms: Option<i64> },
    /// Not for this person to see.
    Hidden,
}

#[derive(Debug, Default)]
pub(super) struct Hints {
    /// When it was said last that the person types.
    typing: HashMap<ConversationId, u64>,
    watched: Vec<UserId>,
    /// When the server is to be told whom this session watches.
    watch_at: Option<u64>,
}

impl Hints {
    /// The person types, or has left the draft.
    pub(super) fn type_in(
        &mut self,
        now: u64,
        id: ConversationId,
        is_typing: bool,
        is_live: bool,
        out: &mut Vec<Action>,
    ) {
        let state = if is_typing {
            let said = self.typing.get(&id);
            if !is_live || said.is_some_and(|at| now < at + SAY_EVERY_MS) {
                return;
            }
            self.typing.insert(id, now);
            "started"
        } else if self.typing.remove(&id).is_some() && is_live {
            "stopped"
        } else {
            return;
        };
        let typing = proto::socket::Typing {
            conversation_id: id.to_string(),
            state: state.to_owned(),
        };
        out.push(Action::Transmit(client_frame::Frame::Typing(typing)));
    }

    /// A message says by itself that nobody types any more.
    pub(super) fn wrote(&mut self, id: ConversationId) {
        self.typing.remove(&id);
    }

    pub(super) fn watch(&mut self, now: u64, people: Vec<UserId>) {
        self.watched = people;
        self.watch_at = Some(now);
    }

    /// A new socket watches nobody, and nobody was told anything on it.
    pub(super) fn connected(&mut self, now: u64) {
        self.typing.clear();
        self.watch_at = (!self.watched.is_empty()).then_some(now);
    }

    /// The server had no room for the question.
    pub(super) fn watch_again(&mut self, now: u64) {
        self.watch_at = Some(now + ASK_AGAIN_MS);
    }

    pub(super) fn pump(&mut self, now: u64, out: &mut Vec<Action>) {
        if self.watch_at.is_some_and(|at| at <= now) {
            self.watch_at = None;
            let user_ids = self.watched.iter().map(UserId::to_string).collect();
            let watch = client_frame::Frame::WatchPresence(WatchPresence { user_ids });
            out.push(Action::Transmit(watch));
        }
    }

    pub(super) fn deadline(&self) -> u64 {
        self.watch_at.unwrap_or(u64::MAX)
    }
}

/// Somebody else types.
pub(super) fn typing(told: &MemberTyping, out: &mut Vec<Action>) {
    let (Ok(conversation), Ok(user)) = (
        ConversationId::parse(&told.conversation_id),
        UserId::parse(&told.user_id),
    ) else {
        return;
    };
    let typing = match told.state.as_str() {
        "started" => Typing::Started {
            expires_in_ms: told.expires_in_ms,
        },
        "stopped" => Typing::Stopped,
        // Of a later version.
        _ => return,
    };
    tell(
        out,
        Update::Typing {
            conversation,
            user,
            typing,
        },
    );
}

/// Somebody who is watched came, or went.
pub(super) fn presence(told: &proto::socket::Presence, out: &mut Vec<Action>) {
    let Ok(user) = UserId::parse(&told.user_id) else {
        return;
    };
    let presence = match told.state.as_str() {
        "online" => Presence::Online,
        "offline" => Presence::Offline {
            last_seen_unix_ms: (told.last_seen_unix_ms > 0).then_some(told.last_seen_unix_ms),
        },
        "hidden" => Presence::Hidden,
        // Of a later version.
        _ => return,
    };
    tell(out, Update::Presence { user, presence });
}

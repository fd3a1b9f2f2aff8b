//! The rules of a session, without I/O.
//!
//! [`Engine::handle`] takes what happened and says what to do; [`Engine::deadline`] says when it wants
//! to be called with [`Input::Tick`]. Nothing here reads a clock, a socket or a random number of the
//! system, so that a test can lead it through any order of events.
//!
//! Invariants, whatever is lost, doubled or late:
//! - an entry of a conversation is shown at most once, and only after every entry before it that the
//!   person may see, or after an [`Update::Reset`] that says that some were left out;
//! - a message, or a change of one, stays in the outbox until the server answered for good, and those of
//!   a conversation are sent in the order in which they were written;
//! - a cursor is kept only if everything that it stands for has arrived;
//! - an unread count is derived from the server's last state and the entries above it, never incremented;
//! - a receipt is told only after the entries that it is about.

mod backoff;
mod conversation;
mod hints;
mod marks;
mod outbox;
#[cfg(test)]
mod properties;
mod receipts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ids::{ClientMessageId, ConversationId, FileId, UserId};
use proto::socket::{
    Accepted, ConversationState, Entry, Heartbeat, Hello, Receipt, Refused, Welcome, client_frame,
    server_frame,
};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use backoff::Backoff;
use conversation::{Conversation, Gap};
use hints::Hints;
pub use hints::{MAX_WATCHED, Presence, Typing};
use marks::Beat;

/// A message that is about to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// 1 to 8,192 bytes, unless there are attachments.
    pub text: String,
    /// At most 10.
    pub attachments: Vec<FileId>,
    /// Number of the entry that this answers.
    pub reply_to: Option<u64>,
}

impl Draft {
    /// Text alone.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageChange {
    /// Another text: 1 to 8,192 bytes.
    Edit(String),
    /// Gone for everybody.
    Delete,
    /// An emoji: 1 to 32 bytes.
    AddReaction(String),
    RemoveReaction(String),
}

/// What goes through an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    Message(Draft),
    /// A change of the message with this number.
    Change {
        number: u64,
        change: MessageChange,
    },
}

impl From<Draft> for Submission {
    fn from(draft: Draft) -> Self {
        Self::Message(draft)
    }
}

/// Where the reader stands in a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Number of the newest entry.
    pub head: u64,
    /// Number up to which the person has read.
    pub read: u64,
    /// Messages of others above it, or above the entry by which the person came, that were neither deleted
    /// nor hidden.
    pub unread: u64,
    /// Whether the person marked the conversation as unread.
    pub marked_unread: bool,
    /// How many entries the person has hidden.
    pub hidden: u64,
}

/// What a session tells.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all updates are entries, and each is moved once or twice"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The next entry of a conversation: each number once, in order. The standing is none until the
    /// server told it.
    Shown {
        conversation: ConversationId,
        entry: Entry,
        standing: Option<Standing>,
    },
    /// Something of the outbox is numbered and stored.
    Acknowledged {
        conversation: ConversationId,
        client_message_id: ClientMessageId,
        number: u64,
        /// The server's time.
        time_unix_ms: i64,
    },
    /// Something of the outbox was refused for good.
    Refused {
        conversation: ConversationId,
        client_message_id: ClientMessageId,
        /// Stable, lower_snake_case.
        code: String,
        detail: String,
    },
    /// A mark or a count changed.
    State {
        conversation: ConversationId,
        standing: Standing,
    },
    /// Somebody has got further; everything up to here was shown before. What was missed while there was
    /// no connection is told of the conversations that are on the screen ([`Input::OnScreen`]).
    Receipt {
        conversation: ConversationId,
        user: UserId,
        /// Everything up to here has reached a device of theirs.
        delivered: u64,
        /// Everything up to here was read.
        read: u64,
        /// The server's time of the last move.
        time_unix_ms: i64,
    },
    /// The person has hidden an entry, on whichever device. It may be shown yet. Each once, in order;
    /// a session begins with all that were hidden before.
    Hidden {
        conversation: ConversationId,
        number: u64,
    },
    /// The person's own settings of the conversation have changed: fetch them.
    SettingsChanged {
        conversation: ConversationId,
        version: u64,
    },
    /// The person's contacts or invitations have changed: fetch them. What changed while there was no
    /// connection isn't told: fetch them when there is one again.
    ContactsChanged,
    /// Somebody else types, or no longer does. A hint, which may be missing.
    Typing {
        conversation: ConversationId,
        user: UserId,
        typing: Typing,
    },
    /// How somebody stands whom this session watches; true while it is connected.
    Presence {
        user: UserId,
        presence: Presence,
    },
    /// Entries up to `held` will not be shown: too many were missed, or they can't be read (then
    /// `code` says why). The history has what may be seen.
    Reset {
        conversation: ConversationId,
        held: u64,
        code: Option<String>,
    },
    Connection(ConnectionState),
    /// The server didn't like a frame that it couldn't tie to a message.
    Complaint {
        code: String,
        detail: String,
        frame: String,
    },
}

/// How far the session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    Connecting,
    /// Connected, and fetching what was missed.
    CatchingUp,
    /// Everything up to now has been shown; what follows is live.
    CaughtUp,
    /// No connection; the next try is after this time.
    Waiting {
        for_ms: u64,
    },
    /// The login session is over, and so is this one.
    Ended {
        code: String,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The beginning, and whenever [`Engine::deadline`] has passed.
    Tick,
    /// [`Action::Connect`] succeeded.
    Opened(Token),
    /// It didn't.
    NotOpened(OpenFailure),
    Frame(server_frame::Frame),
    /// The socket ended, for a reason other than [`Action::Disconnect`].
    Closed {
        code: Option<u16>,
    },
    /// The answer to [`Action::RenewToken`]; none: it failed.
    Renewed(Option<Token>),
    /// The answer to [`Action::FetchEntries`].
    Entries {
        conversation: ConversationId,
        outcome: Result<Page, FetchFailure>,
    },
    /// The answer to [`Action::FetchStates`].
    States(Result<Vec<ConversationState>, FetchFailure>),
    /// The answer to [`Action::FetchHidden`].
    Hidden {
        conversation: ConversationId,
        after: u64,
        outcome: Result<Vec<u64>, FetchFailure>,
    },
    /// The answer to [`Action::FetchMarks`].
    Marks {
        conversation: ConversationId,
        outcome: Result<Vec<Receipt>, FetchFailure>,
    },
    /// These conversations are on the screen, instead of those before: how far others have got in them is
    /// read now, and again whenever it may have been missed.
    OnScreen(BTreeSet<ConversationId>),
    /// The person types (say so with each key), or has left the draft without sending it.
    Typing {
        conversation: ConversationId,
        is_typing: bool,
    },
    /// These people are watched, instead of those before; at most [`MAX_WATCHED`].
    Watch(Vec<UserId>),
    /// The person wrote or changed a message. `attempts`: how often it was sent before this session.
    Submit {
        conversation: ConversationId,
        id: ClientMessageId,
        what: Submission,
        attempts: u32,
    },
    /// The person has read up to here.
    Read {
        conversation: ConversationId,
        number: u64,
    },
    /// The person wants it to look unread.
    MarkUnread {
        conversation: ConversationId,
    },
    /// The person doesn't want to see an entry any more.
    Hide {
        conversation: ConversationId,
        number: u64,
    },
}

/// An access token and when to replace it.
#[derive(Debug, Clone)]
pub struct Token {
    pub access_token: String,
    pub renew_in_ms: u64,
}

/// Why there is no socket.
#[derive(Debug)]
pub enum OpenFailure {
    /// It may work later.
    Temporary,
    /// The person has to sign in again.
    SignedOut { code: String },
}

/// Why something could not be read.
#[derive(Debug)]
pub enum FetchFailure {
    Temporary,
    Refused { code: String },
}

/// A range of history.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Ascending.
    pub entries: Vec<Entry>,
    /// All that the person may see up to here is in `entries`.
    pub covered_to: u64,
    pub state: Option<ConversationState>,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Open a socket; `fresh_token`: the token used last was not accepted.
    Connect {
        fresh_token: bool,
    },
    /// Drop the socket; it is not to be heard of again.
    Disconnect,
    Transmit(client_frame::Frame),
    RenewToken,
    /// Read entries above `after`.
    FetchEntries {
        conversation: ConversationId,
        after: u64,
    },
    /// Read the states of the session's conversations.
    FetchStates,
    /// Read what the person has hidden after the first `after`, in the order of hiding.
    FetchHidden {
        conversation: ConversationId,
        after: u64,
    },
    /// Read how far the members have got.
    FetchMarks {
        conversation: ConversationId,
    },
    Tell(Update),
}

/// What a session is like.
#[derive(Debug, Clone)]
pub struct Config {
    /// Only these conversations, each from the number that is held already; none: all of the person's.
    pub only: Option<HashSet<ConversationId>>,
    /// Numbers that are held already: what is above them is fetched and shown.
    pub held: HashMap<ConversationId, u64>,
    /// A larger hole is not filled but reported as [`Update::Reset`].
    pub max_gap: u64,
    /// Frames of one conversation that may wait for their answer.
    pub window: usize,
    /// An answer that takes longer than this (then twice as long, and so on) is asked for again.
    pub answer_timeout_ms: u64,
    /// Silence before the first `welcome`.
    pub hello_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            only: None,
            held: HashMap::new(),
            max_gap: 10_000,
            window: 128,
            answer_timeout_ms: 10_000,
            hello_timeout_ms: 10_000,
        }
    }
}

/// Reads of history that run at once.
const MAX_FETCHES: usize = 4;
/// How long marks wait that the server could not take.
const MARKS_RETRY_MS: u64 = 1_000;
/// Entries of one conversation that are kept while a hole before them is filled; the history has the rest.
const MAX_WAITING: usize = 2_048;

#[derive(Debug)]
enum Link {
    Waiting { until: u64 },
    Opening,
    Greeting { until: u64 },
    Live(Live),
    Ended,
}

#[derive(Debug)]
struct Live {
    heard_at: u64,
    /// Frames that the server counts too.
    counted: u64,
    /// Frames sent since `welcome`.
    sent: u64,
    heartbeat_ms: u64,
    /// Hello had a cursor, and its `resumed` has not come; it is given up at this time.
    resuming_until: Option<u64>,
    /// The server announced its end: when to come back.
    return_at: Option<u64>,
}

impl Live {
    /// When this connection is given up unless something comes.
    fn silent_at(&self) -> u64 {
        // A connection that is silent for two heartbeats is a ghost.
        let ghost_at = self.heard_at + 2 * self.heartbeat_ms;
        ghost_at
            .min(self.resuming_until.unwrap_or(u64::MAX))
            .min(self.return_at.unwrap_or(u64::MAX))
    }
}

/// A read of something that may change meanwhile: the heads, to compare our numbers with them, or marks.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Done,
    Wanted { at: u64 },
    Running { again: bool },
}

impl Reading {
    fn want(&mut self, now: u64) {
        match self {
            Self::Running { again } => *again = true,
            reading => *reading = Self::Wanted { at: now },
        }
    }

    /// It succeeded.
    fn finish(&mut self, now: u64) {
        *self = match self {
            Self::Running { again: true } => Self::Wanted { at: now },
            _ => Self::Done,
        };
    }
}

/// The state of a session.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    me: UserId,
    rng: SmallRng,
    link: Link,
    reconnects: Backoff,
    distrust_token: bool,
    renewing: bool,
    renew_at: u64,
    cursor: String,
    /// The heads were compared at least once: an unknown conversation is a new one.
    compared_once: bool,
    comparison: Reading,
    comparisons: Backoff,
    caught_up: bool,
    conversations: BTreeMap<ConversationId, Conversation>,
    /// Those with a hole, an outbox or a mark to send.
    busy: BTreeSet<ConversationId>,
    fetches: usize,
    /// Until when marks wait, because the server could not take them.
    marks_hold_until: u64,
    hints: Hints,
    /// Conversations on the screen, and whether the marks of their members have to be read.
    on_screen: BTreeMap<ConversationId, Reading>,
    mark_reads: Backoff,
}

impl Engine {
    /// A session of `me` that will connect at the first tick. `seed` is for the jitter alone.
    #[must_use]
    pub fn new(me: UserId, mut config: Config, seed: u64) -> Self {
        let conversations = std::mem::take(&mut config.held)
            .into_iter()
            .map(|(id, held)| (id, Conversation::held(held)))
            .collect();
        Self {
            config,
            me,
            rng: SmallRng::seed_from_u64(seed),
            link: Link::Waiting { until: 0 },
            reconnects: Backoff::new(500, 30_000),
            distrust_token: false,
            renewing: false,
            renew_at: u64::MAX,
            cursor: String::new(),
            compared_once: false,
            comparison: Reading::Wanted { at: 0 },
            comparisons: Backoff::new(250, 10_000),
            caught_up: false,
            conversations,
            busy: BTreeSet::new(),
            fetches: 0,
            marks_hold_until: 0,
            hints: Hints::default(),
            on_screen: BTreeMap::new(),
            mark_reads: Backoff::new(250, 10_000),
        }
    }

    /// Takes what happened at `now` (milliseconds of any clock that doesn't go back), adds to `out`
    /// what to do.
    pub fn handle(&mut self, now: u64, input: Input, out: &mut Vec<Action>) {
        if matches!(self.link, Link::Ended) {
            return;
        }
        let had = out.len();
        match input {
            Input::Tick => {}
            Input::Opened(token) => self.opened(now, token, out),
            Input::NotOpened(OpenFailure::Temporary) => self.wait(now, None, out),
            Input::NotOpened(OpenFailure::SignedOut { code }) => self.end(code, out),
            Input::Frame(frame) => self.frame(now, frame, out),
            Input::Closed { code } => self.closed(now, code, out),
            Input::Renewed(token) => self.renewed(now, token, out),
            Input::Entries {
                conversation,
                outcome,
            } => {
                self.entries_fetched(now, conversation, outcome, out);
            }
            Input::States(outcome) => self.states_fetched(now, outcome, out),
            Input::Hidden {
                conversation,
                after,
                outcome,
            } => self.hidden_fetched(now, conversation, after, outcome, out),
            Input::Submit {
                conversation,
                id,
                what,
                attempts,
            } => {
                self.hints.wrote(conversation);
                self.occupy(conversation).outbox.push(id, what, attempts);
            }
            Input::Marks {
                conversation,
                outcome,
            } => self.marks_fetched(now, conversation, outcome, out),
            Input::OnScreen(conversations) => self.show_on_screen(now, conversations),
            Input::Typing {
                conversation,
                is_typing,
            } => {
                let is_live = matches!(self.link, Link::Live(_));
                self.hints
                    .type_in(now, conversation, is_typing, is_live, out);
            }
            Input::Watch(people) => self.hints.watch(now, people),
            Input::Read {
                conversation,
                number,
            } => self.occupy(conversation).want_read(number),
            Input::MarkUnread { conversation } => {
                self.occupy(conversation).marks.want_unread();
            }
            Input::Hide {
                conversation,
                number,
            } => self.occupy(conversation).want_hide(number),
        }
        self.timers(now, out);
        self.work(now, out);
        self.count_sent(&out[had..]);
    }

    /// The server tells how many frames it has read: what was sent needs a number.
    fn count_sent(&mut self, actions: &[Action]) {
        let Link::Live(live) = &mut self.link else {
            return;
        };
        let sent = actions
            .iter()
            .filter(|action| matches!(action, Action::Transmit(_)))
            .count() as u64;
        if sent == 0 {
            return;
        }
        live.sent += sent;
        for id in &self.busy {
            if let Some(conversation) = self.conversations.get_mut(id) {
                conversation.marks.sent(live.sent);
            }
        }
    }

    /// A conversation in which there is something to do.
    fn occupy(&mut self, id: ConversationId) -> &mut Conversation {
        self.busy.insert(id);
        self.conversations.entry(id).or_default()
    }

    /// When to call with [`Input::Tick`]; none: only when something happens.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let mut next = u64::MAX;
        match &self.link {
            Link::Waiting { until } | Link::Greeting { until } => next = next.min(*until),
            Link::Live(live) => {
                next = next.min(live.silent_at());
                if !self.renewing {
                    next = next.min(self.renew_at);
                }
                if let Reading::Wanted { at } = self.comparison
                    && live.resuming_until.is_none()
                {
                    next = next.min(at);
                }
                next = next.min(self.hints.deadline());
                // What can't be done now, whenever it is due, waits for what stands in its way.
                let fetching = self.fetches < MAX_FETCHES;
                for reading in self.on_screen.values() {
                    if let Reading::Wanted { at } = reading
                        && fetching
                    {
                        next = next.min(*at);
                    }
                }
                for conversation in self.busy.iter().filter_map(|id| self.conversations.get(id)) {
                    next = next.min(conversation.outbox.deadline());
                    next = next.min(conversation.marks_due().max(self.marks_hold_until));
                    for gap in [&conversation.gap, &conversation.hidden_gap] {
                        if let Gap::Retry { at } = gap
                            && fetching
                        {
                            next = next.min(*at);
                        }
                    }
                }
            }
            Link::Opening => {}
            Link::Ended => return None,
        }
        (next != u64::MAX).then_some(next)
    }

    /// Whether the session is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.link, Link::Ended)
    }

    fn timers(&mut self, now: u64, out: &mut Vec<Action>) {
        match &self.link {
            Link::Greeting { until } if *until <= now => {
                out.push(Action::Disconnect);
                self.wait(now, None, out);
            }
            Link::Live(live) if live.silent_at() <= now => {
                let at = live.return_at.filter(|at| *at <= now);
                out.push(Action::Disconnect);
                self.wait(now, at, out);
            }
            Link::Live(_) if self.renew_at <= now && !self.renewing => {
                self.renewing = true;
                out.push(Action::RenewToken);
            }
            _ => {}
        }
        if let Link::Waiting { until } = self.link
            && until <= now
        {
            self.link = Link::Opening;
            tell(out, Update::Connection(ConnectionState::Connecting));
            out.push(Action::Connect {
                fresh_token: std::mem::take(&mut self.distrust_token),
            });
        }
    }

    fn opened(&mut self, now: u64, token: Token, out: &mut Vec<Action>) {
        if !matches!(self.link, Link::Opening) {
            return;
        }
        self.renew_at = now.saturating_add(token.renew_in_ms);
        self.renewing = false;
        self.link = Link::Greeting {
            until: now + self.config.hello_timeout_ms,
        };
        out.push(Action::Transmit(client_frame::Frame::Hello(Hello {
            access_token: token.access_token,
            cursor: self.cursor.clone(),
        })));
    }

    fn renewed(&mut self, now: u64, token: Option<Token>, out: &mut Vec<Action>) {
        self.renewing = false;
        let Some(token) = token else {
            // The old token is good for a while yet.
            self.renew_at = now + 5_000;
            return;
        };
        self.renew_at = now.saturating_add(token.renew_in_ms);
        if matches!(self.link, Link::Live(_)) {
            out.push(Action::Transmit(client_frame::Frame::Hello(Hello {
                access_token: token.access_token,
                cursor: String::new(),
            })));
        }
    }

    fn closed(&mut self, now: u64, code: Option<u16>, out: &mut Vec<Action>) {
        match code {
            Some(close_code::SESSION_ENDED) => return self.end("session_ended".into(), out),
            Some(close_code::TOKEN_INVALID) => self.distrust_token = true,
            _ => {}
        }
        let return_at = match &self.link {
            Link::Live(live) => live.return_at,
            _ => None,
        };
        self.wait(now, return_at, out);
    }

    /// There is no connection now: try again at `at`, or when the backoff says.
    fn wait(&mut self, now: u64, at: Option<u64>, out: &mut Vec<Action>) {
        for id in &self.busy {
            let Some(conversation) = self.conversations.get_mut(id) else {
                continue;
            };
            // Only the server knows what became of them.
            conversation.outbox.lost();
            conversation.marks.lost();
        }
        let until = match at {
            Some(at) => at.max(now),
            None => now + self.reconnects.next(&mut self.rng),
        };
        self.caught_up = false;
        self.link = Link::Waiting { until };
        tell(
            out,
            Update::Connection(ConnectionState::Waiting {
                for_ms: until - now,
            }),
        );
    }

    fn end(&mut self, code: String, out: &mut Vec<Action>) {
        self.link = Link::Ended;
        out.push(Action::Disconnect);
        tell(out, Update::Connection(ConnectionState::Ended { code }));
    }

    fn frame(&mut self, now: u64, frame: server_frame::Frame, out: &mut Vec<Action>) {
        use server_frame::Frame;
        match (&mut self.link, &frame) {
            (Link::Live(live), _) => {
                live.heard_at = now;
                if matches!(
                    frame,
                    Frame::Entry(_)
                        | Frame::Accepted(_)
                        | Frame::Refused(_)
                        | Frame::State(_)
                        | Frame::Receipt(_)
                        | Frame::Hidden(_)
                        | Frame::SettingsChanged(_)
                        | Frame::Resync(_)
                        | Frame::Error(_)
                ) {
                    live.counted += 1;
                }
            }
            (Link::Greeting { .. }, Frame::Welcome(_) | Frame::Error(_) | Frame::Closing(_)) => {}
            _ => return,
        }
        match frame {
            Frame::Welcome(welcome) => self.welcome(now, welcome, out),
            Frame::Resumed(resumed) => {
                if !resumed.complete {
                    self.compare_heads(now);
                }
                for state in resumed.changed {
                    self.learn_state(state, out);
                }
                if let Link::Live(live) = &mut self.link {
                    live.resuming_until = None;
                }
                if !resumed.cursor.is_empty() {
                    self.cursor = resumed.cursor;
                }
            }
            Frame::Entry(entry) => self.entry(now, entry, out),
            Frame::Accepted(accepted) => self.accepted(now, &accepted, out),
            Frame::Refused(refused) => self.refused(now, refused, out),
            Frame::State(state) => self.learn_state(state, out),
            Frame::Receipt(receipt) => self.receipt(&receipt, out),
            Frame::Hidden(hidden) => self.hidden(&hidden, out),
            Frame::SettingsChanged(changed) => {
                if let Ok(conversation) = ConversationId::parse(&changed.conversation_id)
                    && self.is_followed(conversation)
                {
                    let version = changed.version;
                    tell(
                        out,
                        Update::SettingsChanged {
                            conversation,
                            version,
                        },
                    );
                }
            }
            Frame::Heartbeat(heartbeat) => self.heartbeat(now, heartbeat, out),
            Frame::Error(error) => {
                if matches!(error.code.as_str(), "token_expired" | "token_invalid") {
                    self.distrust_token = true;
                }
                self.marks_not_taken(now, &error);
                if error.frame == "watch_presence" && error.code == "rate_limited" {
                    self.hints.watch_again(now);
                }
                tell(
                    out,
                    Update::Complaint {
                        code: error.code,
                        detail: error.detail,
                        frame: error.frame,
                    },
                );
            }
            Frame::Typing(typing) => {
                let id = ConversationId::parse(&typing.conversation_id);
                if id.is_ok_and(|id| self.is_followed(id)) {
                    hints::typing(&typing, out);
                }
            }
            Frame::Presence(presence) => hints::presence(&presence, out),
            // A hint, which is in no count.
            Frame::ContactsChanged(_) => tell(out, Update::ContactsChanged),
            Frame::Resync(_) => {
                self.compare_heads(now);
                self.read_marks(now);
                if std::mem::take(&mut self.caught_up) {
                    tell(out, Update::Connection(ConnectionState::CatchingUp));
                }
            }
            Frame::Closing(closing) => {
                if let Link::Live(live) = &mut self.link {
                    live.return_at = Some(now + u64::from(closing.reconnect_after_ms));
                }
            }
        }
    }

    fn welcome(&mut self, now: u64, welcome: Welcome, out: &mut Vec<Action>) {
        if let Link::Live(_) = self.link {
            // The answer to a renewed token; its cursor would hide what this socket has yet to bring.
            return;
        }
        self.link = Link::Live(Live {
            heard_at: now,
            counted: 0,
            sent: 0,
            heartbeat_ms: u64::from(welcome.heartbeat_interval_ms).max(1_000),
            resuming_until: (!self.cursor.is_empty()).then_some(now + self.config.hello_timeout_ms),
            return_at: None,
        });
        if self.cursor.is_empty() {
            self.cursor = welcome.cursor;
            self.compare_heads(now);
        }
        // The session is registered: what is told from now on arrives, and this is what was before.
        self.read_marks(now);
        self.hints.connected(now);
        self.caught_up = false;
        tell(out, Update::Connection(ConnectionState::CatchingUp));
    }

    fn read_marks(&mut self, now: u64) {
        for reading in self.on_screen.values_mut() {
            reading.want(now);
        }
    }

    fn show_on_screen(&mut self, now: u64, conversations: BTreeSet<ConversationId>) {
        self.on_screen.retain(|id, _| conversations.contains(id));
        for id in conversations {
            let reading = Reading::Wanted { at: now };
            self.on_screen.entry(id).or_insert(reading);
        }
    }

    fn marks_fetched(
        &mut self,
        now: u64,
        id: ConversationId,
        outcome: Result<Vec<Receipt>, FetchFailure>,
        out: &mut Vec<Action>,
    ) {
        self.fetches = self.fetches.saturating_sub(1);
        let reading = self.on_screen.get_mut(&id);
        match outcome {
            Ok(receipts) => {
                self.mark_reads.reset();
                if let Some(reading) = reading {
                    reading.finish(now);
                }
                for receipt in receipts {
                    if UserId::parse(&receipt.user_id) != Ok(self.me) {
                        self.receipt(&receipt, out);
                    }
                }
            }
            Err(FetchFailure::Temporary) => {
                let at = now + self.mark_reads.next(&mut self.rng);
                if let Some(reading) = reading {
                    *reading = Reading::Wanted { at };
                }
            }
            // In a large group they are asked for message by message.
            Err(FetchFailure::Refused { .. }) => {
                if let Some(reading) = reading {
                    reading.finish(now);
                }
            }
        }
    }

    fn heartbeat(&mut self, now: u64, heartbeat: Heartbeat, out: &mut Vec<Action>) {
        let Link::Live(live) = &self.link else { return };
        if live.counted < heartbeat.frames_sent {
            // Something was lost on the way. The older cursor, which is kept, reaches back before it.
            out.push(Action::Disconnect);
            return self.wait(now, None, out);
        }
        let resuming = live.resuming_until.is_some();
        self.reconnects.reset();
        let beat = Beat {
            now,
            frames_received: heartbeat.frames_received,
            server_ms: heartbeat.server_time_unix_ms,
        };
        for id in &self.busy {
            if let Some(conversation) = self.conversations.get_mut(id) {
                conversation.marks.heartbeat(beat);
            }
        }
        // Until `resumed` has come, only the older cursor covers what was missed.
        if !heartbeat.cursor.is_empty() && !resuming {
            self.cursor = heartbeat.cursor;
        }
    }

    fn is_followed(&self, conversation: ConversationId) -> bool {
        self.config
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&conversation))
    }

    fn entry(&mut self, now: u64, entry: Entry, out: &mut Vec<Action>) {
        let Ok(id) = ConversationId::parse(&entry.conversation_id) else {
            return;
        };
        self.acknowledge_entry(now, id, &entry, out);
        if !self.is_followed(id) {
            return;
        }
        let conversation = self.conversations.entry(id).or_default();
        if conversation.held.is_none() && self.compared_once {
            conversation.begin_with(&entry, self.me);
        }
        conversation.live(entry, MAX_WAITING);
        conversation.show_waiting(id, self.me, out);
        if conversation.is_busy() {
            self.busy.insert(id);
        }
    }

    /// What we sent in an entry, wherever it came from, is an acknowledgement.
    fn acknowledge_entry(
        &mut self,
        now: u64,
        id: ConversationId,
        entry: &Entry,
        out: &mut Vec<Action>,
    ) {
        let Some(sent_as) = entry
            .change
            .as_ref()
            .and_then(|change| change.client_message_id())
        else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if conversation.outbox.is_empty() {
            return;
        }
        let Ok(client_message_id) = ClientMessageId::parse(sent_as) else {
            return;
        };
        // Ids are unique per sender; somebody else's may be equal.
        if UserId::parse(&entry.actor_id) == Ok(self.me)
            && conversation
                .outbox
                .remove(now, client_message_id, self.config.answer_timeout_ms)
        {
            tell(
                out,
                Update::Acknowledged {
                    conversation: id,
                    client_message_id,
                    number: entry.number,
                    time_unix_ms: entry.time_unix_ms,
                },
            );
        }
    }

    fn accepted(&mut self, now: u64, accepted: &Accepted, out: &mut Vec<Action>) {
        let (Ok(id), Ok(client_message_id)) = (
            ConversationId::parse(&accepted.conversation_id),
            ClientMessageId::parse(&accepted.client_message_id),
        ) else {
            return;
        };
        let followed = self.is_followed(id);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if conversation
            .outbox
            .remove(now, client_message_id, self.config.answer_timeout_ms)
        {
            tell(
                out,
                Update::Acknowledged {
                    conversation: id,
                    client_message_id,
                    number: accepted.number,
                    time_unix_ms: accepted.time_unix_ms,
                },
            );
        }
        if followed {
            if self.compared_once {
                // A conversation that began, for this person, after we had compared.
                conversation.held.get_or_insert(0);
            }
            conversation.reaches(accepted.number);
        }
    }

    fn refused(&mut self, now: u64, refused: Refused, out: &mut Vec<Action>) {
        let (Ok(id), Ok(client_message_id)) = (
            ConversationId::parse(&refused.conversation_id),
            ClientMessageId::parse(&refused.client_message_id),
        ) else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if refused.retry {
            let after_ms = u64::from(refused.retry_after_ms);
            conversation
                .outbox
                .restart(now, client_message_id, after_ms, &mut self.rng);
        } else if conversation
            .outbox
            .remove(now, client_message_id, self.config.answer_timeout_ms)
        {
            tell(
                out,
                Update::Refused {
                    conversation: id,
                    client_message_id,
                    code: refused.code,
                    detail: refused.detail,
                },
            );
        }
    }

    fn learn_state(&mut self, state: ConversationState, out: &mut Vec<Action>) {
        let Ok(id) = ConversationId::parse(&state.conversation_id) else {
            return;
        };
        if !self.is_followed(id) {
            return;
        }
        let conversation = self.conversations.entry(id).or_default();
        if self.compared_once {
            conversation.held.get_or_insert(0);
        }
        conversation.member_again(state.head_number);
        conversation.learn(id, state, out);
        if conversation.is_busy() {
            self.busy.insert(id);
        }
    }

    fn receipt(&mut self, receipt: &Receipt, out: &mut Vec<Action>) {
        let (Ok(id), Ok(user)) = (
            ConversationId::parse(&receipt.conversation_id),
            UserId::parse(&receipt.user_id),
        ) else {
            return;
        };
        if self.is_followed(id) {
            let conversation = self.conversations.entry(id).or_default();
            conversation.receipts.take(user, receipt);
            conversation.tell_receipts(id, out);
        }
    }

    fn hidden(&mut self, hidden: &proto::socket::Hidden, out: &mut Vec<Action>) {
        let Ok(id) = ConversationId::parse(&hidden.conversation_id) else {
            return;
        };
        if self.is_followed(id) {
            let conversation = self.conversations.entry(id).or_default();
            conversation.hide(id, hidden.hidden_count, hidden.number, out);
            if conversation.is_busy() {
                self.busy.insert(id);
            }
        }
    }

    fn hidden_fetched(
        &mut self,
        now: u64,
        id: ConversationId,
        after: u64,
        outcome: Result<Vec<u64>, FetchFailure>,
        out: &mut Vec<Action>,
    ) {
        self.fetches = self.fetches.saturating_sub(1);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        match outcome {
            Ok(numbers) => {
                for (count, number) in (after + 1..).zip(numbers) {
                    conversation.hide(id, count, number, out);
                }
                if conversation.lacks_hidden() {
                    let at = now + conversation.fetch_backoff.next(&mut self.rng);
                    conversation.hidden_gap = Gap::Retry { at };
                } else {
                    conversation.hidden_gap = Gap::Idle;
                }
            }
            Err(FetchFailure::Temporary) => {
                let at = now + conversation.fetch_backoff.next(&mut self.rng);
                conversation.hidden_gap = Gap::Retry { at };
            }
            Err(FetchFailure::Refused { .. }) => {
                conversation.hidden_gap = Gap::Idle;
                conversation.give_up_hidden();
            }
        }
    }

    /// A mark has no answer of its own: what the server could not take is sent again.
    fn marks_not_taken(&mut self, now: u64, error: &proto::socket::Error) {
        let is_mark = matches!(
            error.frame.as_str(),
            "mark_read" | "mark_delivered" | "mark_unread" | "hide"
        );
        if is_mark && matches!(error.code.as_str(), "retry" | "rate_limited") {
            self.marks_hold_until = now + MARKS_RETRY_MS;
            for id in &self.busy {
                if let Some(conversation) = self.conversations.get_mut(id) {
                    conversation.marks.lost();
                }
            }
        }
    }

    fn compare_heads(&mut self, now: u64) {
        self.comparison.want(now);
    }

    fn states_fetched(
        &mut self,
        now: u64,
        outcome: Result<Vec<ConversationState>, FetchFailure>,
        out: &mut Vec<Action>,
    ) {
        let Ok(states) = outcome else {
            let at = now + self.comparisons.next(&mut self.rng);
            self.comparison = Reading::Wanted { at };
            return;
        };
        self.comparisons.reset();
        let mut listed = HashSet::with_capacity(states.len());
        for state in states {
            let Ok(id) = ConversationId::parse(&state.conversation_id) else {
                continue;
            };
            if !self.is_followed(id) {
                continue;
            }
            listed.insert(id);
            let conversation = self.conversations.entry(id).or_default();
            if conversation.held.is_none() {
                // What was there before the session is history; what came since is shown.
                let begin = if self.compared_once {
                    0
                } else {
                    state.head_number
                };
                conversation.held = Some(begin.min(conversation.first_waiting_previous()));
            }
            conversation.member_again(state.head_number);
            conversation.learn(id, state, out);
            conversation.show_waiting(id, self.me, out);
            if conversation.is_busy() {
                self.busy.insert(id);
            }
        }
        for (id, conversation) in &mut self.conversations {
            if listed.contains(id) {
                continue;
            }
            match conversation.held {
                // The person left meanwhile; her leave may be something that we missed.
                Some(_) if !conversation.left => conversation.probe = true,
                Some(_) => {}
                None => {
                    let previous = conversation.first_waiting_previous();
                    conversation.held = (previous != u64::MAX).then_some(previous);
                    conversation.show_waiting(*id, self.me, out);
                }
            }
            if conversation.is_busy() {
                self.busy.insert(*id);
            }
        }
        self.compared_once = true;
        self.comparison.finish(now);
    }

    fn entries_fetched(
        &mut self,
        now: u64,
        id: ConversationId,
        outcome: Result<Page, FetchFailure>,
        out: &mut Vec<Action>,
    ) {
        self.fetches = self.fetches.saturating_sub(1);
        match outcome {
            Ok(page) => {
                for entry in &page.entries {
                    self.acknowledge_entry(now, id, entry, out);
                }
                let Some(conversation) = self.conversations.get_mut(&id) else {
                    return;
                };
                let head = page.state.as_ref().map_or(0, |state| state.head_number);
                if let Some(state) = page.state {
                    conversation.learn(id, state, out);
                }
                let held_before = conversation.held;
                conversation.fill(id, self.me, page.entries, page.covered_to, out);
                // Who left in this page came back in one that follows.
                conversation.member_again(head);
                conversation.reaches(head);
                conversation.probe = false;
                if conversation.held > held_before || !conversation.is_behind() {
                    conversation.fetch_backoff.reset();
                    conversation.gap = Gap::Idle;
                } else {
                    // The store doesn't show yet what we know to be there.
                    conversation.gap = Gap::Retry {
                        at: now + conversation.fetch_backoff.next(&mut self.rng),
                    };
                }
            }
            Err(FetchFailure::Temporary) => {
                let Some(conversation) = self.conversations.get_mut(&id) else {
                    return;
                };
                conversation.gap = Gap::Retry {
                    at: now + conversation.fetch_backoff.next(&mut self.rng),
                };
            }
            Err(FetchFailure::Refused { code }) => {
                let Some(conversation) = self.conversations.get_mut(&id) else {
                    return;
                };
                conversation.gap = Gap::Idle;
                conversation.probe = false;
                conversation.give_up(id, self.me, Some(code), out);
            }
        }
    }

    /// Does what can be done now: sends, fetches, compares, and says when nothing is left.
    fn work(&mut self, now: u64, out: &mut Vec<Action>) {
        let Link::Live(live) = &self.link else { return };
        let resuming = live.resuming_until.is_some();
        let (mut behind, mut gave_up) = (false, false);
        let mut idle = Vec::new();
        for &id in &self.busy {
            let Some(conversation) = self.conversations.get_mut(&id) else {
                continue;
            };
            conversation.outbox.pump(now, id, &self.config, out);
            if conversation.gap_size() > self.config.max_gap {
                conversation.give_up(id, self.me, None, out);
                gave_up = true;
            }
            if !conversation.is_behind() && !conversation.probe {
                // Live entries have filled the hole meanwhile.
                conversation.gap.forget_retry();
            }
            let due = match conversation.gap {
                Gap::Idle => true,
                Gap::Retry { at } => at <= now,
                Gap::Fetching => false,
            };
            if let Some(held) = conversation.held
                && (conversation.is_behind() || conversation.probe)
                && due
                && self.fetches < MAX_FETCHES
            {
                self.fetches += 1;
                conversation.gap = Gap::Fetching;
                out.push(Action::FetchEntries {
                    conversation: id,
                    after: held,
                });
            }
            if self.marks_hold_until <= now {
                conversation.pump_marks(now, id, out);
            }
            if !conversation.lacks_hidden() {
                // Live frames have told the rest meanwhile.
                conversation.hidden_gap.forget_retry();
            }
            let due = match conversation.hidden_gap {
                Gap::Idle => true,
                Gap::Retry { at } => at <= now,
                Gap::Fetching => false,
            };
            if conversation.lacks_hidden() && due && self.fetches < MAX_FETCHES {
                self.fetches += 1;
                conversation.hidden_gap = Gap::Fetching;
                out.push(Action::FetchHidden {
                    conversation: id,
                    after: conversation.hidden_known(),
                });
            }
            behind |= conversation.is_behind() || conversation.probe || conversation.lacks_hidden();
            if !conversation.is_busy() {
                idle.push(id);
            }
        }
        for id in idle {
            self.busy.remove(&id);
        }
        for (id, reading) in &mut self.on_screen {
            if let Reading::Wanted { at } = reading
                && *at <= now
                && self.fetches < MAX_FETCHES
            {
                self.fetches += 1;
                *reading = Reading::Running { again: false };
                out.push(Action::FetchMarks { conversation: *id });
            }
        }
        self.hints.pump(now, out);
        if gave_up {
            // Which of the skipped messages are unread, only the server knows.
            self.compare_heads(now);
        }
        if let Reading::Wanted { at } = self.comparison
            && at <= now
            && !resuming
        {
            self.comparison = Reading::Running { again: false };
            out.push(Action::FetchStates);
        }
        if !self.caught_up && !behind && !resuming && self.comparison == Reading::Done {
            self.caught_up = true;
            tell(out, Update::Connection(ConnectionState::CaughtUp));
        }
    }
}

fn tell(out: &mut Vec<Action>, update: Update) {
    out.push(Action::Tell(update));
}

/// WebSocket close codes that mean something to a client.
pub mod close_code {
    /// Logged out, or the session was revoked.
    pub const SESSION_ENDED: u16 = 4001;
    /// No `hello` in time.
    pub const HELLO_EXPECTED: u16 = 4002;
    /// The access token is not good.
    pub const TOKEN_INVALID: u16 = 4003;
    /// The client read too slowly.
    pub const SLOW_READER: u16 = 4008;
    /// The client's framing was broken.
    pub const PROTOCOL_ERROR: u16 = 4009;
    /// The server is being replaced.
    pub const DRAINING: u16 = 4012;
}

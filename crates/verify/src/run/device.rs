//! A device: a session of the SDK behind a network that can fail, and REST beside it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::engine::Config;
use client::{
    Client, ConnectionState, Draft, MessageChange, Position, SendError, Session, SessionOptions,
    Standing, Submission, Update, wire,
};
use ids::{ClientMessageId, ConversationId, MessageId, UserId};
use relay::Relay;
use tokio::time::Instant;

use super::recorder::{Recorder, body};
use crate::history::{
    Change, Conversation, Device, DeviceKind, Membership, Op, Outcome, Person, Place, Reaction,
    ReceiptKind, Source, Via, What,
};

/// Messages of a conversation that a device remembers, to change one of them.
const CHANGEABLE: usize = 50;

/// Conversations that a device shows at once.
const ON_SCREEN: usize = 5;

/// A device of a person.
pub struct DeviceActor {
    pub d: Device,
    pub u: Person,
    pub client: Client,
    /// Its way to the server.
    pub relay: Relay,
    recorder: Recorder,
    all: Vec<ConversationId>,
    screen: Arc<Mutex<Screen>>,
    session: Mutex<Option<Session>>,
    /// What it reads by REST doesn't overlap, so that what comes later was asked later.
    reading: tokio::sync::Mutex<()>,
}

/// What the device shows, and what it has not been answered.
#[derive(Default)]
pub struct Screen {
    /// Counts the sessions: what an earlier one still says is not heard.
    generation: u32,
    connections: u32,
    pub caught_up: bool,
    pub connected: bool,
    /// The last entry shown, by conversation.
    pub held: HashMap<ConversationId, u64>,
    pub standing: HashMap<ConversationId, Standing>,
    /// The highest mark that this device has set.
    pub marked: HashMap<ConversationId, u64>,
    /// What this device has hidden and was not told of yet.
    pub hiding: HashMap<ConversationId, BTreeSet<u64>>,
    /// How many this session was told to be hidden.
    pub hidden: HashMap<ConversationId, u64>,
    /// What has not been answered, in the order in which it was handed in.
    pub pending: Vec<Waiting>,
    /// The last message that was handed in.
    pub last_sent: Option<(ConversationId, ClientMessageId, Draft)>,
    /// Numbers and authors of the latest messages shown that were not deleted.
    messages: HashMap<ConversationId, VecDeque<(u64, Person)>>,
    receipts: HashMap<(ConversationId, UserId), Reached>,
    /// Those of earlier sessions: an owner of the log that wakes up late tells older ones.
    receipts_before: HashMap<(ConversationId, UserId), Reached>,
}

/// How far somebody has got.
#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    delivered: u64,
    read: u64,
}

/// Which messages somebody may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    Own,
    Any,
}

/// A message, or a change of one, without an answer.
#[derive(Clone)]
pub struct Waiting {
    op: Op,
    conversation: ConversationId,
    cmid: ClientMessageId,
    what: Submission,
}

/// How a try to send by REST ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    Resolved,
    Unknown,
}

impl DeviceActor {
    pub async fn new(
        recorder: &Recorder,
        client: Client,
        upstream: &str,
        all: Vec<ConversationId>,
    ) -> std::io::Result<Arc<Self>> {
        let u = recorder.person(client.user_id());
        let device = Arc::new(Self {
            d: recorder.device(u, DeviceKind::Session),
            u,
            client,
            relay: Relay::to(upstream).await?,
            recorder: recorder.clone(),
            all,
            screen: Arc::default(),
            session: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        });
        device.start();
        Ok(device)
    }

    pub fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a session that goes on where the last one was: with what was shown, and with what was
    /// not answered.
    pub fn start(&self) {
        let mut session = self.session();
        let mut screen = self.screen();
        screen.generation += 1;
        screen.caught_up = false;
        screen.receipts_before = screen.receipts.clone();
        // A session is told all of them anew.
        screen.hidden.clear();
        let generation = screen.generation;
        let held = self
            .all
            .iter()
            .map(|id| (*id, screen.held.get(id).copied().unwrap_or(0)))
            .collect();
        let options = SessionOptions {
            socket_by: Some(self.relay.address()),
            outbox: 100_000,
            engine: Config {
                held,
                ..Config::default()
            },
            ..SessionOptions::default()
        };
        let (recorder, seen, d) = (self.recorder.clone(), Arc::clone(&self.screen), self.d);
        let new = Session::start_with(&self.client, options, move |update| {
            let mut screen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if screen.generation == generation {
                screen.see(&recorder, d, update);
            }
        });
        for waiting in &screen.pending {
            // It has room for all of them, and has just begun.
            let _ = new.try_resend(waiting.conversation, waiting.cmid, waiting.what.clone(), 1);
        }
        for (conversation, number) in &screen.marked {
            new.mark_read(*conversation, *number);
        }
        new.show(self.all.iter().copied().take(ON_SCREEN));
        for (conversation, numbers) in &screen.hiding {
            for number in numbers {
                new.hide(*conversation, *number);
            }
        }
        *session = Some(new);
    }

    /// Ends the session as a crash would: nothing is said to the server, and nothing heard of it.
    pub fn crash(&self) {
        self.screen().generation += 1;
        *self.session() = None;
    }

    /// Hands a message to the session.
    pub fn send(&self, conversation: ConversationId, c: Conversation, draft: Draft) {
        let d = self.d;
        self.submit(
            conversation,
            Submission::Message(draft.clone()),
            |op, cmid| What::Send {
                op,
                d,
                c,
                cmid,
                body: body(&draft.text, &[]),
                via: Via::Socket,
                files: Vec::new(),
            },
        );
    }

    /// Hands a change of one of the latest messages to the session, if there is one; `pick` says which.
    pub fn change(
        &self,
        conversation: ConversationId,
        c: Conversation,
        targets: Targets,
        pick: usize,
        change: MessageChange,
    ) {
        let target = self.screen().target(conversation, pick, |author| {
            targets == Targets::Any || author == self.u
        });
        let Some(target) = target else { return };
        let d = self.d;
        let what = Submission::Change {
            number: target,
            change: change.clone(),
        };
        self.submit(conversation, what, |op, cmid| match &change {
            MessageChange::Edit(text) => What::Edit {
                op,
                d,
                c,
                cmid,
                target,
                body: body(text, &[]),
            },
            MessageChange::Delete => What::Delete {
                op,
                d,
                c,
                cmid,
                target,
            },
            MessageChange::AddReaction(emoji) | MessageChange::RemoveReaction(emoji) => {
                let emoji = emoji.clone();
                What::React {
                    op,
                    d,
                    c,
                    cmid,
                    target,
                    reaction: match change {
                        MessageChange::AddReaction(_) => Reaction::Added(emoji),
                        _ => Reaction::Removed(emoji),
                    },
                }
            }
        });
    }

    /// Hides one of the latest messages from the person.
    pub fn hide(&self, conversation: ConversationId, c: Conversation, pick: usize) {
        let session = self.session();
        let mut screen = self.screen();
        let target = screen.target(conversation, pick, |_| true);
        let (Some(session), Some(target)) = (session.as_ref(), target) else {
            return;
        };
        let d = self.d;
        self.recorder.record(What::Hide { d, c, target });
        screen
            .hiding
            .entry(conversation)
            .or_default()
            .insert(target);
        session.hide(conversation, target);
    }

    /// Lets the conversation look unread.
    pub fn mark_unread(&self, conversation: ConversationId, c: Conversation) {
        if let Some(session) = self.session().as_ref() {
            let d = self.d;
            self.recorder.record(What::MarkUnread { d, c });
            session.mark_unread(conversation);
        }
    }

    /// Hands something to the session's outbox; `event` is what the history says of it.
    fn submit(
        &self,
        conversation: ConversationId,
        what: Submission,
        event: impl FnOnce(Op, ClientMessageId) -> What,
    ) {
        let session = self.session();
        // Held meanwhile, so that an answer can't come before the question is noted.
        let mut screen = self.screen();
        let Some(session) = session.as_ref() else {
            return;
        };
        let cmid = session.new_id();
        let op = self.recorder.op();
        self.recorder.record(event(op, cmid));
        match session.try_resend(conversation, cmid, what.clone(), 0) {
            Ok(_) => {
                if let Submission::Message(draft) = &what {
                    screen.last_sent = Some((conversation, cmid, draft.clone()));
                }
                screen.pending.push(Waiting {
                    op,
                    conversation,
                    cmid,
                    what,
                });
            }
            Err(error) => {
                let code = match error {
                    SendError::Over => "session_over",
                    _ => "not_taken",
                };
                let code = code.to_owned();
                self.done(op, Outcome::Refused { code });
            }
        }
    }

    fn done(&self, op: Op, outcome: Outcome) {
        self.recorder.record(What::Done { op, outcome });
    }

    /// Marks as read what the device shows.
    pub fn mark_read(&self, conversation: ConversationId, c: Conversation) {
        let session = self.session();
        let mut screen = self.screen();
        let (Some(session), Some(&n)) = (session.as_ref(), screen.held.get(&conversation)) else {
            return;
        };
        let op = self.recorder.op();
        let d = self.d;
        self.recorder.record(What::MarkRead { op, d, c, n });
        let marked = screen.marked.entry(conversation).or_default();
        *marked = (*marked).max(n);
        session.mark_read(conversation, n);
    }

    /// The same by REST.
    pub async fn mark_read_by_rest(&self, conversation: ConversationId, c: Conversation) {
        let n = self.screen().held.get(&conversation).copied();
        let Some(n) = n.filter(|n| *n > 0) else {
            return;
        };
        let _one_at_a_time = self.reading.lock().await;
        let op = self.recorder.op();
        let d = self.d;
        self.recorder.record(What::MarkRead { op, d, c, n });
        match self.client.mark_read(conversation, n).await {
            Ok(state) => {
                self.done(op, ok());
                self.standing(c, &state);
            }
            Err(error) => self.done(op, failed(&error)),
        }
    }

    fn standing(&self, c: Conversation, state: &wire::ConversationState) {
        self.recorder.record(What::Standing {
            d: self.d,
            c,
            source: Source::Rest,
            head: state.head_number,
            read: state.read_number,
            unread: state.unread_count,
            hidden: state.hidden_count,
            unnamed: 0,
            marked: state.marked_unread,
        });
    }

    /// Where the person stands, by REST.
    pub async fn ask_standing(&self, conversation: ConversationId, c: Conversation) {
        let _one_at_a_time = self.reading.lock().await;
        if let Ok(states) = self.client.states(&[conversation]).await {
            for state in &states {
                self.standing(c, state);
            }
        }
    }

    /// A page of history.
    pub async fn page(&self, conversation: ConversationId, c: Conversation, place: Place) {
        let _one_at_a_time = self.reading.lock().await;
        // Whether it is answered is recorded; nothing else depends on it.
        let _ = read_page(
            &self.recorder,
            &self.client,
            self.d,
            (conversation, c),
            place,
            50,
        )
        .await;
    }

    /// Sends a message, or one that was sent before, by REST, once.
    pub async fn send_by_rest(
        &self,
        conversation: ConversationId,
        c: Conversation,
        cmid: ClientMessageId,
        draft: &Draft,
    ) -> Tried {
        let op = self.recorder.op();
        self.recorder.record(What::Send {
            op,
            d: self.d,
            c,
            cmid,
            body: body(&draft.text, &[]),
            via: Via::Rest,
            files: Vec::new(),
        });
        let outcome = match self.client.send_message(conversation, cmid, draft).await {
            Ok(accepted) => Outcome::Ok {
                number: Some(accepted.number),
                mid: MessageId::parse(&accepted.message_id).ok(),
            },
            Err(error) => failed(&error),
        };
        let tried = match outcome {
            Outcome::Unknown { .. } => Tried::Unknown,
            _ => Tried::Resolved,
        };
        self.done(op, outcome);
        tried
    }

    /// Sends a new message by REST, and again until the answer is final.
    pub async fn send_by_rest_until_answered(
        &self,
        conversation: ConversationId,
        c: Conversation,
        draft: &Draft,
        deadline: Instant,
    ) {
        let cmid = self.client.new_client_message_id();
        let mut wait = Duration::from_millis(100);
        while self.send_by_rest(conversation, c, cmid, draft).await == Tried::Unknown
            && Instant::now() < deadline
        {
            tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.5))).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }

    /// Makes somebody a member or none. Returns how it ended.
    pub async fn change_member(
        &self,
        c: Conversation,
        who: Person,
        change: Membership,
        call: impl Future<Output = client::Result<()>>,
    ) -> Outcome {
        let op = self.recorder.op();
        self.recorder.record(What::Member {
            op,
            d: self.d,
            c,
            who,
            change,
        });
        let outcome = match call.await {
            Ok(()) => ok(),
            Err(error) => failed(&error),
        };
        self.done(op, outcome.clone());
        outcome
    }
}

fn ok() -> Outcome {
    Outcome::Ok {
        number: None,
        mid: None,
    }
}

/// Whether it certainly did not happen.
fn failed(error: &client::Error) -> Outcome {
    match error {
        client::Error::Refused(refusal) if refusal.status < 500 && refusal.status != 429 => {
            Outcome::Refused {
                code: refusal.code.clone(),
            }
        }
        error => Outcome::Unknown {
            why: error.to_string(),
        },
    }
}

/// Reads a page and records it.
///
/// # Errors
/// Those of the call, which are recorded too.
pub async fn read_page(
    recorder: &Recorder,
    client: &Client,
    d: Device,
    (conversation, c): (ConversationId, Conversation),
    place: Place,
    limit: u32,
) -> client::Result<client::EntryPage> {
    let op = recorder.op();
    recorder.record(What::Ask {
        op,
        d,
        c,
        page: place,
    });
    let position = match place {
        Place::Newest => Position::Latest,
        Place::After(number) => Position::After(number),
        Place::Before(number) => Position::Before(number),
    };
    match client.entries(conversation, position, limit).await {
        Ok(page) => {
            recorder.record(What::Page {
                op,
                d,
                c,
                from: page.covered_from,
                to: page.covered_to,
                head: page
                    .state
                    .as_ref()
                    .map_or(page.covered_to, |state| state.head_number),
                entries: page
                    .entries
                    .iter()
                    .map(|entry| recorder.entry(entry))
                    .collect(),
            });
            Ok(page)
        }
        Err(error) => {
            let outcome = failed(&error);
            recorder.record(What::Done { op, outcome });
            Err(error)
        }
    }
}

impl Screen {
    /// One of the latest messages, by an author of these.
    fn target(
        &self,
        conversation: ConversationId,
        pick: usize,
        of: impl Fn(Person) -> bool,
    ) -> Option<u64> {
        let latest = self.messages.get(&conversation).into_iter().flatten();
        let possible: Vec<u64> = latest
            .filter(|(_, author)| of(*author))
            .map(|(number, _)| *number)
            .collect();
        possible.get(pick % possible.len().max(1)).copied()
    }

    fn see(&mut self, recorder: &Recorder, d: Device, update: Update) {
        match update {
            Update::Shown {
                conversation,
                entry,
                standing,
            } => {
                let Some(c) = recorder.conversation(conversation) else {
                    return;
                };
                self.held.insert(conversation, entry.number);
                let entry = recorder.entry(&entry);
                let messages = self.messages.entry(conversation).or_default();
                match &entry.is {
                    Change::Message { body: Some(_), .. } => {
                        messages.push_back((entry.n, entry.from));
                        if messages.len() > CHANGEABLE {
                            messages.pop_front();
                        }
                    }
                    Change::Deleted { target, .. } => messages.retain(|(n, _)| n != target),
                    _ => {}
                }
                recorder.record(What::Shown { d, c, entry });
                if let Some(standing) = standing {
                    self.stand(recorder, d, conversation, standing);
                }
            }
            Update::State {
                conversation,
                standing,
            } => self.stand(recorder, d, conversation, standing),
            Update::Acknowledged {
                conversation,
                client_message_id,
                number,
                ..
            } => {
                let outcome = Outcome::Ok {
                    number: Some(number),
                    mid: None,
                };
                self.answered(recorder, conversation, client_message_id, outcome);
            }
            Update::Refused {
                conversation,
                client_message_id,
                code,
                ..
            } => {
                let outcome = Outcome::Refused { code };
                self.answered(recorder, conversation, client_message_id, outcome);
            }
            Update::Receipt {
                conversation,
                user,
                delivered,
                read,
                ..
            } => {
                let Some(c) = recorder.conversation(conversation) else {
                    return;
                };
                let from = recorder.person(user);
                let key = (conversation, user);
                let before = self.receipts_before.get(&key).copied().unwrap_or_default();
                for (kind, n, before) in [
                    (ReceiptKind::Delivered, delivered, before.delivered),
                    (ReceiptKind::Read, read, before.read),
                ] {
                    if n > 0 && n >= before {
                        recorder.record(What::Receipt {
                            d,
                            c,
                            from,
                            kind,
                            n,
                        });
                    }
                }
                let reached = self.receipts.entry(key).or_default();
                reached.delivered = reached.delivered.max(delivered);
                reached.read = reached.read.max(read);
            }
            Update::Hidden {
                conversation,
                number: target,
            } => {
                let Some(c) = recorder.conversation(conversation) else {
                    return;
                };
                let count = self.hidden.entry(conversation).or_default();
                *count += 1;
                let count = *count;
                recorder.record(What::Hidden {
                    d,
                    c,
                    target,
                    count,
                });
                if let Some(hiding) = self.hiding.get_mut(&conversation) {
                    hiding.remove(&target);
                }
                if let Some(messages) = self.messages.get_mut(&conversation) {
                    messages.retain(|(n, _)| *n != target);
                }
            }
            // Nobody sets anything here, has contacts, types or looks who is there.
            Update::SettingsChanged { .. }
            | Update::ContactsChanged
            | Update::Typing { .. }
            | Update::Presence { .. } => {}
            Update::Reset {
                conversation, held, ..
            } => {
                let Some(c) = recorder.conversation(conversation) else {
                    return;
                };
                let before = self.held.entry(conversation).or_default();
                if held > *before {
                    *before = held;
                    recorder.record(What::Skipped { d, c, to: held });
                }
            }
            Update::Connection(state) => {
                self.caught_up = state == ConnectionState::CaughtUp;
                self.connected = matches!(
                    state,
                    ConnectionState::CaughtUp | ConnectionState::CatchingUp
                );
                let state = match state {
                    ConnectionState::Connecting => {
                        self.connections += 1;
                        "connecting".to_owned()
                    }
                    ConnectionState::CatchingUp => "catching_up".to_owned(),
                    ConnectionState::CaughtUp => "caught_up".to_owned(),
                    ConnectionState::Waiting { .. } => "waiting".to_owned(),
                    ConnectionState::Ended { code } => code,
                };
                let k = self.connections;
                recorder.record(What::Connection { d, k, state });
            }
            Update::Complaint {
                code,
                detail,
                frame,
            } => tracing::debug!(%d, code, detail, frame, "the server complains"),
        }
    }

    fn stand(
        &mut self,
        recorder: &Recorder,
        d: Device,
        conversation: ConversationId,
        standing: Standing,
    ) {
        let Some(c) = recorder.conversation(conversation) else {
            return;
        };
        let named = self.hidden.get(&conversation).copied().unwrap_or(0);
        if self.standing.insert(conversation, standing) != Some(standing) {
            recorder.record(What::Standing {
                d,
                c,
                source: Source::Session,
                head: standing.head,
                read: standing.read,
                unread: standing.unread,
                hidden: standing.hidden,
                unnamed: standing.hidden.saturating_sub(named),
                marked: standing.marked_unread,
            });
        }
    }

    fn answered(
        &mut self,
        recorder: &Recorder,
        conversation: ConversationId,
        cmid: ClientMessageId,
        outcome: Outcome,
    ) {
        let waiting = self
            .pending
            .iter()
            .position(|waiting| (waiting.conversation, waiting.cmid) == (conversation, cmid));
        if let Some(index) = waiting {
            let op = self.pending.remove(index).op;
            recorder.record(What::Done { op, outcome });
        }
    }
}

/// `host:port` of a server's address.
pub fn upstream_of(origin: &str) -> Option<String> {
    let (scheme, rest) = origin.split_once("://")?;
    let host = rest.split('/').next()?;
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:{}", if scheme == "https" { 443 } else { 80 })
    })
}

/// A socket that notes what comes, and applies no rule.
pub async fn observe(
    recorder: Recorder,
    client: Client,
    socket_url: String,
    by: Option<SocketAddr>,
) {
    use client::wire::{Hello, client_frame, server_frame};
    use client::{Connection, Format, Incoming};

    let u = recorder.person(client.user_id());
    let d = recorder.device(u, DeviceKind::Wire);
    let mut k = 0;
    let within = Duration::from_secs(10);
    loop {
        if let Ok(credentials) = client.fresh_credentials(None).await
            && let Ok(mut connection) =
                Connection::open_by(&socket_url, by, Format::Json, within).await
        {
            k += 1;
            let hello = client_frame::Frame::Hello(Hello {
                access_token: credentials.access_token,
                cursor: String::new(),
            });
            if connection.send(hello).await.is_ok() {
                // Two heartbeats without anything: it is a ghost.
                while let Ok(incoming) =
                    tokio::time::timeout(Duration::from_secs(31), connection.next()).await
                {
                    match incoming {
                        Incoming::Frame(server_frame::Frame::Entry(entry)) => {
                            let id = ConversationId::parse(&entry.conversation_id);
                            if let Some(c) = id.ok().and_then(|id| recorder.conversation(id)) {
                                let entry = recorder.entry(&entry);
                                recorder.record(What::Wire { d, k, c, entry });
                            }
                        }
                        Incoming::Closed(_) => break,
                        _ => {}
                    }
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(500..2_000))).await;
    }
}

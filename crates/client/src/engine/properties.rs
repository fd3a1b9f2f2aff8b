//! A server, a network and a person, all unreliable: whatever order things happen in, the engine
//! ends with every entry shown once and in order, every message and change stored once and in order, every
//! badge right whenever it is told, and a view of each message that equals a fresh fetch.

use std::collections::{BTreeMap, HashMap, VecDeque};

use proptest::prelude::*;
use proto::socket::{
    Change, Deleted, Edited, Hidden, Message, Reacted, Receipt, Resumed, Resync, SettingsChanged,
    change, entry, react, reacted,
};

use super::tests::{ME, OTHER, message_id};
use super::*;

/// Small, so that holes need several.
const PAGE: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    OtherSays(usize),
    ISay(usize),
    IRead(usize),
    /// In a conversation, of the nth of what can be changed.
    OtherChanges(usize, usize, Kind),
    IChange(usize, usize, Kind),
    /// Somebody else reads all that there is.
    OtherReads(usize),
    IMarkUnread(usize),
    IHide(usize, usize),
    /// Another device of the person hides one.
    IHideElsewhere(usize, usize),
    ISetElsewhere(usize),
    /// The next frame reaches the client.
    Deliver,
    /// It doesn't, though the connection lives.
    Drop,
    /// The next two change places.
    Swap,
    /// An entry that was delivered before is delivered again.
    Repeat(usize),
    /// The server takes the client's next frame.
    Take,
    /// It can't reach the log.
    TakeAndRefuse,
    Heartbeat,
    Resync,
    Cut,
    Draining,
    /// A read of the client succeeds; the others wait.
    Read(usize),
    ReadFails(usize),
    Connects,
    DoesNotConnect,
    /// The server forgets what changed.
    IndexLost,
    Pass(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Edit,
    Delete,
    React,
    Unreact,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Edit),
        Just(Kind::Delete),
        Just(Kind::React),
        Just(Kind::Unreact)
    ]
}

/// Everything that can become of a conversation.
fn event() -> impl Strategy<Value = Step> {
    let conversation = || 0..3usize;
    prop_oneof![
        4 => conversation().prop_map(Step::OtherSays),
        4 => conversation().prop_map(Step::ISay),
        1 => conversation().prop_map(Step::IRead),
        3 => (conversation(), 0..9usize, kind()).prop_map(|(c, n, kind)| Step::OtherChanges(c, n, kind)),
        3 => (conversation(), 0..9usize, kind()).prop_map(|(c, n, kind)| Step::IChange(c, n, kind)),
        1 => conversation().prop_map(Step::OtherReads),
        1 => conversation().prop_map(Step::IMarkUnread),
        1 => (conversation(), 0..9usize).prop_map(|(c, n)| Step::IHide(c, n)),
        1 => (conversation(), 0..9usize).prop_map(|(c, n)| Step::IHideElsewhere(c, n)),
        1 => conversation().prop_map(Step::ISetElsewhere),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let conversation = 0..3usize;
    prop_oneof![
        16 => event(),
        8 => Just(Step::Deliver),
        1 => Just(Step::Drop),
        1 => Just(Step::Swap),
        1 => conversation.prop_map(Step::Repeat),
        6 => Just(Step::Take),
        1 => Just(Step::TakeAndRefuse),
        1 => Just(Step::Heartbeat),
        1 => Just(Step::Resync),
        1 => Just(Step::Cut),
        1 => Just(Step::Draining),
        4 => (0..4usize).prop_map(Step::Read),
        1 => (0..4usize).prop_map(Step::ReadFails),
        3 => Just(Step::Connects),
        1 => Just(Step::DoesNotConnect),
        1 => Just(Step::IndexLost),
        3 => (1..20_000u64).prop_map(Step::Pass),
    ]
}

/// One conversation as the server has it.
#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    /// By client message id; none: refused.
    ids: HashMap<String, Option<u64>>,
    read: u64,
    delivered: u64,
    is_marked_unread: bool,
    /// In the order of hiding.
    hidden: Vec<u64>,
    /// How far the other has read.
    read_by_other: u64,
    version: u64,
    settings_version: u64,
}

impl Log {
    fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    fn is_message(entry: &Entry) -> bool {
        matches!(entry.change, Some(entry::Change::Message(_)))
    }

    fn countable(&self) -> u64 {
        self.entries
            .iter()
            .filter(|entry| Self::is_message(entry))
            .count() as u64
    }

    fn is_deleted_as_of(&self, target: u64, head: u64) -> bool {
        self.entries[..head as usize].iter().any(|entry| {
            matches!(&entry.change, Some(entry::Change::Deleted(deleted)) if deleted.number == target)
        })
    }

    /// By the definition: messages of others above the mark that were neither deleted nor hidden.
    fn unread_as_of(&self, head: u64, read: u64, hidden: u64) -> u64 {
        let unread = self.entries[..head as usize].iter().filter(|entry| {
            entry.number > read
                && Self::is_message(entry)
                && entry.actor_id != ME.to_string()
                && !self.is_deleted_as_of(entry.number, head)
                && !self.hidden[..hidden as usize].contains(&entry.number)
        });
        unread.count() as u64
    }

    fn state(&self, conversation: ConversationId) -> ConversationState {
        let hidden_count = self.hidden.len() as u64;
        ConversationState {
            conversation_id: conversation.to_string(),
            head_number: self.head(),
            head_countable_total: self.countable(),
            read_number: self.read,
            unread_count: self.unread_as_of(self.head(), self.read, hidden_count),
            counts_from_number: self.read,
            marked_unread: self.is_marked_unread,
            hidden_count,
            marks_version: self.version,
        }
    }

    /// As a page of history has it.
    fn as_it_is_now(&self, number: u64) -> Entry {
        let mut entry = self.entries[number as usize - 1].clone();
        match &mut entry.change {
            Some(entry::Change::Message(message)) => {
                for change in &self.entries {
                    let target = change.change.as_ref().and_then(entry::Change::target);
                    if target == Some(number) {
                        message.take_in(change);
                    }
                }
            }
            Some(entry::Change::Edited(edited))
                if self.is_deleted_as_of(edited.number, self.entries.len() as u64) =>
            {
                edited.text.clear();
            }
            _ => {}
        }
        entry
    }

    /// All messages as a fresh device would be given them.
    fn fresh(&self) -> BTreeMap<u64, Message> {
        let mut messages = BTreeMap::new();
        for number in (1..=self.head()).filter(|number| !self.hidden.contains(number)) {
            if let Some(entry::Change::Message(message)) = self.as_it_is_now(number).change {
                messages.insert(number, message);
            }
        }
        messages
    }

    /// Whether a page leaves the entry out. A change belongs to its message.
    fn is_left_out(&self, number: u64) -> bool {
        let change = self.entries[number as usize - 1].change.as_ref();
        self.hidden.contains(&number) && change.and_then(entry::Change::target).is_none()
    }

    fn author(&self, number: u64) -> Option<&str> {
        let entry = self.entries.get((number as usize).checked_sub(1)?)?;
        Self::is_message(entry).then_some(entry.actor_id.as_str())
    }
}

/// What the person sees of one conversation.
#[derive(Default)]
struct Screen {
    /// Of the last entry shown.
    last: u64,
    numbers: Vec<u64>,
    messages: BTreeMap<u64, Message>,
    hidden: Vec<u64>,
    standing: Standing,
    receipt: (u64, u64),
    settings_version: u64,
}

/// The server's end of a connection.
#[derive(Default)]
struct Peer {
    /// Each with the time at which it was sent.
    to_client: VecDeque<(u64, server_frame::Frame)>,
    to_server: VecDeque<(u64, client_frame::Frame)>,
    sent: u64,
    received: u64,
    greeted: bool,
    refusing: HashSet<String>,
}

impl Peer {
    fn is_idle(&self) -> bool {
        self.to_client.is_empty() && self.to_server.is_empty()
    }
}

enum Job {
    Entries(ConversationId, u64),
    States,
    Hidden(ConversationId, u64),
    Marks(ConversationId),
}

struct World {
    engine: Engine,
    now: u64,
    logs: BTreeMap<ConversationId, Log>,
    /// Conversations in the order of their changes; a cursor is a position here.
    changes: Vec<ConversationId>,
    index_begins: usize,
    peer: Option<Peer>,
    connecting: bool,
    jobs: Vec<Job>,
    // What the person did and saw.
    said: BTreeMap<ConversationId, Vec<ClientMessageId>>,
    screens: BTreeMap<ConversationId, Screen>,
    acknowledged: HashMap<ClientMessageId, u64>,
    refused: HashSet<ClientMessageId>,
    /// Whether the person wants it to look unread: what they did last.
    looks: BTreeMap<ConversationId, bool>,
    /// What the person hid on this device.
    hid: BTreeMap<ConversationId, BTreeSet<u64>>,
    caught_up: bool,
    next_id: u64,
}

impl World {
    fn new() -> Self {
        let conversations = (10..13u8).map(|n| ConversationId::from_bytes([n; 16]));
        let config = Config {
            held: conversations.clone().map(|id| (id, 0)).collect(),
            window: 3,
            ..Config::default()
        };
        Self {
            engine: Engine::new(ME, config, 5),
            now: 0,
            logs: conversations.map(|id| (id, Log::default())).collect(),
            changes: Vec::new(),
            index_begins: 0,
            peer: None,
            connecting: false,
            jobs: Vec::new(),
            said: BTreeMap::new(),
            screens: BTreeMap::new(),
            acknowledged: HashMap::new(),
            refused: HashSet::new(),
            looks: BTreeMap::new(),
            hid: BTreeMap::new(),
            caught_up: false,
            next_id: 0,
        }
    }

    fn begin(&mut self) {
        let all = self.logs.keys().copied().collect();
        self.give(Input::OnScreen(all));
        self.give(Input::Tick);
    }

    fn conversation(&self, index: usize) -> ConversationId {
        *self.logs.keys().nth(index).unwrap()
    }

    fn give(&mut self, input: Input) {
        let mut out = Vec::new();
        self.engine.handle(self.now, input, &mut out);
        for action in out {
            match action {
                Action::Connect { .. } => {
                    assert!(self.peer.is_none(), "a second connection");
                    self.connecting = true;
                }
                Action::Disconnect => self.peer = None,
                // A frame for a connection that is gone goes nowhere.
                Action::Transmit(frame) => {
                    if let Some(peer) = &mut self.peer {
                        peer.to_server.push_back((self.now, frame));
                    }
                }
                Action::RenewToken => unreachable!("tokens last"),
                Action::FetchEntries {
                    conversation,
                    after,
                } => {
                    self.jobs.push(Job::Entries(conversation, after));
                }
                Action::FetchStates => self.jobs.push(Job::States),
                Action::FetchHidden {
                    conversation,
                    after,
                } => self.jobs.push(Job::Hidden(conversation, after)),
                Action::FetchMarks { conversation } => self.jobs.push(Job::Marks(conversation)),
                Action::Tell(update) => self.see(update),
            }
        }
    }

    fn see(&mut self, update: Update) {
        let standing = match &update {
            Update::Shown {
                conversation,
                standing,
                ..
            } => standing.map(|it| (*conversation, it)),
            Update::State {
                conversation,
                standing,
            } => Some((*conversation, *standing)),
            _ => None,
        };
        match update {
            Update::Shown {
                conversation,
                entry,
                ..
            } => {
                let log = &self.logs[&conversation];
                let screen = self.screens.entry(conversation).or_default();
                // A page of history leaves out what is hidden.
                let expected =
                    (screen.last + 1..entry.number).find(|number| !log.hidden.contains(number));
                assert_eq!(expected, None, "#{} out of order", entry.number);
                assert!(entry.number > screen.last, "shown again");
                let stored = &log.entries[entry.number as usize - 1];
                assert_eq!(entry.actor_id, stored.actor_id);
                assert_eq!(
                    entry.change.as_ref().and_then(entry::Change::id),
                    stored.change.as_ref().and_then(entry::Change::id)
                );
                screen.last = entry.number;
                screen.numbers.push(entry.number);
                screen.reduce(entry);
            }
            Update::Acknowledged {
                conversation,
                client_message_id,
                number,
                ..
            } => {
                let stored = self.logs[&conversation].ids[&client_message_id.to_string()];
                assert_eq!(Some(number), stored);
                let before = self.acknowledged.insert(client_message_id, number);
                assert_eq!(before, None, "acknowledged twice");
            }
            Update::Connection(state) => self.caught_up = state == ConnectionState::CaughtUp,
            Update::State { .. } => {}
            Update::Receipt {
                conversation,
                user,
                delivered,
                read,
                ..
            } => {
                assert_eq!(user, OTHER);
                let screen = self.screens.entry(conversation).or_default();
                assert!(
                    delivered.max(read) <= screen.last.max(self.logs[&conversation].head()),
                    "a receipt of nothing"
                );
                let held = (1..=delivered.max(read)).find(|number| {
                    !screen.numbers.contains(number)
                        && !self.logs[&conversation].hidden.contains(number)
                });
                assert_eq!(held, None, "a receipt before its message");
                assert!(
                    delivered >= screen.receipt.0
                        && read >= screen.receipt.1
                        && (delivered, read) != screen.receipt,
                    "a receipt went back"
                );
                screen.receipt = (delivered, read);
            }
            Update::Hidden {
                conversation,
                number,
            } => {
                let hidden = &mut self.screens.entry(conversation).or_default().hidden;
                hidden.push(number);
                assert!(self.logs[&conversation].hidden.starts_with(hidden));
            }
            Update::SettingsChanged {
                conversation,
                version,
            } => {
                self.screens
                    .entry(conversation)
                    .or_default()
                    .settings_version = version;
            }
            Update::Refused {
                client_message_id,
                code,
                ..
            } => {
                assert_eq!(code, "target_deleted");
                assert!(self.refused.insert(client_message_id), "refused twice");
            }
            // A mark that was refused for now.
            Update::Complaint { code, .. } => assert_eq!(code, "rate_limited"),
            Update::Reset { .. }
            | Update::ContactsChanged
            | Update::Typing { .. }
            | Update::Presence { .. } => panic!("{update:?}"),
        }
        if let Some((conversation, standing)) = standing {
            let log = &self.logs[&conversation];
            let right = log.unread_as_of(standing.head, standing.read, standing.hidden);
            // Which of what was deleted was hidden before is known a moment after the count of it.
            if self.screens.entry(conversation).or_default().hidden.len() as u64 >= standing.hidden
            {
                assert_eq!(standing.unread, right, "{standing:?}");
            }
            self.screens.entry(conversation).or_default().standing = standing;
        }
    }

    fn state(&self, conversation: ConversationId) -> ConversationState {
        self.logs[&conversation].state(conversation)
    }

    fn say(&mut self, conversation: ConversationId, by: UserId, id: String) {
        let message = Message {
            message_id: format!("id of {id}"),
            client_message_id: id,
            text: "x".into(),
            ..Message::default()
        };
        self.append(conversation, by, entry::Change::Message(message));
    }

    /// Appends, and delivers as far as there is a socket.
    fn append(&mut self, conversation: ConversationId, by: UserId, change: entry::Change) {
        let log = self.logs.get_mut(&conversation).unwrap();
        let number = log.head() + 1;
        let is_message = matches!(change, entry::Change::Message(_));
        let entry = Entry {
            conversation_id: conversation.to_string(),
            number,
            previous_number: number - 1,
            countable_total: log.countable() + u64::from(is_message),
            time_unix_ms: number as i64 * 1_000,
            actor_id: by.to_string(),
            change: Some(change),
        };
        if by == ME
            && let Some(id) = entry
                .change
                .as_ref()
                .and_then(|change| change.client_message_id())
        {
            log.ids.insert(id.to_owned(), Some(number));
        }
        log.entries.push(entry.clone());
        self.changes.push(conversation);
        self.push(server_frame::Frame::Entry(entry));
        // Where the writer stands follows.
        if by == ME && is_message {
            self.tell_state(conversation);
        }
    }

    fn receipt(&self, conversation: ConversationId, user: UserId) -> Receipt {
        let log = &self.logs[&conversation];
        let (delivered_number, read_number) = if user == ME {
            (log.delivered, log.read)
        } else {
            (log.read_by_other, log.read_by_other)
        };
        Receipt {
            conversation_id: conversation.to_string(),
            user_id: user.to_string(),
            delivered_number,
            read_number,
            time_unix_ms: 0,
        }
    }

    fn tell_state(&mut self, conversation: ConversationId) {
        let state = self.state(conversation);
        self.push(server_frame::Frame::State(state));
    }

    /// The person's own marks move; the version grows if anything did.
    fn move_marks(&mut self, conversation: ConversationId, change: impl FnOnce(&mut Log)) {
        let log = self.logs.get_mut(&conversation).unwrap();
        let marks = |log: &Log| {
            (
                log.read,
                log.delivered,
                log.is_marked_unread,
                log.hidden.len(),
            )
        };
        let before = marks(log);
        change(log);
        if marks(log) != before {
            log.version += 1;
            self.changes.push(conversation);
        }
    }

    fn hide(&mut self, conversation: ConversationId, number: u64) {
        let log = &self.logs[&conversation];
        if (1..=log.head()).contains(&number) && !log.hidden.contains(&number) {
            self.move_marks(conversation, |log| log.hidden.push(number));
            let hidden_count = self.logs[&conversation].hidden.len() as u64;
            self.push(server_frame::Frame::Hidden(Hidden {
                conversation_id: conversation.to_string(),
                number,
                hidden_count,
            }));
        }
        self.tell_state(conversation);
    }

    /// A change of the nth message that still can be changed so by this person.
    fn wish(
        &self,
        conversation: ConversationId,
        by: UserId,
        nth: usize,
        kind: Kind,
    ) -> Option<u64> {
        let log = &self.logs[&conversation];
        let possible: Vec<u64> = (1..=log.head())
            .filter(|number| {
                let author = log.author(*number);
                let is_reaction = matches!(kind, Kind::React | Kind::Unreact);
                author.is_some_and(|author| is_reaction || author == by.to_string())
                    && !log.is_deleted_as_of(*number, log.head())
            })
            .collect();
        possible.get(nth % possible.len().max(1)).copied()
    }

    fn other_changes(&mut self, conversation: ConversationId, nth: usize, kind: Kind) {
        let Some(number) = self.wish(conversation, OTHER, nth, kind) else {
            return;
        };
        self.next_id += 1;
        let change = change_of(kind, self.next_id);
        let id = message_id(1_000_000 + self.next_id).to_string();
        let author = OTHER.to_string();
        self.append(conversation, OTHER, entry_of(change, number, id, author));
    }

    fn push(&mut self, frame: server_frame::Frame) {
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
            peer.sent += 1;
            peer.to_client.push_back((self.now, frame));
        }
    }

    fn take(&mut self, refuse: bool) {
        let Some((_, frame)) = self
            .peer
            .as_mut()
            .and_then(|peer| peer.to_server.pop_front())
        else {
            return;
        };
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
            peer.received += 1;
        }
        let untold = match &frame {
            client_frame::Frame::MarkDelivered(_) => Some("mark_delivered"),
            client_frame::Frame::MarkUnread(_) => Some("mark_unread"),
            client_frame::Frame::MarkRead(_) => Some("mark_read"),
            client_frame::Frame::Hide(_) => Some("hide"),
            _ => None,
        };
        if let Some(name) = untold.filter(|_| refuse) {
            let error = proto::socket::Error {
                code: "rate_limited".into(),
                detail: String::new(),
                frame: name.into(),
            };
            return self.push(server_frame::Frame::Error(error));
        }
        match frame {
            client_frame::Frame::Hello(hello) => self.greet(&hello),
            client_frame::Frame::Send(send) => {
                let (id, restart) = (send.client_message_id.clone(), send.outbox_restart);
                let conversation = ConversationId::parse(&send.conversation_id).unwrap();
                self.submit(conversation, id, restart, refuse, None);
            }
            client_frame::Frame::Change(change) => {
                let (id, restart) = (change.client_message_id.clone(), change.outbox_restart);
                let conversation = ConversationId::parse(&change.conversation_id).unwrap();
                self.submit(conversation, id, restart, refuse, Some(change));
            }
            client_frame::Frame::MarkDelivered(mark) => {
                let id = ConversationId::parse(&mark.conversation_id).unwrap();
                assert!(mark.number <= self.screens[&id].last, "it isn't here yet");
                self.move_marks(id, |log| log.delivered = log.delivered.max(mark.number));
            }
            client_frame::Frame::MarkUnread(mark) => {
                let id = ConversationId::parse(&mark.conversation_id).unwrap();
                self.move_marks(id, |log| log.is_marked_unread = true);
                self.tell_state(id);
            }
            client_frame::Frame::Hide(hide) => {
                let id = ConversationId::parse(&hide.conversation_id).unwrap();
                self.hide(id, hide.number);
            }
            client_frame::Frame::MarkRead(mark) => {
                let id = ConversationId::parse(&mark.conversation_id).unwrap();
                assert!(
                    mark.number <= self.logs[&id].head(),
                    "a mark above the head"
                );
                self.move_marks(id, |log| {
                    log.is_marked_unread &= mark.number < log.read;
                    log.read = log.read.max(mark.number);
                    log.delivered = log.delivered.max(log.read);
                });
                self.tell_state(id);
            }
            client_frame::Frame::Ping(_)
            | client_frame::Frame::Typing(_)
            | client_frame::Frame::WatchPresence(_) => unreachable!("nobody sends these"),
        }
    }

    fn greet(&mut self, hello: &Hello) {
        let cursor = self.changes.len().to_string();
        let mut frames = vec![server_frame::Frame::Welcome(Welcome {
            heartbeat_interval_ms: 15_000,
            cursor: cursor.clone(),
            ..Welcome::default()
        })];
        if let Ok(from) = hello.cursor.parse::<usize>() {
            let complete = from >= self.index_begins;
            let mut changed: Vec<_> = self
                .changes
                .get(from..)
                .filter(|_| complete)
                .unwrap_or(&[])
                .to_vec();
            changed.sort();
            changed.dedup();
            let changed = changed.into_iter().map(|id| self.state(id)).collect();
            frames.push(server_frame::Frame::Resumed(Resumed {
                complete,
                changed,
                cursor,
            }));
        }
        let peer = self.peer.as_mut().unwrap();
        peer.greeted = true;
        let now = self.now;
        peer.to_client
            .extend(frames.into_iter().map(|frame| (now, frame)));
    }

    /// Takes a message, or with `change` a change of one.
    fn submit(
        &mut self,
        conversation: ConversationId,
        client_message_id: String,
        restart: bool,
        refuse: bool,
        change: Option<Change>,
    ) {
        let conversation_id = conversation.to_string();
        let peer = self.peer.as_mut().unwrap();
        if restart {
            peer.refusing.remove(&conversation_id);
        }
        if refuse {
            peer.refusing.insert(conversation_id.clone());
        }
        let refused = |code: &str, retry| {
            server_frame::Frame::Refused(Refused {
                conversation_id: conversation_id.clone(),
                client_message_id: client_message_id.clone(),
                code: code.into(),
                detail: String::new(),
                retry,
                retry_after_ms: 100,
            })
        };
        if peer.refusing.contains(&conversation_id) {
            return self.push(refused("retry", true));
        }
        let log = self.logs.get_mut(&conversation).unwrap();
        match log.ids.get(&client_message_id) {
            Some(Some(number)) => {
                let number = *number;
                return self.push(server_frame::Frame::Accepted(Accepted {
                    conversation_id,
                    client_message_id,
                    message_id: String::new(),
                    number,
                    time_unix_ms: 0,
                }));
            }
            Some(None) => return self.push(refused("target_deleted", false)),
            None => {}
        }
        let Some(Change {
            number,
            change: Some(change),
            ..
        }) = change
        else {
            return self.say(conversation, ME, client_message_id);
        };
        if log.is_deleted_as_of(number, log.head()) {
            log.ids.insert(client_message_id.clone(), None);
            return self.push(refused("target_deleted", false));
        }
        let author = log.author(number).expect("a message").to_owned();
        self.append(
            conversation,
            ME,
            entry_of(change, number, client_message_id, author),
        );
    }

    fn deliver(&mut self) {
        let Some((sent_at, frame)) = self
            .peer
            .as_mut()
            .and_then(|peer| peer.to_client.pop_front())
        else {
            return;
        };
        // What vouches for marks is not old news.
        if is_heartbeat(&frame) && sent_at + 1_000 < self.now {
            return;
        }
        self.give(Input::Frame(frame));
    }

    fn heartbeat(&mut self) {
        let (now, cursor) = (self.now, self.changes.len().to_string());
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
            let heartbeat = server_frame::Frame::Heartbeat(Heartbeat {
                frames_sent: peer.sent,
                frames_received: peer.received,
                cursor,
                server_time_unix_ms: now as i64,
            });
            peer.to_client.push_back((now, heartbeat));
        }
    }

    fn job(&mut self, index: usize, succeeds: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs.remove(index % self.jobs.len());
        let input = match job {
            Job::States if succeeds => {
                Input::States(Ok(self.logs.keys().map(|id| self.state(*id)).collect()))
            }
            Job::States => Input::States(Err(FetchFailure::Temporary)),
            Job::Hidden(conversation, after) => Input::Hidden {
                conversation,
                after,
                outcome: if succeeds {
                    Ok(self.logs[&conversation].hidden[after as usize..].to_vec())
                } else {
                    Err(FetchFailure::Temporary)
                },
            },
            Job::Marks(conversation) => Input::Marks {
                conversation,
                outcome: if succeeds {
                    Ok([ME, OTHER]
                        .map(|user| self.receipt(conversation, user))
                        .into())
                } else {
                    Err(FetchFailure::Temporary)
                },
            },
            Job::Entries(conversation, after) => {
                let log = &self.logs[&conversation];
                let covered_to = (after + PAGE as u64).min(log.head()).max(after);
                let page = Page {
                    entries: (after + 1..=covered_to)
                        .filter(|number| !log.is_left_out(*number))
                        .map(|number| log.as_it_is_now(number))
                        .collect(),
                    covered_to,
                    state: Some(self.state(conversation)),
                };
                let outcome = if succeeds {
                    Ok(page)
                } else {
                    Err(FetchFailure::Temporary)
                };
                Input::Entries {
                    conversation,
                    outcome,
                }
            }
        };
        self.give(input);
    }

    /// Time passes, with all that it brings.
    fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.engine.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.give(Input::Tick);
            assert!(
                self.engine.deadline().is_none_or(|next| next > self.now),
                "a deadline that doesn't move: {:?}",
                self.engine
            );
        }
        self.now = until;
    }

    fn connects(&mut self, succeeds: bool) {
        if !std::mem::take(&mut self.connecting) {
            return;
        }
        if succeeds {
            self.peer = Some(Peer::default());
            let token = Token {
                access_token: "token".into(),
                renew_in_ms: u64::MAX / 2,
            };
            self.give(Input::Opened(token));
        } else {
            self.give(Input::NotOpened(OpenFailure::Temporary));
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::OtherSays(index) => {
                self.next_id += 1;
                let id = message_id(1_000_000 + self.next_id).to_string();
                self.say(self.conversation(index), OTHER, id);
            }
            Step::ISay(index) => self.i_submit(self.conversation(index), Draft::text("x").into()),
            Step::OtherChanges(index, nth, kind) => {
                self.other_changes(self.conversation(index), nth, kind);
            }
            Step::IChange(index, nth, kind) => {
                let conversation = self.conversation(index);
                if let Some(number) = self.wish(conversation, ME, nth, kind) {
                    let change = match kind {
                        Kind::Edit => MessageChange::Edit(format!("text {}", self.next_id)),
                        Kind::Delete => MessageChange::Delete,
                        Kind::React => MessageChange::AddReaction("👍".into()),
                        Kind::Unreact => MessageChange::RemoveReaction("👍".into()),
                    };
                    self.i_submit(conversation, Submission::Change { number, change });
                }
            }
            Step::OtherReads(index) => {
                let conversation = self.conversation(index);
                let log = self.logs.get_mut(&conversation).unwrap();
                log.read_by_other = log.head();
                let receipt = self.receipt(conversation, OTHER);
                self.push(server_frame::Frame::Receipt(receipt));
            }
            Step::IRead(index) => {
                let conversation = self.conversation(index);
                let number = self
                    .screens
                    .get(&conversation)
                    .map_or(0, |screen| screen.last);
                if number > 0 {
                    self.looks.insert(conversation, false);
                }
                self.give(Input::Read {
                    conversation,
                    number,
                });
            }
            Step::IMarkUnread(index) => {
                let conversation = self.conversation(index);
                self.looks.insert(conversation, true);
                self.give(Input::MarkUnread { conversation });
            }
            Step::IHide(index, nth) => {
                let conversation = self.conversation(index);
                let shown = self
                    .screens
                    .get(&conversation)
                    .map(|screen| &screen.numbers);
                if let Some(number) =
                    shown.and_then(|shown| shown.get(nth % shown.len().max(1)).copied())
                {
                    self.hid.entry(conversation).or_default().insert(number);
                    self.give(Input::Hide {
                        conversation,
                        number,
                    });
                }
            }
            Step::IHideElsewhere(index, nth) => {
                let conversation = self.conversation(index);
                let head = self.logs[&conversation].head();
                self.hide(conversation, head.saturating_sub(nth as u64));
            }
            Step::ISetElsewhere(index) => {
                let conversation = self.conversation(index);
                let log = self.logs.get_mut(&conversation).unwrap();
                log.settings_version += 1;
                let version = log.settings_version;
                self.push(server_frame::Frame::SettingsChanged(SettingsChanged {
                    conversation_id: conversation.to_string(),
                    version,
                }));
            }
            Step::Deliver => self.deliver(),
            Step::Drop => {
                if let Some(peer) = &mut self.peer {
                    peer.to_client.pop_front();
                }
            }
            Step::Swap => {
                if let Some(peer) = &mut self.peer
                    && peer.to_client.len() > 1
                    // A count is worth something only where frames before and after it stay there.
                    && !peer
                        .to_client
                        .iter()
                        .take(2)
                        .any(|(_, frame)| is_heartbeat(frame))
                {
                    peer.to_client.swap(0, 1);
                }
            }
            Step::Repeat(index) => {
                let log = &self.logs[&self.conversation(index)];
                if let Some(entry) = log.entries.first().cloned() {
                    self.push(server_frame::Frame::Entry(entry));
                }
            }
            Step::Take => self.take(false),
            Step::TakeAndRefuse => self.take(true),
            Step::Heartbeat => self.heartbeat(),
            Step::Resync => self.push(server_frame::Frame::Resync(Resync::default())),
            Step::Cut => {
                if self.peer.take().is_some() {
                    self.give(Input::Closed { code: None });
                }
            }
            Step::Draining => {
                let now = self.now;
                if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
                    let closing = server_frame::Frame::Closing(proto::socket::Closing {
                        reconnect_after_ms: 300,
                        reason: String::new(),
                    });
                    peer.to_client.push_back((now, closing));
                }
            }
            Step::Read(index) => self.job(index, true),
            Step::ReadFails(index) => self.job(index, false),
            Step::Connects => self.connects(true),
            Step::DoesNotConnect => self.connects(false),
            Step::IndexLost => self.index_begins = self.changes.len(),
            Step::Pass(ms) => self.pass(ms),
        }
    }

    /// From here on everything works; ends when nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.connects(true);
            while self
                .peer
                .as_ref()
                .is_some_and(|peer| !peer.to_server.is_empty())
            {
                self.take(false);
            }
            self.heartbeat();
            while self
                .peer
                .as_ref()
                .is_some_and(|peer| !peer.to_client.is_empty())
            {
                self.deliver();
            }
            while !self.jobs.is_empty() {
                self.job(0, true);
            }
            let said: usize = self.said.values().map(Vec::len).sum();
            let quiet = self
                .peer
                .as_ref()
                .is_some_and(|peer| peer.to_server.is_empty() && peer.to_client.is_empty());
            let answered = self.acknowledged.len() + self.refused.len();
            let told = self.logs.iter().all(|(id, log)| {
                let read = self.screens.get(id).map_or(0, |screen| screen.receipt.1);
                read == log.read_by_other
            });
            if self.caught_up && quiet && answered == said && told && self.has_all_marks() {
                return;
            }
            self.pass(10_000);
        }
        panic!("never settles: {:?}", self.engine);
    }

    /// Whether the server knows all that the person did without being answered, and all that was delivered.
    fn has_all_marks(&self) -> bool {
        self.logs.iter().all(|(conversation, log)| {
            let last_of_other = log
                .entries
                .iter()
                .rev()
                .filter(|entry| Log::is_message(entry) && entry.actor_id == OTHER.to_string())
                .find(|entry| self.screens[conversation].numbers.contains(&entry.number));
            last_of_other.is_none_or(|entry| log.delivered >= entry.number)
                && self
                    .looks
                    .get(conversation)
                    .is_none_or(|unread| log.is_marked_unread == *unread)
                && self
                    .hid
                    .get(conversation)
                    .is_none_or(|hid| hid.iter().all(|number| log.hidden.contains(number)))
        })
    }

    /// What is on the screen equals a fresh fetch.
    fn check(&self) {
        for (conversation, log) in &self.logs {
            let nothing = Screen::default();
            let screen = self.screens.get(conversation).unwrap_or(&nothing);
            let lacking = (1..=log.head())
                .find(|number| !screen.numbers.contains(number) && !log.hidden.contains(number));
            assert_eq!(lacking, None, "not every entry was shown");
            assert_eq!(screen.hidden, log.hidden);
            let read = log.read_by_other;
            assert_eq!(screen.receipt, (read, read), "how far the other has got");
            let mut messages = screen.messages.clone();
            messages.retain(|number, _| !screen.hidden.contains(number));
            assert_eq!(messages, log.fresh());

            let state = log.state(*conversation);
            assert_eq!(
                screen.standing,
                Standing {
                    head: state.head_number,
                    read: state.read_number,
                    unread: state.unread_count,
                    marked_unread: state.marked_unread,
                    hidden: state.hidden_count,
                }
            );

            let said = self.said.get(conversation).cloned().unwrap_or_default();
            let accepted: Vec<_> = said
                .into_iter()
                .filter(|id| !self.refused.contains(id))
                .collect();
            let stored: Vec<_> = log
                .entries
                .iter()
                .filter(|entry| entry.actor_id == ME.to_string())
                .filter_map(|entry| entry.change.as_ref()?.client_message_id())
                .map(|id| ClientMessageId::parse(id).unwrap())
                .collect();
            assert_eq!(stored, accepted, "stored in another order");
        }
    }

    fn i_submit(&mut self, conversation: ConversationId, what: Submission) {
        self.next_id += 1;
        let id = message_id(self.next_id);
        self.said.entry(conversation).or_default().push(id);
        self.give(Input::Submit {
            conversation,
            id,
            what,
            attempts: 0,
        });
    }
}

impl Screen {
    /// What a client does with an entry.
    fn reduce(&mut self, entry: Entry) {
        if let Some(entry::Change::Message(message)) = entry.change {
            self.messages.insert(entry.number, message);
        } else if let Some(target) = entry.change.as_ref().and_then(entry::Change::target)
            && let Some(message) = self.messages.get_mut(&target)
        {
            message.take_in(&entry);
        }
    }
}

fn change_of(kind: Kind, n: u64) -> change::Change {
    let react = |reaction| {
        change::Change::React(proto::socket::React {
            reaction: Some(reaction),
        })
    };
    match kind {
        Kind::Edit => change::Change::Edit(proto::socket::Edit {
            text: format!("text {n}"),
        }),
        Kind::Delete => change::Change::Delete(proto::socket::Delete {}),
        Kind::React => react(react::Reaction::Add("👍".into())),
        Kind::Unreact => react(react::Reaction::Remove("👍".into())),
    }
}

/// The entry that says so.
fn entry_of(change: change::Change, number: u64, id: String, author_id: String) -> entry::Change {
    let (client_message_id, change_id) = (id.clone(), format!("id of {id}"));
    match change {
        change::Change::Edit(edit) => entry::Change::Edited(Edited {
            client_message_id,
            number,
            text: edit.text,
            change_id,
        }),
        change::Change::Delete(_) => entry::Change::Deleted(Deleted {
            client_message_id,
            number,
            author_id,
            change_id,
        }),
        change::Change::React(react) => entry::Change::Reacted(Reacted {
            client_message_id,
            number,
            change_id,
            reaction: react.reaction.map(|reaction| match reaction {
                react::Reaction::Add(emoji) => reacted::Reaction::Added(emoji),
                react::Reaction::Remove(emoji) => reacted::Reaction::Removed(emoji),
            }),
        }),
    }
}

fn is_heartbeat(frame: &server_frame::Frame) -> bool {
    matches!(frame, server_frame::Frame::Heartbeat(_))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everything_is_shown_and_stored_once_and_in_order(
        steps in proptest::collection::vec(step(), 0..150)
    ) {
        let mut world = World::new();
        world.begin();
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.check();
    }

    /// The live path alone: nothing is fetched, and the screen is what a fetch would make it.
    #[test]
    fn applying_an_event_to_the_old_state_equals_a_fresh_fetch(
        before in proptest::collection::vec(event(), 0..40),
        events in proptest::collection::vec(event(), 1..4)
    ) {
        let mut world = World::new();
        world.begin();
        for step in before {
            world.step(step);
        }
        world.settle();
        for step in events {
            world.step(step);
            // There and back, until nothing moves.
            while world.peer.as_ref().is_some_and(|peer| !peer.is_idle()) {
                world.take(false);
                world.deliver();
            }
            prop_assert!(world.jobs.is_empty(), "something was fetched");
            world.check();
        }
    }
}

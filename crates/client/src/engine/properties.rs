//! A server, a network and a person, all unreliable: whatever order things happen in, the engine
//! ends with every entry shown once and in order, and every message stored once and in order.

use std::collections::{BTreeMap, HashMap, VecDeque};

use proptest::prelude::*;
use proto::socket::{Message, Resumed, Resync, Send};

use super::tests::{ME, OTHER, message_id};
use super::*;

/// Small, so that holes need several.
const PAGE: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    OtherSays(usize),
    ISay(usize),
    IRead(usize),
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

fn step() -> impl Strategy<Value = Step> {
    let conversation = 0..3usize;
    prop_oneof![
        4 => conversation.clone().prop_map(Step::OtherSays),
        4 => conversation.clone().prop_map(Step::ISay),
        1 => conversation.clone().prop_map(Step::IRead),
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
    ids: HashMap<String, u64>,
    read: u64,
}

/// The server's end of a connection.
#[derive(Default)]
struct Peer {
    to_client: VecDeque<server_frame::Frame>,
    to_server: VecDeque<client_frame::Frame>,
    sent: u64,
    greeted: bool,
    refusing: HashSet<String>,
}

enum Job {
    Entries(ConversationId, u64),
    States,
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
    shown: BTreeMap<ConversationId, Vec<u64>>,
    acknowledged: HashMap<ClientMessageId, u64>,
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
            shown: BTreeMap::new(),
            acknowledged: HashMap::new(),
            caught_up: false,
            next_id: 0,
        }
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
                        peer.to_server.push_back(frame);
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
                let seen = self.shown.entry(conversation).or_default();
                assert_eq!(entry.number, seen.len() as u64 + 1, "out of order");
                assert_eq!(entry, self.logs[&conversation].entries[seen.len()]);
                seen.push(entry.number);
            }
            Update::Acknowledged {
                conversation,
                client_message_id,
                number,
                ..
            } => {
                let stored = self.logs[&conversation].ids[&client_message_id.to_string()];
                assert_eq!(number, stored);
                let before = self.acknowledged.insert(client_message_id, number);
                assert_eq!(before, None, "acknowledged twice");
            }
            Update::Connection(state) => self.caught_up = state == ConnectionState::CaughtUp,
            Update::State { .. } => {}
            Update::Refused { .. } | Update::Reset { .. } | Update::Complaint { .. } => {
                panic!("{update:?}")
            }
        }
        if let Some((conversation, standing)) = standing {
            let log = &self.logs[&conversation];
            let others = log.entries[..standing.head as usize]
                .iter()
                .filter(|entry| entry.number > standing.read && entry.actor_id != ME.to_string())
                .count();
            assert_eq!(standing.unread, others as u64, "{standing:?}");
        }
    }

    fn state(&self, conversation: ConversationId) -> ConversationState {
        let log = &self.logs[&conversation];
        let unread = log
            .entries
            .iter()
            .filter(|entry| entry.number > log.read && entry.actor_id != ME.to_string());
        ConversationState {
            conversation_id: conversation.to_string(),
            head_number: log.entries.len() as u64,
            head_countable_total: log.entries.len() as u64,
            read_number: log.read,
            unread_count: unread.count() as u64,
            ..ConversationState::default()
        }
    }

    /// Appends, and delivers as far as there is a socket.
    fn append(&mut self, conversation: ConversationId, by: UserId, id: String) {
        let log = self.logs.get_mut(&conversation).unwrap();
        let number = log.entries.len() as u64 + 1;
        let entry = Entry {
            conversation_id: conversation.to_string(),
            number,
            previous_number: number - 1,
            countable_total: number,
            time_unix_ms: 0,
            actor_id: by.to_string(),
            change: Some(entry::Change::Message(Message {
                client_message_id: id.clone(),
                text: "x".into(),
                ..Message::default()
            })),
        };
        log.entries.push(entry.clone());
        if by == ME {
            log.ids.insert(id, number);
        }
        self.changes.push(conversation);
        self.push(server_frame::Frame::Entry(entry));
    }

    fn push(&mut self, frame: server_frame::Frame) {
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
            peer.sent += 1;
            peer.to_client.push_back(frame);
        }
    }

    fn take(&mut self, refuse: bool) {
        let Some(frame) = self
            .peer
            .as_mut()
            .and_then(|peer| peer.to_server.pop_front())
        else {
            return;
        };
        match frame {
            client_frame::Frame::Hello(hello) => self.greet(&hello),
            client_frame::Frame::Send(send) => self.take_send(send, refuse),
            client_frame::Frame::MarkRead(mark) => {
                let id = ConversationId::parse(&mark.conversation_id).unwrap();
                let log = self.logs.get_mut(&id).unwrap();
                assert!(
                    mark.number <= log.entries.len() as u64,
                    "a mark above the head"
                );
                if mark.number > log.read {
                    log.read = mark.number;
                    self.changes.push(id);
                    let state = self.state(id);
                    self.push(server_frame::Frame::State(state));
                }
            }
            other => unreachable!("nobody sends {other:?}"),
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
        peer.to_client.extend(frames);
    }

    fn take_send(&mut self, send: Send, refuse: bool) {
        let id = ConversationId::parse(&send.conversation_id).unwrap();
        let peer = self.peer.as_mut().unwrap();
        if send.outbox_restart {
            peer.refusing.remove(&send.conversation_id);
        }
        if refuse {
            peer.refusing.insert(send.conversation_id.clone());
        }
        if peer.refusing.contains(&send.conversation_id) {
            return self.push(server_frame::Frame::Refused(Refused {
                conversation_id: send.conversation_id,
                client_message_id: send.client_message_id,
                code: "retry".into(),
                detail: String::new(),
                retry: true,
                retry_after_ms: 100,
            }));
        }
        match self.logs[&id].ids.get(&send.client_message_id) {
            Some(&number) => self.push(server_frame::Frame::Accepted(Accepted {
                conversation_id: send.conversation_id,
                client_message_id: send.client_message_id,
                message_id: String::new(),
                number,
                time_unix_ms: 0,
            })),
            None => self.append(id, ME, send.client_message_id),
        }
    }

    fn deliver(&mut self) {
        if let Some(frame) = self
            .peer
            .as_mut()
            .and_then(|peer| peer.to_client.pop_front())
        {
            self.give(Input::Frame(frame));
        }
    }

    fn heartbeat(&mut self) {
        let cursor = self.changes.len().to_string();
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
            let frames_sent = peer.sent;
            peer.to_client
                .push_back(server_frame::Frame::Heartbeat(Heartbeat {
                    frames_sent,
                    cursor,
                    server_time_unix_ms: 0,
                }));
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
            Job::Entries(conversation, after) => {
                let log = &self.logs[&conversation];
                let entries: Vec<_> = log
                    .entries
                    .iter()
                    .skip(after as usize)
                    .take(PAGE)
                    .cloned()
                    .collect();
                let page = Page {
                    covered_to: after + entries.len() as u64,
                    entries,
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
                self.append(self.conversation(index), OTHER, id);
            }
            Step::ISay(index) => {
                let conversation = self.conversation(index);
                self.next_id += 1;
                let id = message_id(self.next_id);
                self.said.entry(conversation).or_default().push(id);
                let draft = Draft::text("x");
                self.give(Input::Submit {
                    conversation,
                    id,
                    draft,
                    attempts: 0,
                });
            }
            Step::IRead(index) => {
                let conversation = self.conversation(index);
                let number = self
                    .shown
                    .get(&conversation)
                    .map_or(0, |shown| shown.len() as u64);
                self.give(Input::Read {
                    conversation,
                    number,
                });
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
                    && !peer.to_client.iter().take(2).any(is_heartbeat)
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
                if let Some(peer) = self.peer.as_mut().filter(|peer| peer.greeted) {
                    peer.to_client.push_back(server_frame::Frame::Closing(
                        proto::socket::Closing {
                            reconnect_after_ms: 300,
                            reason: String::new(),
                        },
                    ));
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
                .is_some_and(|peer| peer.to_server.is_empty());
            if self.caught_up && quiet && self.acknowledged.len() == said {
                return;
            }
            self.pass(10_000);
        }
        panic!("never settles: {:?}", self.engine);
    }

    fn check(&self) {
        for (conversation, log) in &self.logs {
            let shown = self.shown.get(conversation).map_or(0, Vec::len);
            assert_eq!(shown, log.entries.len(), "entries were not shown");
            let said = self.said.get(conversation).cloned().unwrap_or_default();
            let stored: Vec<_> = log
                .entries
                .iter()
                .filter(|entry| entry.actor_id == ME.to_string())
                .map(|entry| match &entry.change {
                    Some(entry::Change::Message(message)) => {
                        ClientMessageId::parse(&message.client_message_id).unwrap()
                    }
                    other => unreachable!("{other:?}"),
                })
                .collect();
            assert_eq!(stored, said, "messages were stored in another order");
        }
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
        world.give(Input::Tick);
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.check();
    }
}

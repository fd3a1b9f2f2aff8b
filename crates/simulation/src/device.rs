//! A device: the SDK's engine, what it keeps on disk, and what its person sees.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use client::ConnectionState;
use client::engine::{Action, Config, Engine, Input, Standing, Submission, Update};
use ids::{ClientMessageId, ConversationId, UserId};
use proto::socket::{Message, entry};

/// A conversation on a device.
#[derive(Debug, Default)]
pub struct Shown {
    /// The number of the last entry shown.
    pub held: u64,
    /// Numbers of all entries shown.
    pub numbers: Vec<u64>,
    /// Messages as they are now.
    pub messages: BTreeMap<u64, Message>,
    /// What the person was told to have hidden.
    pub hidden: BTreeSet<u64>,
    pub standing: Option<Standing>,
}

/// A message, or a change of one, on its way.
#[derive(Debug, Clone)]
pub struct Written {
    pub id: ClientMessageId,
    pub conversation: ConversationId,
    pub what: Submission,
}

/// What became of a message, as the person was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Stored(u64),
    Refused(String),
}

pub struct Device {
    pub user: UserId,
    engine: Engine,
    seed: u64,
    pub is_connecting: bool,
    pub is_caught_up: bool,
    /// A session begins with all that was hidden before.
    has_restarted: bool,
    /// What the person wrote here, oldest first.
    pub written: Vec<Written>,
    pub answers: HashMap<ClientMessageId, Answer>,
    pub shown: BTreeMap<ConversationId, Shown>,
}

fn engine(user: UserId, held: HashMap<ConversationId, u64>, seed: u64) -> Engine {
    let config = Config {
        held,
        window: 3,
        ..Config::default()
    };
    Engine::new(user, config, seed)
}

impl Device {
    #[must_use]
    pub fn new(user: UserId, conversations: &[ConversationId], seed: u64) -> Self {
        let shown: BTreeMap<_, _> = conversations
            .iter()
            .map(|id| (*id, Shown::default()))
            .collect();
        let held = shown.keys().map(|id| (*id, 0)).collect();
        Self {
            user,
            engine: engine(user, held, seed),
            seed,
            is_connecting: false,
            is_caught_up: false,
            has_restarted: false,
            written: Vec::new(),
            answers: HashMap::new(),
            shown,
        }
    }

    /// Gives the engine what happened; returns what the world has to do.
    pub fn give(&mut self, now_ms: u64, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.engine.handle(now_ms, input, &mut actions);
        let mut rest = Vec::new();
        for action in actions {
            match action {
                Action::Tell(update) => self.see(update),
                other => rest.push(other),
            }
        }
        rest
    }

    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.engine.deadline()
    }

    /// The program ends and begins anew, with what is on disk.
    pub fn restart(&mut self, now_ms: u64) -> Vec<Action> {
        let held = self.shown.iter().map(|(id, it)| (*id, it.held)).collect();
        self.seed += 1;
        self.engine = engine(self.user, held, self.seed);
        self.is_connecting = false;
        self.is_caught_up = false;
        self.has_restarted = true;
        let mut actions = self.give(now_ms, Input::Tick);
        for written in self.unanswered() {
            actions.extend(self.submit(now_ms, &written, 1));
        }
        actions
    }

    #[must_use]
    pub fn unanswered(&self) -> Vec<Written> {
        let written = self.written.iter();
        written
            .filter(|written| !self.answers.contains_key(&written.id))
            .cloned()
            .collect()
    }

    /// The person writes.
    pub fn write(&mut self, now_ms: u64, written: Written) -> Vec<Action> {
        self.written.push(written.clone());
        self.submit(now_ms, &written, 0)
    }

    fn submit(&mut self, now_ms: u64, written: &Written, attempts: u32) -> Vec<Action> {
        self.give(
            now_ms,
            Input::Submit {
                conversation: written.conversation,
                id: written.id,
                what: written.what.clone(),
                attempts,
            },
        )
    }

    fn see(&mut self, update: Update) {
        match update {
            Update::Shown {
                conversation,
                entry,
                standing,
            } => {
                let shown = self.shown.entry(conversation).or_default();
                assert!(
                    entry.number > shown.held,
                    "entry {} was shown after {}",
                    entry.number,
                    shown.held
                );
                shown.held = entry.number;
                shown.numbers.push(entry.number);
                shown.standing = standing.or(shown.standing);
                match &entry.change {
                    Some(entry::Change::Message(message)) => {
                        shown.messages.insert(entry.number, message.clone());
                    }
                    Some(change) => {
                        let target = change.target().unwrap_or(0);
                        if let Some(message) = shown.messages.get_mut(&target) {
                            message.take_in(&entry);
                        }
                    }
                    None => panic!("an entry that says nothing"),
                }
            }
            Update::Acknowledged {
                client_message_id,
                number,
                ..
            } => self.answer(client_message_id, Answer::Stored(number)),
            Update::Refused {
                client_message_id,
                code,
                ..
            } => self.answer(client_message_id, Answer::Refused(code)),
            Update::State {
                conversation,
                standing,
            } => self.shown.entry(conversation).or_default().standing = Some(standing),
            Update::Connection(state) => {
                assert!(
                    !matches!(state, ConnectionState::Ended { .. }),
                    "nobody was signed out"
                );
                self.is_caught_up = state == ConnectionState::CaughtUp;
            }
            Update::Receipt {
                conversation,
                delivered,
                read,
                ..
            } => {
                let held = self.shown.entry(conversation).or_default().held;
                assert!(
                    read <= delivered && delivered <= held,
                    "a receipt of what is not shown"
                );
            }
            Update::Hidden {
                conversation,
                number,
            } => {
                let hidden = &mut self.shown.entry(conversation).or_default().hidden;
                assert!(hidden.insert(number) || self.has_restarted, "hidden twice");
            }
            Update::ContactsChanged => panic!("nobody has contacts"),
            Update::SettingsChanged { .. } | Update::Typing { .. } | Update::Presence { .. } => {
                panic!("nobody changes settings, types or looks")
            }
            Update::Reset { code, held, .. } => {
                panic!("left to the history up to {held}: {code:?}")
            }
            Update::Complaint { code, detail, .. } => panic!("{code}: {detail}"),
        }
    }

    fn answer(&mut self, id: ClientMessageId, answer: Answer) {
        let before = self.answers.insert(id, answer);
        assert_eq!(before, None, "answered twice");
    }
}

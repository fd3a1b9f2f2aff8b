//! All of it, and the seed that leads it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chat_gateway::domain::send::{Draft, RETRY_AFTER, try_again};
use client::engine::{
    Action, FetchFailure, Input, MessageChange, OpenFailure, Page, Submission, Token,
};
use events::{
    ChangeMessage, HideEntry, LogRecord, MarkUnread, MembershipChange, MoveMarks, Origin,
    change_message, log_record, membership_change,
};
use futures_util::FutureExt as _;
use ids::{BootId, ClientMessageId, ConversationId, MessageId, UserId};
use message::history::{History, Place};
use message::sequencer::owner::{Outgoing, RawRecord};
use message::sequencer::routes::Routes;
use problem::{Kind, Problem};
use proto::Message as _;
use proto::socket::server_frame::Frame;
use proto::socket::{
    ConversationState, Delete, Edit, Entry, Hello, React, Resumed, Welcome, client_frame, entry,
    react,
};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::device::{Answer, Device, Written};
use crate::gateway::{Connection, Delivery, Gateway};
use crate::sequencer::{Partition, Step, undisturbed};
use crate::store::MemoryStore;

const BEGIN_MS: u64 = 1_700_000_000_000;
/// As the sequencer's index of changes has it.
const CURSOR_OVERLAP_MS: u64 = 30_000;
/// Small, so that holes need several.
const PAGE: u32 = 3;
const PEOPLE: usize = 4;
/// Whose devices there are.
const DEVICES: [usize; 6] = [0, 0, 1, 1, 2, 3];
const GATEWAYS: usize = 2;
const PARTITIONS: usize = 2;
/// Who is in which conversation at first. The last of each comes and goes, but for the first.
const MEMBERS: [&[usize]; 3] = [&[0, 1], &[0, 1, 2], &[0, 1, 2, 3]];

/// What Redis knows; all of it may be lost.
#[derive(Default)]
struct Redis {
    is_away: bool,
    /// Gateways with sockets of a person.
    sockets: BTreeMap<UserId, BTreeSet<usize>>,
    /// When conversations changed for a person.
    changed: BTreeMap<UserId, BTreeMap<ConversationId, u64>>,
    /// A cursor of before is worth nothing.
    born_ms: u64,
}

enum Job {
    Entries(ConversationId, u64),
    Hidden(ConversationId, u64),
    States,
}

/// A rule that a world breaks on purpose, to see that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenRule {
    /// An owner that wakes up late puts its head over a newer one.
    HeadsNeverGoBack,
    /// An offset is committed before what it stands for is stored.
    CommitLast,
    /// Now and then nobody is told, and nothing is noted.
    NoteWhatChanged,
}

/// How much happened in a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub stored: usize,
    pub refused: usize,
    pub entries: usize,
    /// Entries that change a message.
    pub changes: usize,
    pub owners_lost: usize,
    pub sockets_lost: usize,
    /// Of everything that devices were told: two runs of one seed have the same.
    pub digest: u64,
}

pub struct World {
    rng: SmallRng,
    now_ms: u64,
    people: Vec<UserId>,
    conversations: Vec<ConversationId>,
    versions: Vec<u64>,
    store: MemoryStore,
    history: History<MemoryStore>,
    partitions: Vec<Partition>,
    gateways: Vec<Gateway>,
    redis: Redis,
    /// Something was told while Redis was away: its index isn't complete.
    index_is_incomplete: bool,
    devices: Vec<Device>,
    jobs: Vec<(usize, Job)>,
    next_connection: u64,
    counts: Counts,
    broken: Option<BrokenRule>,
}

impl World {
    /// A world of this seed, with nobody connected yet.
    ///
    /// # Panics
    /// When the Redis client refuses its address: it is never called.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let people: Vec<UserId> = (0..PEOPLE)
            .map(|n| UserId::from_bytes([n as u8 + 1; 16]))
            .collect();
        let conversations: Vec<ConversationId> = (0..MEMBERS.len())
            .map(|n| ConversationId::from_bytes([n as u8 + 101; 16]))
            .collect();
        let devices = DEVICES
            .iter()
            .map(|person| {
                let theirs: Vec<ConversationId> = MEMBERS
                    .iter()
                    .zip(&conversations)
                    .filter(|(members, _)| members.contains(person))
                    .map(|(_, id)| *id)
                    .collect();
                Device::new(people[*person], &theirs, rng.random())
            })
            .collect();
        let store = MemoryStore::default();
        let nowhere =
            Routes::new(redis::Client::open("redis://127.0.0.1:1").expect("this is an address"));
        let mut world = Self {
            now_ms: BEGIN_MS,
            versions: vec![0; conversations.len()],
            history: History::new(store.clone(), nowhere),
            partitions: (0..PARTITIONS)
                .map(|_| Partition::new(store.clone()))
                .collect(),
            gateways: (0..GATEWAYS)
                .map(|_| Gateway::new(BootId::from_bytes(rng.random())))
                .collect(),
            redis: Redis {
                born_ms: BEGIN_MS,
                ..Redis::default()
            },
            index_is_incomplete: false,
            devices,
            jobs: Vec::new(),
            next_connection: 0,
            counts: Counts::default(),
            broken: None,
            rng,
            people,
            conversations,
            store,
        };
        for (index, members) in MEMBERS.iter().enumerate() {
            let members: Vec<Vec<u8>> = members
                .iter()
                .map(|person| world.people[*person].to_vec())
                .collect();
            let owner = members[0].clone();
            let created = membership_change::Created { members, owner };
            world.change_membership(index, 0, membership_change::Change::Created(created));
        }
        for partition in 0..PARTITIONS {
            // Nobody hears of a conversation before the log has applied it.
            while !world.partitions[partition].is_idle() {
                world.sequence(partition);
            }
        }
        for device in 0..world.devices.len() {
            world.give(device, Input::Tick);
        }
        world
    }

    /// The same, with a rule broken.
    #[must_use]
    pub fn with_broken(seed: u64, rule: BrokenRule) -> Self {
        let mut world = Self::new(seed);
        world.broken = Some(rule);
        if rule == BrokenRule::HeadsNeverGoBack {
            world.store.let_heads_go_back();
        }
        world
    }

    /// Lets `steps` things happen, then ends all faults, waits until nothing is left to do, and looks at
    /// what must hold.
    ///
    /// # Panics
    /// When something doesn't hold.
    pub fn run(mut self, steps: usize) -> Counts {
        for _ in 0..steps {
            self.step();
        }
        self.settle();
        self.check();
        self.counts
    }

    fn pick(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }

    fn step(&mut self) {
        match self.pick(100) {
            0..=7 => self.somebody_writes(),
            8..=9 => self.somebody_reads(),
            10..=16 => self.somebody_changes(),
            17 => self.somebody_comes_or_goes(),
            18..=33 => self.frame_to_client(),
            34..=45 => self.frame_to_server(),
            46..=65 => {
                let partition = self.pick(PARTITIONS);
                self.sequence(partition);
            }
            66..=75 => {
                let gateway = self.pick(GATEWAYS);
                self.gateways[gateway].hand_on();
            }
            76..=79 => self.connect(),
            80..=84 => {
                let succeeds = self.pick(5) > 0;
                self.job(succeeds);
            }
            85..=87 => {
                let gateway = self.pick(GATEWAYS);
                self.beat(gateway);
            }
            88..=90 => {
                let ms = self.rng.random_range(1..8_000);
                self.pass(ms);
            }
            91 => {
                let gateway = self.pick(GATEWAYS);
                self.refresh(gateway);
            }
            92 => self.repair(),
            93..=97 => self.fault(),
            _ => {
                let partition = self.pick(PARTITIONS);
                self.wake(partition);
            }
        }
    }

    // What people do.

    fn somebody_writes(&mut self) {
        let device = self.pick(self.devices.len());
        let known: Vec<ConversationId> = self.devices[device].shown.keys().copied().collect();
        let conversation = known[self.pick(known.len())];
        let id = self.client_message_id();
        let text = format!("text {}", self.rng.random::<u16>());
        let on_screen = &self.devices[device].shown[&conversation].messages;
        let seen: Vec<u64> = on_screen.keys().copied().collect();
        let what = if !seen.is_empty() && self.pick(4) == 0 {
            let number = seen[self.pick(seen.len())];
            let change = match self.pick(4) {
                0 => MessageChange::Edit(text),
                1 => MessageChange::Delete,
                2 => MessageChange::AddReaction("🎉".to_owned()),
                _ => MessageChange::RemoveReaction("🎉".to_owned()),
            };
            Submission::Change { number, change }
        } else {
            Submission::Message(client::Draft::text(text))
        };
        let written = Written {
            id,
            conversation,
            what,
        };
        let actions = self.devices[device].write(self.now_ms, written);
        self.act(device, actions);
    }

    fn somebody_reads(&mut self) {
        let device = self.pick(self.devices.len());
        let known: Vec<ConversationId> = self.devices[device].shown.keys().copied().collect();
        let conversation = known[self.pick(known.len())];
        let number = self.rng.random_range(0..20);
        let shown = &self.devices[device].shown[&conversation];
        let message = shown.messages.keys().copied().find(|at| *at >= number);
        let held = shown.held;
        let input = match (self.pick(6), message) {
            (0, _) => Input::MarkUnread { conversation },
            (1, Some(number)) => Input::Hide {
                conversation,
                number,
            },
            _ => Input::Read {
                conversation,
                number: held,
            },
        };
        self.give(device, input);
    }

    /// By REST, from outside: straight into the log.
    fn somebody_changes(&mut self) {
        let index = self.pick(self.conversations.len());
        let person = self.pick(PEOPLE);
        let mut person = self.people[person];
        let entries = self.store.all_entries(self.conversations[index]);
        let mut number = self.rng.random_range(0..40);
        if self.pick(2) == 0
            && let Some(entry) = entries.get(number as usize % entries.len().max(1))
        {
            // Something that may well be theirs to change.
            number = entry.number;
            person = UserId::parse(&entry.actor_id).expect("people have ids");
        }
        let (sender, reader) = (person.to_vec(), person.to_vec());
        let change = match self.pick(6) {
            0 => Some(change_message::Change::Edit(Edit {
                text: format!("edited {}", self.rng.random::<u16>()),
            })),
            1 => Some(change_message::Change::Delete(Delete {})),
            2 => Some(change_message::Change::React(React {
                reaction: Some(react::Reaction::Add("👍".to_owned())),
            })),
            3 => Some(change_message::Change::React(React {
                reaction: Some(react::Reaction::Remove("👍".to_owned())),
            })),
            _ => None,
        };
        let change = match (change, self.pick(4)) {
            (Some(change), _) => log_record::Change::ChangeMessage(ChangeMessage {
                sender,
                client_message_id: self.client_message_id().to_vec(),
                number,
                change: Some(change),
                change_id: self.message_id().to_vec(),
            }),
            (None, 0) => log_record::Change::MarkUnread(MarkUnread { reader }),
            (None, 1) => log_record::Change::Hide(HideEntry { reader, number }),
            (None, _) => log_record::Change::Marks(MoveMarks {
                reader,
                read_number: 0,
                delivered_number: number,
            }),
        };
        self.append(index, change, None);
    }

    fn somebody_comes_or_goes(&mut self) {
        let index = 1 + self.pick(MEMBERS.len() - 1);
        let person = MEMBERS[index].len() - 1;
        let user = self.people[MEMBERS[index][person]].to_vec();
        let change = if self.pick(2) == 0 {
            membership_change::Change::Left(membership_change::Left { user })
        } else {
            let role = events::Role::Member.into();
            membership_change::Change::Joined(membership_change::Joined { user, role })
        };
        self.change_membership(index, MEMBERS[index][person], change);
    }

    fn change_membership(&mut self, index: usize, actor: usize, change: membership_change::Change) {
        self.versions[index] += 1;
        let change = log_record::Change::Membership(MembershipChange {
            version: self.versions[index],
            actor: self.people[actor].to_vec(),
            change: Some(change),
        });
        self.append(index, change, None);
    }

    fn append(&mut self, index: usize, change: log_record::Change, origin: Option<Origin>) {
        let record = LogRecord {
            origin,
            change: Some(change),
        };
        self.append_record(self.conversations[index], &record);
    }

    fn append_record(&mut self, conversation: ConversationId, record: &LogRecord) {
        let partition = self.partition_of(conversation);
        let log = &mut self.partitions[partition].log;
        log.push(RawRecord {
            offset: log.len() as i64,
            time_unix_ms: self.now_ms as i64,
            key: Some(conversation.to_vec()),
            value: Some(record.encode_to_vec()),
            traceparent: None,
        });
    }

    fn partition_of(&self, conversation: ConversationId) -> usize {
        let index = self.conversations.iter().position(|id| *id == conversation);
        index.expect("there are no others") % PARTITIONS
    }

    /// Version 7 of this world's time, RFC 9562.
    fn id_bytes(&mut self) -> [u8; 16] {
        let mut bytes: [u8; 16] = self.rng.random();
        bytes[..6].copy_from_slice(&self.now_ms.to_be_bytes()[2..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        bytes
    }

    fn client_message_id(&mut self) -> ClientMessageId {
        ClientMessageId::from_slice(&self.id_bytes()).expect("it has version and length")
    }

    fn message_id(&mut self) -> MessageId {
        MessageId::from_bytes(self.id_bytes())
    }

    // The log's owners.

    fn sequence(&mut self, partition: usize) {
        let most = self.rng.random_range(1..12);
        let mut told = Vec::new();
        let commits_first = self.broken == Some(BrokenRule::CommitLast);
        let partition = &mut self.partitions[partition];
        partition.take(most, self.now_ms);
        if commits_first {
            partition.commit_early();
        }
        partition.step(|outgoing| told.push(outgoing.clone()));
        for outgoing in &told {
            self.tell(outgoing);
        }
    }

    /// An owner that was paused does the next thing.
    fn wake(&mut self, partition: usize) {
        let asleep = self.partitions[partition].asleep.len();
        if asleep == 0 {
            return;
        }
        let index = self.pick(asleep);
        let mut told = None;
        let batches = &mut self.partitions[partition].asleep;
        match batches[index].step(&self.store) {
            Step::Stored => {}
            Step::Tell(outgoing) => told = Some(outgoing.clone()),
            // Its offset is refused: the partition isn't its any more.
            Step::Commit(_) => drop(batches.swap_remove(index)),
        }
        if let Some(outgoing) = told {
            self.tell(&outgoing);
        }
    }

    /// Notes who has to hear of it, and puts it into the partitions of the gateways concerned.
    fn tell(&mut self, outgoing: &Outgoing) {
        let mut targets = BTreeSet::new();
        if self.broken == Some(BrokenRule::NoteWhatChanged) && self.pick(20) == 0 {
            return;
        }
        if self.redis.is_away {
            self.index_is_incomplete = true;
            if !outgoing.to.is_empty() {
                targets.extend(0..GATEWAYS);
            }
        } else {
            for user in &outgoing.to {
                if outgoing.is_change {
                    let changed = self.redis.changed.entry(*user).or_default();
                    changed.insert(outgoing.conversation, self.now_ms);
                }
                targets.extend(self.redis.sockets.get(user).into_iter().flatten());
            }
        }
        if let Some(origin) = &outgoing.origin {
            targets.insert(origin.deliveries_partition as usize);
        }
        for gateway in targets {
            self.gateways[gateway]
                .queue
                .push_back(Delivery::of(outgoing));
        }
    }

    fn repair(&mut self) {
        if self.redis.is_away || !self.index_is_incomplete {
            return;
        }
        self.index_is_incomplete = false;
        self.redis.born_ms = self.now_ms + 1;
        for gateway in &mut self.gateways {
            gateway.queue.push_back(Delivery::ResyncAll);
        }
    }

    // Sockets.

    fn connection_of(&self, device: usize) -> Option<(usize, u64)> {
        self.gateways.iter().enumerate().find_map(|(at, gateway)| {
            let mut connections = gateway.connections.iter();
            connections
                .find(|(_, connection)| connection.device == device)
                .map(|(number, _)| (at, *number))
        })
    }

    fn any_connection(&mut self) -> Option<(usize, u64)> {
        let device = self.pick(self.devices.len());
        self.connection_of(device)
    }

    fn connection(&mut self, (gateway, number): (usize, u64)) -> &mut Connection {
        self.gateways[gateway]
            .connections
            .get_mut(&number)
            .expect("it was found a moment ago")
    }

    fn connect(&mut self) {
        let device = self.pick(self.devices.len());
        let fails = self.pick(8) == 0;
        self.connect_device(device, fails);
    }

    fn connect_device(&mut self, device: usize, fails: bool) {
        if !std::mem::take(&mut self.devices[device].is_connecting) {
            return;
        }
        if fails {
            return self.give(device, Input::NotOpened(OpenFailure::Temporary));
        }
        let gateway = self.pick(GATEWAYS);
        self.next_connection += 1;
        let user = self.devices[device].user;
        self.gateways[gateway]
            .connections
            .insert(self.next_connection, Connection::new(device, user));
        let token = Token {
            access_token: "token".into(),
            renew_in_ms: u64::MAX / 2,
        };
        self.give(device, Input::Opened(token));
    }

    fn disconnect(&mut self, device: usize) {
        while let Some((gateway, number)) = self.connection_of(device) {
            self.gateways[gateway].connections.remove(&number);
            let user = self.devices[device].user;
            let has_others = self.gateways[gateway]
                .connections
                .values()
                .any(|connection| connection.user == user);
            if !has_others
                && !self.redis.is_away
                && let Some(gateways) = self.redis.sockets.get_mut(&user)
            {
                gateways.remove(&gateway);
            }
        }
    }

    fn frame_to_client(&mut self) {
        let Some(at) = self.any_connection() else {
            return;
        };
        let connection = self.connection(at);
        let device = connection.device;
        if let Some(frame) = connection.to_client.pop_front() {
            self.digest(&frame);
            self.give(device, Input::Frame(frame));
        }
    }

    /// A fingerprint of what devices hear, FNV-1a.
    fn digest(&mut self, frame: &Frame) {
        for byte in format!("{frame:?}").bytes() {
            self.counts.digest =
                (self.counts.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn frame_to_server(&mut self) {
        if let Some(at) = self.any_connection() {
            let fate = match self.pick(30) {
                0 => Produce::Fails,
                1 => Produce::SeemsToFail,
                _ => Produce::Succeeds,
            };
            self.take_frame(at, fate);
        }
    }

    fn take_frame(&mut self, at: (usize, u64), fate: Produce) {
        let connection = self.connection(at);
        let Some(frame) = connection.to_server.pop_front() else {
            return;
        };
        connection.received += u64::from(connection.registered.is_some());
        let now = self.now_ms;
        match frame {
            client_frame::Frame::Hello(hello) => self.greet(at, &hello),
            client_frame::Frame::Send(send) => self.submit(at, Draft::of_send(send, now), fate),
            client_frame::Frame::Change(change) => {
                self.submit(at, Draft::of_change(change, now), fate);
            }
            client_frame::Frame::MarkRead(mark) => {
                self.mark(at, &mark.conversation_id, mark.number, 0)
            }
            client_frame::Frame::MarkDelivered(mark) => {
                self.mark(at, &mark.conversation_id, 0, mark.number);
            }
            client_frame::Frame::MarkUnread(mark) => {
                let reader = self.connection(at).user.to_vec();
                let change = log_record::Change::MarkUnread(MarkUnread { reader });
                self.append_frame(&mark.conversation_id, change);
            }
            client_frame::Frame::Hide(hide) => {
                let reader = self.connection(at).user.to_vec();
                let number = hide.number;
                let change = log_record::Change::Hide(HideEntry { reader, number });
                self.append_frame(&hide.conversation_id, change);
            }
            other => panic!("nobody sends {other:?}"),
        }
    }

    /// What has no outbox.
    fn append_frame(&mut self, conversation: &str, change: log_record::Change) {
        let conversation = ConversationId::parse(conversation).expect("devices write ids");
        let record = LogRecord {
            origin: None,
            change: Some(change),
        };
        self.append_record(conversation, &record);
    }

    fn mark(
        &mut self,
        at: (usize, u64),
        conversation: &str,
        read_number: u64,
        delivered_number: u64,
    ) {
        let reader = self.connection(at).user.to_vec();
        let change = log_record::Change::Marks(MoveMarks {
            reader,
            read_number,
            delivered_number,
        });
        self.append_frame(conversation, change);
    }

    fn submit(
        &mut self,
        at: (usize, u64),
        parsed: Result<Draft, Box<proto::socket::Refused>>,
        fate: Produce,
    ) {
        let draft = parsed.expect("devices write what is right");
        let (conversation, id) = (draft.conversation, draft.client_message_id);
        let (gateway, number) = at;
        let connection = self.connection(at);
        let retry = |code| Frame::Refused(try_again(conversation, id, code, RETRY_AFTER));
        if !connection.outbox.admits(conversation, draft.restart) {
            return connection.push(retry("retry"));
        }
        let sender = connection.user;
        if fate != Produce::Succeeds {
            connection.outbox.block(conversation);
            connection.push(retry("retry"));
        }
        if fate != Produce::Fails {
            let origin = events::origin(gateway as u32, self.gateways[gateway].boot, number);
            let message = self.message_id();
            let record = draft.into_record(sender, message, origin);
            self.append_record(conversation, &record);
        }
    }

    fn greet(&mut self, at: (usize, u64), hello: &Hello) {
        let now = self.now_ms;
        let is_away = self.redis.is_away;
        let user = self.connection(at).user;
        if !is_away {
            self.redis.sockets.entry(user).or_default().insert(at.0);
        }
        let cursor = if is_away {
            String::new()
        } else {
            now.to_string()
        };
        let resumed =
            (!hello.cursor.is_empty()).then(|| self.resumed(user, &hello.cursor, &cursor));
        let connection = self.connection(at);
        connection.registered = Some(!is_away);
        connection.push(Frame::Welcome(Welcome {
            heartbeat_interval_ms: 15_000,
            cursor,
            ..Welcome::default()
        }));
        if let Some(resumed) = resumed {
            connection.push(Frame::Resumed(resumed));
        }
    }

    fn resumed(&mut self, user: UserId, cursor: &str, next: &str) -> Resumed {
        let unknown = Resumed {
            complete: false,
            changed: Vec::new(),
            cursor: next.to_owned(),
        };
        let Ok(since) = cursor.parse::<u64>() else {
            return unknown;
        };
        if self.redis.is_away || since < self.redis.born_ms {
            return unknown;
        }
        let from = since.saturating_sub(CURSOR_OVERLAP_MS);
        let changed: Vec<ConversationId> = self
            .redis
            .changed
            .get(&user)
            .into_iter()
            .flatten()
            .filter(|(_, at)| **at >= from)
            .map(|(id, _)| *id)
            .collect();
        match self.states(user, changed) {
            Ok(changed) => Resumed {
                complete: true,
                changed,
                ..unknown
            },
            Err(_) => unknown,
        }
    }

    /// The lease of each person with sockets on a gateway.
    fn refresh(&mut self, gateway: usize) {
        if self.redis.is_away {
            return;
        }
        let mut gone = BTreeSet::new();
        for connection in self.gateways[gateway].connections.values() {
            let known = self.redis.sockets.entry(connection.user).or_default();
            if connection.registered == Some(false)
                || (connection.registered == Some(true) && known.insert(gateway))
            {
                gone.insert(connection.user);
            }
        }
        for connection in self.gateways[gateway].connections.values_mut() {
            // Whoever was not to be found may have missed something.
            if gone.contains(&connection.user) && connection.registered.is_some() {
                self.redis
                    .sockets
                    .entry(connection.user)
                    .or_default()
                    .insert(gateway);
                connection.registered = Some(true);
                connection.resync();
            }
        }
    }

    fn beat(&mut self, gateway: usize) {
        let now = (!self.redis.is_away).then_some(self.now_ms);
        self.gateways[gateway].beat(now);
    }

    // Devices.

    fn give(&mut self, device: usize, input: Input) {
        let actions = self.devices[device].give(self.now_ms, input);
        self.act(device, actions);
    }

    fn act(&mut self, device: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Connect { .. } => self.devices[device].is_connecting = true,
                Action::Disconnect => self.disconnect(device),
                // A frame for a connection that is gone goes nowhere.
                Action::Transmit(frame) => {
                    if let Some(at) = self.connection_of(device) {
                        self.connection(at).to_server.push_back(frame);
                    }
                }
                Action::FetchEntries {
                    conversation,
                    after,
                } => self.jobs.push((device, Job::Entries(conversation, after))),
                Action::FetchHidden {
                    conversation,
                    after,
                } => self.jobs.push((device, Job::Hidden(conversation, after))),
                Action::FetchStates => self.jobs.push((device, Job::States)),
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for device in 0..self.devices.len() {
            let is_due = |device: &Device, now| device.deadline().is_some_and(|at| at <= now);
            while is_due(&self.devices[device], self.now_ms) {
                self.give(device, Input::Tick);
            }
        }
    }

    fn job(&mut self, succeeds: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let index = self.pick(self.jobs.len());
        let (device, job) = self.jobs.swap_remove(index);
        let user = self.devices[device].user;
        let failure = |problem: Problem| match problem.kind {
            Kind::NotFound | Kind::PermissionDenied => FetchFailure::Refused {
                code: problem.code.to_string(),
            },
            _ => FetchFailure::Temporary,
        };
        let input = match job {
            Job::States => Input::States(if succeeds {
                self.states(user, self.conversations.clone())
                    .map_err(failure)
            } else {
                Err(FetchFailure::Temporary)
            }),
            Job::Hidden(conversation, after) => Input::Hidden {
                conversation,
                after,
                outcome: if succeeds {
                    self.hidden(user, conversation, after).map_err(failure)
                } else {
                    Err(FetchFailure::Temporary)
                },
            },
            Job::Entries(conversation, after) => Input::Entries {
                conversation,
                outcome: if succeeds {
                    self.page(user, conversation, after, PAGE).map_err(failure)
                } else {
                    Err(FetchFailure::Temporary)
                },
            },
        };
        self.give(device, input);
    }

    fn states(
        &self,
        user: UserId,
        conversations: Vec<ConversationId>,
    ) -> Result<Vec<ConversationState>, Problem> {
        let states = self.history.states(user, conversations).now_or_never();
        states.expect("a store in memory never waits")
    }

    fn hidden(
        &self,
        user: UserId,
        conversation: ConversationId,
        after: u64,
    ) -> Result<Vec<u64>, Problem> {
        let hidden = self.history.hidden(user, conversation, after);
        hidden
            .now_or_never()
            .expect("a store in memory never waits")
    }

    fn page(
        &self,
        user: UserId,
        conversation: ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Page, Problem> {
        let page = self
            .history
            .page(user, conversation, Place::After(after), limit)
            .now_or_never()
            .expect("a store in memory never waits")?;
        Ok(Page {
            entries: page.entries,
            covered_to: page.covered_to,
            state: Some(page.state),
        })
    }

    // What goes wrong.

    fn fault(&mut self) {
        match self.pick(16) {
            0..=2 => {
                let partition = self.pick(PARTITIONS);
                self.partitions[partition].crash();
                self.counts.owners_lost += 1;
            }
            3..=5 => {
                let partition = self.pick(PARTITIONS);
                self.partitions[partition].pause();
                self.counts.owners_lost += 1;
            }
            6 => {
                let partition = self.pick(PARTITIONS);
                self.partitions[partition].forget();
            }
            7..=9 => {
                let device = self.pick(self.devices.len());
                self.cut(device);
            }
            10 => {
                let device = self.pick(self.devices.len());
                self.restart(device);
            }
            11 => {
                let gateway = self.pick(GATEWAYS);
                self.kill_gateway(gateway);
            }
            12 => self.flush_redis(),
            13 => self.redis.is_away = !self.redis.is_away,
            14 => {
                let is_away = self.store.check().is_ok();
                self.store.set_away(is_away);
            }
            _ => {
                // A frame is lost, though the connection lives.
                if let Some(at) = self.any_connection() {
                    self.connection(at).to_client.pop_front();
                }
            }
        }
    }

    fn cut(&mut self, device: usize) {
        if self.connection_of(device).is_some() {
            self.disconnect(device);
            self.counts.sockets_lost += 1;
            self.give(device, Input::Closed { code: None });
        }
    }

    fn restart(&mut self, device: usize) {
        self.disconnect(device);
        self.jobs.retain(|(of, _)| *of != device);
        let actions = self.devices[device].restart(self.now_ms);
        self.act(device, actions);
    }

    fn kill_gateway(&mut self, gateway: usize) {
        let boot = BootId::from_bytes(self.rng.random());
        let dead = std::mem::replace(&mut self.gateways[gateway], Gateway::new(boot));
        for connection in dead.connections.values() {
            self.counts.sockets_lost += 1;
            self.give(connection.device, Input::Closed { code: None });
        }
    }

    fn flush_redis(&mut self) {
        self.redis.sockets.clear();
        self.redis.changed.clear();
        self.redis.born_ms = self.now_ms + 1;
    }

    // The end.

    /// From here on everything works; ends when nothing is left to do.
    fn settle(&mut self) {
        self.store.set_away(false);
        self.redis.is_away = false;
        for round in 0..200 {
            for partition in 0..PARTITIONS {
                while !self.partitions[partition].asleep.is_empty() {
                    self.wake(partition);
                }
                while !self.partitions[partition].is_idle() {
                    self.sequence(partition);
                }
            }
            self.repair();
            for gateway in 0..GATEWAYS {
                self.refresh(gateway);
                while !self.gateways[gateway].queue.is_empty() {
                    self.gateways[gateway].hand_on();
                }
                self.beat(gateway);
            }
            for device in 0..self.devices.len() {
                self.connect_device(device, false);
                while let Some(at) = self.connection_of(device) {
                    if !self.connection(at).to_server.is_empty() {
                        self.take_frame(at, Produce::Succeeds);
                    } else if let Some(frame) = self.connection(at).to_client.pop_front() {
                        self.digest(&frame);
                        self.give(device, Input::Frame(frame));
                    } else {
                        break;
                    }
                }
            }
            while !self.jobs.is_empty() {
                self.job(true);
            }
            let is_quiet = self.partitions.iter().all(Partition::is_idle)
                && self.gateways.iter().all(|gateway| gateway.queue.is_empty());
            let is_done = |device: &Device| device.is_caught_up && device.unanswered().is_empty();
            // Once more after that: marks are merged, states follow.
            if is_quiet && round > 3 && self.devices.iter().all(is_done) {
                return;
            }
            self.pass(if round % 2 == 0 { 1_500 } else { 12_000 });
        }
        panic!("never settles");
    }

    fn check(&mut self) {
        let again = MemoryStore::default();
        for partition in &self.partitions {
            undisturbed(&partition.log, self.now_ms, &again);
        }
        assert!(
            self.store.holds_the_same_as(&again),
            "an owner that nothing disturbs leaves other rows"
        );
        for conversation in self.conversations.clone() {
            let entries = self.store.all_entries(conversation);
            self.counts.entries += entries.len();
            for (index, entry) in entries.iter().enumerate() {
                assert_eq!(entry.number, index as u64 + 1, "a gap");
            }
            let mut ids = HashSet::new();
            for entry in &entries {
                let target = entry.change.as_ref().and_then(|change| change.target());
                self.counts.changes += usize::from(target.is_some());
                if let Some(id) = entry.change.as_ref().and_then(|it| it.client_message_id()) {
                    assert!(ids.insert((&entry.actor_id, id)), "{id} is stored twice");
                }
            }
            for device in 0..self.devices.len() {
                self.check_answers(device, conversation, &entries);
                self.check_screen(device, conversation, &entries);
            }
        }
    }

    /// What the person was told of each message is what became of it, in the order of writing.
    fn check_answers(&mut self, device: usize, conversation: ConversationId, entries: &[Entry]) {
        let device = &self.devices[device];
        let mut last = 0;
        for written in &device.written {
            if written.conversation != conversation {
                continue;
            }
            let stored = entries.iter().find(|entry| {
                entry.actor_id == device.user.to_string()
                    && entry
                        .change
                        .as_ref()
                        .and_then(|change| change.client_message_id())
                        == Some(&written.id.to_string())
            });
            match (&device.answers[&written.id], stored) {
                (Answer::Stored(number), Some(entry)) => {
                    assert_eq!(*number, entry.number, "acknowledged with another number");
                    assert!(*number > last, "stored in another order");
                    last = *number;
                    self.counts.stored += 1;
                }
                (Answer::Refused(_), None) => self.counts.refused += 1,
                (answer, stored) => panic!("{answer:?}, but the log has {stored:?}"),
            }
        }
    }

    /// The screen shows what a fresh load shows.
    fn check_screen(&self, device: usize, conversation: ConversationId, entries: &[Entry]) {
        let device = &self.devices[device];
        let Some(shown) = device.shown.get(&conversation) else {
            return;
        };
        let mut fresh: Vec<Entry> = Vec::new();
        let mut covered = 0;
        let state = loop {
            let page = match self.page(device.user, conversation, covered, 100) {
                Ok(page) => page,
                Err(problem) => panic!("{problem:?}"),
            };
            fresh.extend(page.entries);
            let state = page.state.expect("a page has a state");
            if page.covered_to >= state.head_number {
                break state;
            }
            covered = page.covered_to;
        };
        let hidden = self.hidden(device.user, conversation, 0);
        let hidden: BTreeSet<u64> = hidden.unwrap_or_default().into_iter().collect();
        assert_eq!(shown.hidden, hidden, "what is hidden");
        let numbers: Vec<u64> = fresh.iter().map(|entry| entry.number).collect();
        let on_screen: Vec<u64> = shown
            .numbers
            .iter()
            .copied()
            .filter(|number| !hidden.contains(number) || !shown.messages.contains_key(number))
            .collect();
        assert_eq!(
            on_screen, numbers,
            "not everything, or more, was shown of {conversation} to {}; {state:?}; {:?}",
            device.user, shown.standing
        );

        let was_away = entries.iter().any(|entry| {
            matches!(&entry.change, Some(entry::Change::Left(left))
                if left.user_id == device.user.to_string())
        });
        for entry in &fresh {
            if let Some(entry::Change::Message(message)) = &entry.change {
                // Who isn't there isn't told that something was deleted.
                if !(was_away && message.deleted) {
                    let number = entry.number;
                    assert_eq!(
                        shown.messages.get(&number),
                        Some(message),
                        "message {number}"
                    );
                }
            }
        }

        let standing = shown.standing.expect("the server told it");
        assert_eq!(
            (
                standing.head,
                standing.read,
                standing.unread,
                standing.marked_unread
            ),
            (
                state.head_number,
                state.read_number,
                state.unread_count,
                state.marked_unread
            ),
            "the badge of {} in {conversation}",
            device.user
        );
        if state.counts_from_number > 0 && !was_away {
            let deleted: BTreeSet<u64> = entries
                .iter()
                .filter_map(|entry| match &entry.change {
                    Some(entry::Change::Deleted(deleted)) => Some(deleted.number),
                    _ => None,
                })
                .collect();
            let unread = entries
                .iter()
                .filter(|entry| {
                    matches!(entry.change, Some(entry::Change::Message(_)))
                        && entry.number > state.counts_from_number
                        && entry.actor_id != device.user.to_string()
                        && !deleted.contains(&entry.number)
                        && !hidden.contains(&entry.number)
                })
                .count();
            assert_eq!(state.unread_count, unread as u64, "counted by hand");
        }
    }
}

/// What becomes of a record on its way to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Produce {
    Succeeds,
    /// It is not in the log.
    Fails,
    /// It is, but nobody knows.
    SeemsToFail,
}

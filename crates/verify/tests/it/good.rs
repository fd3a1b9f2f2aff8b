//! Random histories of a deployment that keeps its promise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ids::{ClientMessageId, ConversationId, FileId, MessageId, UserId};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;
use verify::history::*;

/// What a device handed in.
#[derive(Clone)]
enum Handed {
    Message(Body),
    /// Of the message with this number.
    Edit(u64, Body),
    Delete(u64),
    React(u64, Reaction),
}

impl Handed {
    fn target(&self) -> Option<u64> {
        match *self {
            Self::Message(_) => None,
            Self::Edit(target, _) | Self::Delete(target) | Self::React(target, _) => Some(target),
        }
    }
}

/// A conversation as the server has it.
struct Talk {
    entries: Vec<Entry>,
    /// By person: from, to.
    stays: BTreeMap<Person, Vec<(u64, Option<u64>)>>,
    marks: BTreeMap<Person, u64>,
    looks_unread: BTreeSet<Person>,
    /// By person, in the order of hiding.
    hidden: BTreeMap<Person, Vec<u64>>,
    /// How many of them each device was told.
    told_hidden: BTreeMap<Device, usize>,
    /// The content of each message, after its changes.
    bodies: BTreeMap<u64, Option<Body>>,
    /// What each device handed in that has not been numbered.
    queues: BTreeMap<Device, VecDeque<(Op, ClientMessageId, Handed)>>,
    answers: VecDeque<(Op, Outcome)>,
    files: Vec<(FileId, Body)>,
    shown: BTreeMap<Device, u64>,
}

impl Talk {
    fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    fn is_member(&self, u: Person) -> bool {
        self.stays
            .get(&u)
            .is_some_and(|stays| stays.last().is_some_and(|(_, to)| to.is_none()))
    }

    fn may_see(&self, u: Person, n: u64) -> bool {
        self.stays.get(&u).is_some_and(|stays| {
            stays
                .iter()
                .any(|(from, to)| *from <= n && to.is_none_or(|to| n <= to))
        })
    }

    fn last_visible(&self, u: Person) -> u64 {
        self.stays
            .get(&u)
            .and_then(|stays| stays.last())
            .map_or(0, |(_, to)| to.unwrap_or(self.head()))
    }

    fn append(&mut self, from: Person, is: Change) -> u64 {
        let n = self.head() + 1;
        match &is {
            Change::Created { members } => {
                for u in members {
                    self.stays.entry(*u).or_default().push((n, None));
                }
            }
            Change::Joined { who } => self.stays.entry(*who).or_default().push((n, None)),
            Change::Left { who } => {
                if let Some(last) = self.stays.get_mut(who).and_then(|stays| stays.last_mut()) {
                    last.1 = Some(n);
                }
            }
            Change::Message { body, .. } => {
                self.bodies.insert(n, *body);
            }
            Change::Edited { target, body, .. } => {
                self.bodies.insert(*target, *body);
            }
            Change::Deleted { target, .. } => {
                self.bodies.insert(*target, None);
            }
            Change::Reacted { .. } | Change::Other => {}
        }
        self.entries.push(Entry { n, from, is });
        n
    }

    /// As a page has it: with what became of it by now, as far as the reader may see that.
    fn current(&self, u: Person, n: u64) -> Entry {
        let mut entry = self.entries[n as usize - 1].clone();
        match &mut entry.is {
            Change::Message {
                body,
                changed,
                reactions,
                ..
            } => {
                let is_deleted = self.bodies[&n].is_none();
                for later in &self.entries {
                    match &later.is {
                        Change::Deleted { target, .. } if *target == n => *changed = later.n,
                        Change::Edited {
                            target, body: new, ..
                        } if *target == n && self.may_see(u, later.n) => {
                            *body = *new;
                            *changed = later.n;
                        }
                        Change::Reacted {
                            target, reaction, ..
                        } if *target == n && self.may_see(u, later.n) => {
                            reactions.take_in(later.from, reaction);
                            *changed = later.n;
                        }
                        _ => {}
                    }
                }
                if is_deleted {
                    (*body, *reactions) = (None, Reactions::default());
                }
            }
            Change::Edited { target, body, .. } if self.bodies[target].is_none() => *body = None,
            _ => {}
        }
        entry
    }

    fn unread(&self, u: Person) -> u64 {
        let Some((since, None)) = self.stays.get(&u).and_then(|stays| stays.last()).copied() else {
            return 0;
        };
        let above = since.max(self.mark(u));
        self.entries
            .iter()
            .filter(|entry| entry.n > above && entry.from != u)
            .filter(|entry| matches!(entry.is, Change::Message { .. }))
            .filter(|entry| self.bodies[&entry.n].is_some())
            .filter(|entry| !self.is_hidden(u, entry.n))
            .count() as u64
    }

    fn is_hidden(&self, u: Person, n: u64) -> bool {
        self.hidden
            .get(&u)
            .is_some_and(|hidden| hidden.contains(&n))
    }

    fn mark(&self, u: Person) -> u64 {
        self.marks.get(&u).copied().unwrap_or(0)
    }
}

struct Maker {
    rng: SmallRng,
    t: u64,
    ops: u32,
    faults: u32,
    events: Vec<Event>,
    people: u32,
    sessions: Vec<(Device, Person)>,
    wires: Vec<(Device, Person)>,
    talks: Vec<Talk>,
}

impl Maker {
    fn say(&mut self, e: What) {
        self.t += self.rng.random_range(1..1_000_000);
        self.events.push(Event { t: self.t, e });
    }

    fn id(&mut self) -> Uuid {
        let mut bytes: [u8; 16] = self.rng.random();
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uuid::from_bytes(bytes)
    }

    fn cmid(&mut self) -> ClientMessageId {
        ClientMessageId::try_from(self.id()).unwrap()
    }

    fn op(&mut self) -> Op {
        self.ops += 1;
        Op(self.ops)
    }

    fn body(&mut self) -> Body {
        Body(self.rng.random_range(0..1 << 48))
    }

    fn session(&mut self) -> (Device, Person) {
        *self.sessions.choose(&mut self.rng).unwrap()
    }

    fn send(&mut self, c: usize) {
        let (d, u) = self.session();
        if !self.talks[c].is_member(u) {
            return;
        }
        let (op, cmid, body) = (self.op(), self.cmid(), self.body());
        self.say(What::Send {
            op,
            d,
            c: Conversation(c as u32),
            cmid,
            body,
            via: Via::Socket,
            files: vec![],
        });
        self.talks[c]
            .queues
            .entry(d)
            .or_default()
            .push_back((op, cmid, Handed::Message(body)));
    }

    /// The server takes a message of some device.
    fn number(&mut self, c: usize) {
        let waiting: Vec<Device> = self.talks[c]
            .queues
            .iter()
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(d, _)| *d)
            .collect();
        let Some(&d) = waiting.choose(&mut self.rng) else {
            return;
        };
        let mid = MessageId::from_uuid(self.id());
        let u = self.person(d);
        let talk = &mut self.talks[c];
        let Some((op, cmid, handed)) = talk.queues.get_mut(&d).and_then(VecDeque::pop_front) else {
            return;
        };
        if !talk.is_member(u) {
            let code = "not_a_member".into();
            talk.answers.push_back((op, Outcome::Refused { code }));
            return;
        }
        let is_deleted = |target: u64| talk.bodies[&target].is_none();
        if handed.target().is_some_and(is_deleted) {
            let code = "target_deleted".into();
            talk.answers.push_back((op, Outcome::Refused { code }));
            return;
        }
        let n = talk.append(
            u,
            match handed.clone() {
                Handed::Message(body) => Change::Message {
                    mid,
                    cmid,
                    body: Some(body),
                    changed: 0,
                    reactions: Reactions::default(),
                },
                Handed::Edit(target, body) => Change::Edited {
                    cmid,
                    target,
                    body: Some(body),
                },
                Handed::Delete(target) => Change::Deleted { cmid, target },
                Handed::React(target, reaction) => Change::Reacted {
                    cmid,
                    target,
                    reaction,
                },
            },
        );
        let ok = Outcome::Ok {
            number: Some(n),
            mid: None,
        };
        let is_lost = self.rng.random_bool(0.2);
        let (Handed::Message(body), true) = (handed, is_lost) else {
            self.talks[c].answers.push_back((op, ok));
            return;
        };
        // The answer was lost, so the same is handed in again, by another way.
        self.say(What::Done {
            op,
            outcome: Outcome::Unknown {
                why: "no answer".into(),
            },
        });
        let again = self.op();
        self.say(What::Send {
            op: again,
            d,
            c: Conversation(c as u32),
            cmid,
            body,
            via: Via::Rest,
            files: vec![],
        });
        self.talks[c].answers.push_back((again, ok));
    }

    fn answer(&mut self, c: usize) {
        if let Some((op, outcome)) = self.talks[c].answers.pop_front() {
            self.say(What::Done { op, outcome });
        }
    }

    fn person(&self, d: Device) -> Person {
        self.sessions
            .iter()
            .chain(&self.wires)
            .find(|(device, _)| *device == d)
            .unwrap()
            .1
    }

    /// Shows the next entry on a device; false: there is none.
    fn show_on(&mut self, c: usize, d: Device, u: Person) -> bool {
        let talk = &mut self.talks[c];
        let last = talk.shown.get(&d).copied().unwrap_or(0);
        let Some(n) = (last + 1..=talk.head()).find(|n| talk.may_see(u, *n)) else {
            return false;
        };
        talk.shown.insert(d, n);
        // A device that was away is given the content of now.
        let entry = if self.rng.random_bool(0.5) {
            self.talks[c].entries[n as usize - 1].clone()
        } else {
            self.talks[c].current(u, n)
        };
        self.say(What::Shown {
            d,
            c: Conversation(c as u32),
            entry,
        });
        true
    }

    fn wire(&mut self, c: usize) {
        let (d, u) = *self.wires.choose(&mut self.rng).unwrap();
        let talk = &mut self.talks[c];
        let last = talk.shown.get(&d).copied().unwrap_or(0);
        let Some(n) = (last + 1..=talk.head()).find(|n| talk.may_see(u, *n)) else {
            return;
        };
        talk.shown.insert(d, n);
        let entry = talk.entries[n as usize - 1].clone();
        for _ in 0..self.rng.random_range(1..=2) {
            self.say(What::Wire {
                d,
                k: 1,
                c: Conversation(c as u32),
                entry: entry.clone(),
            });
        }
    }

    fn page(&mut self, c: usize, d: Device, u: Person, page: Place) {
        if !self.talks[c].stays.contains_key(&u) {
            return;
        }
        let op = self.op();
        let conversation = Conversation(c as u32);
        self.say(What::Ask {
            op,
            d,
            c: conversation,
            page,
        });
        let talk = &self.talks[c];
        let last = talk.last_visible(u);
        let (from, to) = match page {
            Place::After(after) => (after + 1, last.max(after)),
            Place::Before(before) => (1, before.saturating_sub(1)),
            Place::Newest => (last.saturating_sub(6).max(1), last),
        };
        let entries = (from..=to.min(last))
            .filter(|n| talk.may_see(u, *n))
            .filter(|n| !(talk.is_hidden(u, *n) && talk.bodies.contains_key(n)))
            .map(|n| talk.current(u, n))
            .collect();
        self.say(What::Page {
            op,
            d,
            c: conversation,
            from,
            to,
            head: last,
            entries,
        });
    }

    fn mark(&mut self, c: usize) {
        let (d, u) = self.session();
        let n = self.talks[c].shown.get(&d).copied().unwrap_or(0);
        if n == 0 || !self.talks[c].is_member(u) {
            return;
        }
        let op = self.op();
        self.say(What::MarkRead {
            op,
            d,
            c: Conversation(c as u32),
            n,
        });
        let known = self.rng.random_bool(0.7);
        if known || self.rng.random_bool(0.5) {
            let mark = self.talks[c].marks.entry(u).or_default();
            if n >= *mark {
                *mark = n;
                self.talks[c].looks_unread.remove(&u);
            }
        }
        let outcome = if known {
            Outcome::Ok {
                number: None,
                mid: None,
            }
        } else {
            Outcome::Unknown {
                why: "no answer".into(),
            }
        };
        self.say(What::Done { op, outcome });
    }

    fn standing(&mut self, c: usize, d: Device, u: Person, source: Source) {
        let talk = &self.talks[c];
        if !talk.stays.contains_key(&u) {
            return;
        }
        let (head, read, unread) = (talk.last_visible(u), talk.mark(u), talk.unread(u));
        let hidden = talk.hidden.get(&u).map_or(0, Vec::len) as u64;
        let marked = talk.looks_unread.contains(&u);
        self.say(What::Standing {
            d,
            c: Conversation(c as u32),
            source,
            head,
            read,
            unread,
            hidden,
            unnamed: 0,
            marked,
        });
    }

    fn mark_unread(&mut self, c: usize) {
        let (d, u) = self.session();
        if self.talks[c].is_member(u) {
            let conversation = Conversation(c as u32);
            self.say(What::MarkUnread { d, c: conversation });
            self.talks[c].looks_unread.insert(u);
        }
    }

    fn hide(&mut self, c: usize) {
        let (d, u) = self.session();
        let talk = &self.talks[c];
        let last = talk.shown.get(&d).copied().unwrap_or(0);
        let possible: Vec<u64> = (1..=last)
            .filter(|n| talk.may_see(u, *n) && talk.bodies.contains_key(n))
            .collect();
        let Some(&target) = possible.choose(&mut self.rng) else {
            return;
        };
        if !talk.is_member(u) {
            return;
        }
        let conversation = Conversation(c as u32);
        self.say(What::Hide {
            d,
            c: conversation,
            target,
        });
        let hidden = self.talks[c].hidden.entry(u).or_default();
        if !hidden.contains(&target) {
            hidden.push(target);
        }
        self.tell_hidden(c, d, u);
    }

    /// Tells a device the next of what its person has hidden; false: it knows all.
    fn tell_hidden(&mut self, c: usize, d: Device, u: Person) -> bool {
        let talk = &mut self.talks[c];
        let told = talk.told_hidden.entry(d).or_default();
        let Some(&target) = talk.hidden.get(&u).and_then(|hidden| hidden.get(*told)) else {
            return false;
        };
        *told += 1;
        let count = *told as u64;
        self.say(What::Hidden {
            d,
            c: Conversation(c as u32),
            target,
            count,
        });
        true
    }

    fn member(&mut self, c: usize) {
        let by = self.session();
        let who = Person(self.rng.random_range(0..self.people));
        if !self.talks[c].is_member(by.1) || who == by.1 || self.talks[c].head() < 4 {
            return;
        }
        let was = self.talks[c].is_member(who);
        let change = if was {
            Membership::Remove
        } else {
            Membership::Add
        };
        let op = self.op();
        self.say(What::Member {
            op,
            d: by.0,
            c: Conversation(c as u32),
            who,
            change,
        });
        let is = if was {
            Change::Left { who }
        } else {
            Change::Joined { who }
        };
        let n = self.talks[c].append(by.1, is);
        self.say(What::Done {
            op,
            outcome: Outcome::Ok {
                number: Some(n),
                mid: None,
            },
        });
    }

    fn change(&mut self, c: usize) {
        let (d, u) = self.session();
        if !self.talks[c].is_member(u) {
            return;
        }
        let is_reaction = self.rng.random_bool(0.4);
        let possible: Vec<u64> = self.talks[c]
            .entries
            .iter()
            .filter(|entry| matches!(entry.is, Change::Message { .. }))
            .filter(|entry| entry.from == u || is_reaction && self.talks[c].may_see(u, entry.n))
            .map(|entry| entry.n)
            .filter(|n| self.talks[c].bodies[n].is_some())
            .collect();
        let Some(&target) = possible.choose(&mut self.rng) else {
            return;
        };
        let (op, cmid) = (self.op(), self.cmid());
        let conversation = Conversation(c as u32);
        let handed = if is_reaction {
            let emoji = if self.rng.random() { "👍" } else { "🎉" }.to_owned();
            let reaction = if self.rng.random_bool(0.8) {
                Reaction::Added(emoji)
            } else {
                Reaction::Removed(emoji)
            };
            self.say(What::React {
                op,
                d,
                c: conversation,
                cmid,
                target,
                reaction: reaction.clone(),
            });
            Handed::React(target, reaction)
        } else if self.rng.random_bool(0.6) {
            let body = self.body();
            self.say(What::Edit {
                op,
                d,
                c: conversation,
                cmid,
                target,
                body,
            });
            Handed::Edit(target, body)
        } else {
            self.say(What::Delete {
                op,
                d,
                c: conversation,
                cmid,
                target,
            });
            Handed::Delete(target)
        };
        self.talks[c]
            .queues
            .entry(d)
            .or_default()
            .push_back((op, cmid, handed));
    }

    fn receipt(&mut self, c: usize) {
        let (d, u) = self.session();
        let from = Person(self.rng.random_range(0..self.people));
        let talk = &self.talks[c];
        if !talk.is_member(u) {
            return;
        }
        let (read, mut got) = (talk.mark(from), talk.mark(from));
        for (device, of) in &self.sessions {
            if *of == from {
                got = got.max(talk.shown.get(device).copied().unwrap_or(0));
            }
        }
        for (kind, n) in [(ReceiptKind::Delivered, got), (ReceiptKind::Read, read)] {
            if n > 0 {
                self.say(What::Receipt {
                    d,
                    c: Conversation(c as u32),
                    from,
                    kind,
                    n,
                });
            }
        }
    }

    fn file(&mut self, c: usize) {
        let (d, u) = self.session();
        if !self.talks[c].is_member(u) {
            return;
        }
        let (file, body) = (FileId::from_uuid(self.id()), self.body());
        let conversation = Conversation(c as u32);
        self.say(What::Uploaded {
            d,
            c: conversation,
            file,
            body,
        });
        self.talks[c].files.push((file, body));
        let (reader, of) = self.session();
        let (file, body) = self.talks[c].files[0];
        let body = self.talks[c].stays.contains_key(&of).then_some(body);
        self.say(What::Downloaded {
            d: reader,
            c: conversation,
            file,
            body,
        });
    }

    fn fault(&mut self) {
        let id = FaultId(self.faults);
        self.faults += 1;
        for (step, effect) in [
            (FaultStep::Begun, None),
            (FaultStep::Over, Some("another process id".to_owned())),
        ] {
            self.say(What::Fault {
                id,
                kind: "kill".into(),
                target: "chat-gateway".into(),
                step,
                effect,
            });
        }
    }

    fn steps(&mut self, phase: Phase, count: usize) {
        self.say(What::Phase(phase));
        for _ in 0..count {
            let c = self.rng.random_range(0..self.talks.len());
            match self.rng.random_range(0..100) {
                0..20 => self.send(c),
                20 => self.hide(c),
                21 => self.mark_unread(c),
                22..44 => self.number(c),
                44..62 => self.answer(c),
                62..74 => {
                    let (d, u) = self.session();
                    self.show_on(c, d, u);
                }
                74..80 => self.wire(c),
                80..84 => {
                    let (d, u) = self.session();
                    let page = match self.rng.random_range(0..3) {
                        0 => Place::Newest,
                        1 => Place::After(self.rng.random_range(0..=self.talks[c].last_visible(u))),
                        _ => {
                            Place::Before(self.rng.random_range(0..=self.talks[c].last_visible(u)))
                        }
                    };
                    self.page(c, d, u, page);
                }
                84..88 => self.mark(c),
                88..92 => {
                    let (d, u) = self.session();
                    self.standing(c, d, u, Source::Session);
                }
                92..94 => self.member(c),
                94..97 => self.change(c),
                97 => self.receipt(c),
                98 => self.file(c),
                _ if phase == Phase::Chaos => self.fault(),
                _ => {}
            }
        }
    }
}

/// A history in which everything is as it has to be.
pub fn good(seed: u64) -> Vec<Event> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let people = rng.random_range(3..=5);
    let mut maker = Maker {
        rng,
        t: 0,
        ops: 0,
        faults: 0,
        events: Vec::new(),
        people,
        sessions: Vec::new(),
        wires: Vec::new(),
        talks: Vec::new(),
    };
    maker.say(What::Begin {
        version: VERSION,
        seed,
        options: "made".into(),
    });
    let mut next = 0;
    for u in (0..people).map(Person) {
        let id = UserId::from_uuid(maker.id());
        maker.say(What::Person { u, id });
        for kind in [DeviceKind::Session, DeviceKind::Session, DeviceKind::Wire] {
            let d = Device(next);
            next += 1;
            maker.say(What::Device { d, u, kind });
            match kind {
                DeviceKind::Wire => maker.wires.push((d, u)),
                _ => maker.sessions.push((d, u)),
            }
        }
    }
    maker.say(What::Phase(Phase::Seed));
    for c in 0..maker.rng.random_range(2..=3_u32) {
        let id = ConversationId::from_uuid(maker.id());
        maker.say(What::Conversation {
            c: Conversation(c),
            id,
        });
        // Somebody is a stranger to each.
        let stranger = Person(c % people);
        let members: Vec<Person> = (0..people).map(Person).filter(|u| *u != stranger).collect();
        let mut talk = Talk {
            entries: Vec::new(),
            stays: BTreeMap::new(),
            marks: BTreeMap::new(),
            looks_unread: BTreeSet::new(),
            hidden: BTreeMap::new(),
            told_hidden: BTreeMap::new(),
            bodies: BTreeMap::new(),
            queues: BTreeMap::new(),
            answers: VecDeque::new(),
            files: Vec::new(),
            shown: BTreeMap::new(),
        };
        talk.append(members[0], Change::Created { members });
        maker.talks.push(talk);
    }
    maker.steps(Phase::WarmUp, 80);
    maker.steps(Phase::Chaos, 500);
    maker.fault();
    maker.steps(Phase::Heal, 120);
    // At least one message that is handed in after the last fault.
    for c in 0..maker.talks.len() {
        for _ in 0..8 {
            maker.send(c);
        }
    }
    maker.say(What::Phase(Phase::Quiesce));
    for c in 0..maker.talks.len() {
        while maker.talks[c]
            .queues
            .values()
            .any(|queue| !queue.is_empty())
        {
            maker.number(c);
        }
        while !maker.talks[c].answers.is_empty() {
            maker.answer(c);
        }
        for (d, u) in maker.sessions.clone() {
            while maker.show_on(c, d, u) {}
            while maker.tell_hidden(c, d, u) {}
            maker.standing(c, d, u, Source::Session);
        }
    }
    maker.say(What::Phase(Phase::Final));
    let everybody: BTreeSet<Person> = maker.sessions.iter().map(|(_, u)| *u).collect();
    for u in everybody {
        let d = Device(next);
        next += 1;
        maker.say(What::Device {
            d,
            u,
            kind: DeviceKind::Fresh,
        });
        for c in 0..maker.talks.len() {
            let half = maker.talks[c].last_visible(u) / 2;
            maker.page(c, d, u, Place::Before(half + 1));
            maker.page(c, d, u, Place::After(half));
            maker.standing(c, d, u, Source::Rest);
        }
    }
    maker.events
}

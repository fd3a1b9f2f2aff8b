//! One conversation: what each number is, and what each device saw of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use ids::{ClientMessageId, MessageId};

use super::{Clue, Invariant, Pending, Ranges, World};
use crate::history::{
    Body, Change, Conversation, Device, DeviceKind, Entry, Membership, Outcome, Person, Phase,
    Place, Reaction, Reactions, ReceiptKind, Source, Via,
};

/// What is known of a number.
#[derive(Debug)]
struct Known {
    /// The line that said it first.
    line: u64,
    from: Person,
    is: Is,
}

/// The part of an entry that never changes.
#[derive(Debug, PartialEq, Eq)]
enum Is {
    Message {
        mid: MessageId,
        cmid: ClientMessageId,
    },
    /// Only an acknowledgement has named it so far.
    Acknowledged(ClientMessageId),
    Created(Vec<Person>),
    Joined(Person),
    Left(Person),
    /// Without content: it is known only from after the deletion of its message.
    Edited(ClientMessageId, u64, Option<Body>),
    Deleted(ClientMessageId, u64),
    Reacted(ClientMessageId, u64, Reaction),
    Other,
}

impl Is {
    fn of(change: &Change) -> Self {
        match change {
            Change::Message { mid, cmid, .. } => Self::Message {
                mid: *mid,
                cmid: *cmid,
            },
            Change::Created { members } => Self::Created(members.clone()),
            Change::Joined { who } => Self::Joined(*who),
            Change::Left { who } => Self::Left(*who),
            Change::Edited { cmid, target, body } => Self::Edited(*cmid, *target, *body),
            Change::Deleted { cmid, target } => Self::Deleted(*cmid, *target),
            Change::Reacted {
                cmid,
                target,
                reaction,
            } => Self::Reacted(*cmid, *target, reaction.clone()),
            Change::Other => Self::Other,
        }
    }

    fn cmid(&self) -> Option<ClientMessageId> {
        match self {
            Self::Message { cmid, .. }
            | Self::Acknowledged(cmid)
            | Self::Edited(cmid, ..)
            | Self::Deleted(cmid, _)
            | Self::Reacted(cmid, ..) => Some(*cmid),
            _ => None,
        }
    }

    /// Whether both can be the same entry, seen at different times.
    fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Acknowledged(cmid), other) | (other, Self::Acknowledged(cmid)) => {
                other.cmid() == Some(*cmid)
            }
            (Self::Edited(cmid, target, body), Self::Edited(same_cmid, same_target, same)) => {
                (cmid, target) == (same_cmid, same_target)
                    && (body == same || body.is_none() || same.is_none())
            }
            _ => self == other,
        }
    }

    /// Whether another sight of the entry could tell more.
    const fn is_incomplete(&self) -> bool {
        matches!(self, Self::Acknowledged(_) | Self::Edited(_, _, None))
    }
}

/// What was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Submitted {
    Message(Body),
    /// Of the message with this number.
    Edit(u64, Body),
    Delete(u64),
    React(u64, Reaction),
}

/// A message, or a change of one, that was handed in.
#[derive(Debug)]
struct Sent {
    /// When and where first.
    line: u64,
    t: u64,
    d: Device,
    what: Submitted,
    phase: Phase,
    /// Handed in by one session of the SDK alone, which keeps the order.
    ordered: bool,
    /// The highest number, with its line, that anybody had seen by then.
    floor: (u64, u64),
    /// Its number, and the line that told it first.
    number: Option<(u64, u64)>,
    acknowledged: Option<u64>,
    refused: Option<u64>,
    /// Attempts that have not ended, or not in a known way.
    open: u32,
}

/// What one device saw.
#[derive(Debug, Default)]
struct Eyes {
    shown: Ranges,
    /// The last, with its line.
    last_shown: (u64, u64),
    wire: Ranges,
    pages: Ranges,
    /// What its pages said to cover.
    covered: Ranges,
    /// The same, of the final read.
    final_pages: Ranges,
    final_covered: Ranges,
    skipped_to: u64,
    /// What the device makes of the reactions to each message that has any, or had.
    reactions: BTreeMap<u64, OnScreen>,
    /// What it was told to be hidden.
    hidden: BTreeSet<u64>,
    /// By source: head and mark that were told last, each with its line.
    told: HashMap<Source, Told>,
    receipts: HashMap<(Person, ReceiptKind), (u64, u64)>,
}

/// The reactions to a message on a device.
#[derive(Debug, Default)]
struct OnScreen {
    reactions: Reactions,
    /// Number of the last change in them.
    changed: u64,
    /// The line that changed them last.
    line: u64,
}

/// Where a person stands, as it was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) head: u64,
    pub(super) read: u64,
    pub(super) unread: u64,
    pub(super) hidden: u64,
    pub(super) marked: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    head: (u64, u64),
    read: (u64, u64),
    last: Standing,
    /// Line of the last standing; 0: there was none.
    line: u64,
}

/// Read marks of one person.
#[derive(Debug, Default)]
struct Marks {
    /// Every mark that was asked for, with its first line.
    asked: BTreeMap<u64, u64>,
    /// The highest that was acknowledged or told, with its line.
    reached: (u64, u64),
    /// Whether the person wanted it to look unread so far.
    asked_unread: bool,
}

/// What one person has hidden.
#[derive(Debug, Default)]
struct Hides {
    /// What was asked for, with its line.
    asked: BTreeMap<u64, u64>,
    /// Numbers by their place in the order of hiding, each with the line that told it first.
    order: BTreeMap<u64, (u64, u64)>,
}

impl Hides {
    /// With the line that told each first.
    fn told(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.order.values().copied()
    }
}

/// Where somebody may look: from the entry by which they came to the one by which they left.
#[derive(Debug, Default, Clone)]
struct Stays {
    stays: Vec<(u64, Option<u64>)>,
}

impl Stays {
    fn is_member_at(&self, number: u64) -> bool {
        self.stays
            .iter()
            .any(|(from, to)| *from <= number && to.is_none_or(|to| number <= to))
    }

    /// Since when, if still.
    fn member_since(&self) -> Option<u64> {
        match self.stays.last() {
            Some((from, None)) => Some(*from),
            _ => None,
        }
    }

    /// Since when as of `head`, if still then.
    fn member_since_as_of(&self, head: u64) -> Option<u64> {
        self.stays
            .iter()
            .rev()
            .find(|(from, _)| *from <= head)
            .filter(|(_, to)| to.is_none_or(|to| to > head))
            .map(|(from, _)| *from)
    }

    fn visible(&self, last: u64) -> Ranges {
        let mut visible = Ranges::default();
        for (from, to) in &self.stays {
            visible.insert_run(*from, to.unwrap_or(last).min(last));
        }
        visible
    }
}

/// Messages by number, to count those above a mark.
#[derive(Debug, Default)]
struct Countable {
    all: Vec<u64>,
    by: HashMap<Person, Vec<u64>>,
    /// Number of the deletion, number and author of what it deleted.
    deletions: Vec<(u64, u64, Person)>,
}

impl Countable {
    fn add(&mut self, number: u64, from: Person) {
        self.all.push(number);
        self.by.entry(from).or_default().push(number);
    }

    fn is_by_another(&self, number: u64, reader: Person) -> bool {
        let own = self.by.get(&reader);
        self.all.binary_search(&number).is_ok()
            && own.is_none_or(|own| own.binary_search(&number).is_err())
    }

    /// Messages of others in `above < number <= head` that were not deleted as of `head` and are none of
    /// `hidden`.
    fn unread(
        &self,
        reader: Person,
        above: u64,
        head: u64,
        hidden: impl Iterator<Item = u64>,
    ) -> u64 {
        let within = |numbers: &[u64]| {
            let to = numbers.partition_point(|number| *number <= head);
            to.saturating_sub(numbers.partition_point(|number| *number <= above)) as u64
        };
        let own = self.by.get(&reader).map_or(0, |numbers| within(numbers));
        let mut gone: BTreeSet<u64> = self
            .deletions
            .iter()
            .filter(|(n, target, author)| {
                *n <= head && above < *target && *target <= head && *author != reader
            })
            .map(|(_, target, _)| *target)
            .collect();
        gone.extend(hidden.filter(|number| {
            above < *number && *number <= head && self.is_by_another(*number, reader)
        }));
        within(&self.all).saturating_sub(own + gone.len() as u64)
    }
}

#[derive(Debug)]
pub(super) struct Talk {
    c: Conversation,
    entries: HashMap<u64, Known>,
    /// The highest number that was seen, with its line.
    highest: (u64, u64),
    /// The highest that was said to exist.
    claimed: (u64, u64),
    sends: HashMap<(Person, ClientMessageId), Sent>,
    /// What each device handed in, in order.
    order: BTreeMap<Device, Vec<ClientMessageId>>,
    eyes: BTreeMap<Device, Eyes>,
    /// Of each person's own messages the highest that was acknowledged, with its line.
    own: HashMap<Person, (u64, u64)>,
    /// The highest that a device of each person showed, or left to the history.
    got: HashMap<Person, u64>,
    /// Contents that a message may have had by edits.
    edits: HashMap<u64, Vec<Body>>,
    /// Deletions that were acknowledged, in that order, with their lines.
    deletions: Vec<(u64, u64)>,
    /// What the final pages said of a message that was changed: content, with its line.
    final_bodies: BTreeMap<u64, Vec<(Option<Body>, u64, Device)>>,
    /// The same of its reactions.
    final_reactions: BTreeMap<u64, Vec<(Reactions, u64, Device)>>,
    marks: BTreeMap<Person, Marks>,
    hides: BTreeMap<Person, Hides>,
    /// Every different standing, with its first line: person, head, mark, count, how many were hidden.
    standings: HashMap<(Person, u64, u64, u64, u64), u64>,
    /// When each removal was acknowledged, with its line.
    removed: BTreeMap<Person, Vec<(u64, u64)>>,
    receipts: Vec<(Device, Person, ReceiptKind, u64, u64)>,
    stays: BTreeMap<Person, Stays>,
}

const NOBODY: Person = Person(u32::MAX);

impl Talk {
    pub(super) fn new(c: Conversation) -> Self {
        Self {
            c,
            entries: HashMap::new(),
            highest: (0, 0),
            claimed: (0, 0),
            sends: HashMap::new(),
            order: BTreeMap::new(),
            eyes: BTreeMap::new(),
            own: HashMap::new(),
            got: HashMap::new(),
            edits: HashMap::new(),
            deletions: Vec::new(),
            final_bodies: BTreeMap::new(),
            final_reactions: BTreeMap::new(),
            marks: BTreeMap::new(),
            hides: BTreeMap::new(),
            standings: HashMap::new(),
            removed: BTreeMap::new(),
            receipts: Vec::new(),
            stays: BTreeMap::new(),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "they are the fields of one event"
    )]
    pub(super) fn send(
        &mut self,
        world: &mut World,
        line: u64,
        t: u64,
        d: Device,
        cmid: ClientMessageId,
        what: Submitted,
        via: Via,
    ) {
        if let Submitted::Edit(target, body) = what {
            self.edits.entry(target).or_default().push(body);
        }
        let key = (world.person(d), cmid);
        match self.sends.get_mut(&key) {
            Some(sent) => {
                sent.open += 1;
                sent.ordered &= via == Via::Socket && sent.d == d;
            }
            None => {
                world.counts.sent += 1;
                let sent = Sent {
                    line,
                    t,
                    d,
                    what,
                    phase: world.phase,
                    ordered: via == Via::Socket,
                    floor: self.highest,
                    number: None,
                    acknowledged: None,
                    refused: None,
                    open: 1,
                };
                self.sends.insert(key, sent);
                self.order.entry(d).or_default().push(cmid);
            }
        }
    }

    /// An attempt has ended.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the fields of one event"
    )]
    pub(super) fn sent(
        &mut self,
        world: &mut World,
        line: u64,
        t: u64,
        d: Device,
        cmid: ClientMessageId,
        asked: u64,
        outcome: Outcome,
    ) {
        let u = world.person(d);
        let Some(sent) = self.sends.get_mut(&(u, cmid)) else {
            return;
        };
        match outcome {
            Outcome::Unknown { .. } => world.counts.unknown_attempts += 1,
            Outcome::Refused { .. } => {
                sent.open = sent.open.saturating_sub(1);
                if sent.refused.replace(line).is_none() {
                    world.counts.refused += 1;
                }
            }
            Outcome::Ok { number, mid } => {
                sent.open = sent.open.saturating_sub(1);
                if sent.acknowledged.is_none() {
                    sent.acknowledged = Some(line);
                    world.counts.acknowledged += 1;
                    late(world, self.c, sent, t, line, "acknowledged");
                }
                if let Submitted::Delete(target) = sent.what {
                    self.deletions.push((target, line));
                }
                let Some(n) = number else { return };
                if let Some((first, told)) = sent.number
                    && first != n
                {
                    let clues = [asked, told, line].map(Clue::Line);
                    let c = self.c;
                    world.findings.add(Invariant::Idempotency, clues, || {
                        format!("{u}'s message {cmid} in {c} is #{first}, and then #{n}")
                    });
                }
                let own = self.own.entry(u).or_default();
                *own = (*own).max((n, line));
                self.message_at(world, line, u, cmid, n);
                if let Some(known) = self.entries.get(&n) {
                    let same = known.from == u
                        && known.is.cmid() == Some(cmid)
                        && match (&known.is, mid) {
                            (Is::Message { mid: known, .. }, Some(mid)) => *known == mid,
                            _ => true,
                        };
                    if !same {
                        self.inconsistent(world, n, line);
                    }
                } else {
                    let known = Known {
                        line,
                        from: u,
                        is: Is::Acknowledged(cmid),
                    };
                    self.entries.insert(n, known);
                }
                self.exists(n, line);
            }
        }
    }

    /// The message was seen or acknowledged with this number.
    fn message_at(
        &mut self,
        world: &mut World,
        line: u64,
        u: Person,
        cmid: ClientMessageId,
        n: u64,
    ) {
        let c = self.c;
        let Some(sent) = self.sends.get_mut(&(u, cmid)) else {
            return;
        };
        match sent.number {
            Some((first, told)) => {
                if first != n {
                    let clues = [sent.line, told, line].map(Clue::Line);
                    world.findings.add(Invariant::DuplicateSend, clues, || {
                        format!("{u}'s message {cmid} in {c} is there as #{first} and as #{n}")
                    });
                }
            }
            None => {
                sent.number = Some((n, line));
                let (floor, seen) = sent.floor;
                if n <= floor {
                    let clues = [seen, sent.line, line].map(Clue::Line);
                    world.findings.add(Invariant::RealTimeOrder, clues, || {
                        format!(
                            "{u} handed {cmid} in when #{floor} of {c} was there already, and it became #{n}"
                        )
                    });
                }
            }
        }
    }

    fn inconsistent(&self, world: &mut World, n: u64, line: u64) {
        let c = self.c;
        let first = self.entries.get(&n).map_or(line, |known| known.line);
        let clues = [first, line].map(Clue::Line);
        world
            .findings
            .add(Invariant::InconsistentNumber, clues, || {
                format!("#{n} of {c} is one thing, and then another")
            });
    }

    /// There is an entry with this number.
    pub(super) fn exists(&mut self, n: u64, line: u64) {
        if n > self.highest.0 {
            self.highest = (n, line);
        }
    }

    fn claim(&mut self, head: u64, line: u64) {
        if head > self.claimed.0 {
            self.claimed = (head, line);
        }
    }

    /// Somebody saw an entry.
    fn see(&mut self, world: &mut World, line: u64, entry: &Entry) {
        let (c, n) = (self.c, entry.n);
        match self.entries.get_mut(&n) {
            None => {
                let known = Known {
                    line,
                    from: entry.from,
                    is: Is::of(&entry.is),
                };
                self.entries.insert(n, known);
            }
            Some(known) => {
                let is = Is::of(&entry.is);
                if !known.is.agrees_with(&is) || known.from != entry.from {
                    self.inconsistent(world, n, line);
                } else if known.is.is_incomplete() {
                    known.is = is;
                }
            }
        }
        self.exists(n, line);
        if let Change::Message { mid, .. } = &entry.is {
            self.see_id(world, line, *mid, n);
        }
        let Some(cmid) = entry.is.cmid() else {
            return;
        };
        self.message_at(world, line, entry.from, cmid, n);
        let Some(sent) = self.sends.get(&(entry.from, cmid)) else {
            world
                .findings
                .add(Invariant::Phantom, [Clue::Line(line)], || {
                    format!("#{n} of {c}, {cmid}, was never handed in by {}", entry.from)
                });
            return;
        };
        let edits = self.edits.get(&n);
        let is_what_was_sent = match (&entry.is, &sent.what) {
            (Change::Message { body: None, .. }, Submitted::Message(_)) => true,
            (
                Change::Message {
                    body: Some(body), ..
                },
                Submitted::Message(first),
            ) => body == first || edits.is_some_and(|edits| edits.contains(body)),
            (Change::Edited { target, body, .. }, Submitted::Edit(asked, text)) => {
                target == asked && body.is_none_or(|body| body == *text)
            }
            (Change::Deleted { target, .. }, Submitted::Delete(asked)) => target == asked,
            (
                Change::Reacted {
                    target, reaction, ..
                },
                Submitted::React(asked, meant),
            ) => target == asked && reaction == meant,
            _ => false,
        };
        if !is_what_was_sent {
            let clues = [sent.line, line].map(Clue::Line);
            world.findings.add(Invariant::CorruptBody, clues, || {
                format!("#{n} of {c} has another content than {} sent", entry.from)
            });
        }
    }

    /// Somebody saw a message with this id.
    fn see_id(&self, world: &mut World, line: u64, mid: MessageId, n: u64) {
        let c = self.c;
        match world.messages.get(&mid) {
            None => {
                world.messages.insert(mid, (c, n, line));
            }
            Some((_, there, first)) if *there != n && self.entries_hold(mid, *there) => {
                let (there, clues) = (*there, [*first, line].map(Clue::Line));
                world.findings.add(Invariant::MessageMoved, clues, || {
                    format!("the message {mid} of {c} is #{there}, and then #{n}")
                });
            }
            Some((home, there, first)) if (*home, *there) != (c, n) => {
                let (home, clues) = (*home, [*first, line].map(Clue::Line));
                world.findings.add(Invariant::IdReused, clues, || {
                    format!("the id {mid} names a message of {home} and another of {c}")
                });
            }
            Some(_) => {}
        }
    }

    fn entries_hold(&self, mid: MessageId, n: u64) -> bool {
        self.entries
            .get(&n)
            .is_some_and(|known| matches!(known.is, Is::Message { mid: held, .. } if held == mid))
    }

    pub(super) fn wire(&mut self, world: &mut World, line: u64, d: Device, entry: &Entry) {
        self.see(world, line, entry);
        let eyes = self.eyes.entry(d).or_default();
        if eyes.wire.contains(entry.n) {
            world.counts.wire_again += 1;
        }
        eyes.wire.insert(entry.n);
    }

    pub(super) fn shown(&mut self, world: &mut World, line: u64, t: u64, d: Device, entry: &Entry) {
        self.see(world, line, entry);
        let (c, n) = (self.c, entry.n);
        self.has_got(world.person(d), n);
        let eyes = self.eyes.entry(d).or_default();
        let (last, told) = eyes.last_shown;
        if eyes.shown.contains(n) {
            let clues = [Clue::Saw(d, c, n), Clue::Line(line)];
            world.findings.add(Invariant::ShownTwice, clues, || {
                format!("{d} shows #{n} of {c} again")
            });
        } else if n < last {
            let clues = [told, line].map(Clue::Line);
            world.findings.add(Invariant::Reordered, clues, || {
                format!("{d} shows #{n} of {c} after #{last}")
            });
        }
        eyes.shown.insert(n);
        eyes.react(entry, line);
        if n > last {
            eyes.last_shown = (n, line);
        }
        if let Some(cmid) = entry.is.cmid()
            && let Some(sent) = self.sends.get(&(entry.from, cmid))
        {
            late(world, c, sent, t, line, "shown");
        }
    }

    fn has_got(&mut self, u: Person, n: u64) {
        let got = self.got.entry(u).or_default();
        *got = (*got).max(n);
    }

    pub(super) fn skipped(&mut self, world: &World, d: Device, to: u64) {
        self.has_got(world.person(d), to);
        let eyes = self.eyes.entry(d).or_default();
        eyes.skipped_to = eyes.skipped_to.max(to);
    }

    /// What was known when a page was asked for: own acknowledged, anybody's, deletions.
    pub(super) fn asked(&self, u: Person) -> (Option<(u64, u64)>, u64, usize) {
        let any = self.own.values().map(|(n, _)| *n).max().unwrap_or(0);
        (self.own.get(&u).copied(), any, self.deletions.len())
    }

    pub(super) fn page(
        &mut self,
        world: &mut World,
        line: u64,
        d: Device,
        ask: Option<&Pending>,
        (from, to, head): (u64, u64, u64),
        entries: &[Entry],
    ) {
        let c = self.c;
        let mut before = from.saturating_sub(1);
        for entry in entries {
            if entry.n <= before || entry.n > to {
                world
                    .findings
                    .add(Invariant::PageNotSorted, [Clue::Line(line)], || {
                        format!(
                            "a page of {c} from #{from} to #{to} has #{} after #{before}",
                            entry.n
                        )
                    });
            }
            before = entry.n;
            self.see(world, line, entry);
        }
        self.claim(head, line);
        let is_final = world.phase == Phase::Final
            && world
                .devices
                .get(&d)
                .is_some_and(|(_, kind)| *kind == DeviceKind::Fresh);
        let eyes = self.eyes.entry(d).or_default();
        for entry in entries {
            eyes.pages.insert(entry.n);
            if is_final {
                eyes.final_pages.insert(entry.n);
                if let Change::Message {
                    body, reactions, ..
                } = &entry.is
                {
                    self.final_bodies
                        .entry(entry.n)
                        .or_default()
                        .push((*body, line, d));
                    let final_reactions = self.final_reactions.entry(entry.n).or_default();
                    final_reactions.push((reactions.clone(), line, d));
                }
            }
        }
        eyes.covered.insert_run(from, to);
        if is_final {
            eyes.final_covered.insert_run(from, to);
        }
        let told = eyes.told.entry(Source::Rest).or_default();
        if head < told.head.0 {
            let clues = [told.head.1, line].map(Clue::Line);
            let before = told.head.0;
            world.findings.add(Invariant::TimeTravel, clues, || {
                format!("{d} is told that {c} ends at #{before}, and then at #{head}")
            });
        } else {
            told.head = (head, line);
        }

        let Some(Pending::Ask {
            place,
            line: asked,
            own,
            any,
            deletions,
        }) = ask
        else {
            return;
        };
        for (target, deleted) in self.deletions.iter().take(*deletions) {
            let back = entries.iter().any(|entry| {
                entry.n == *target && matches!(entry.is, Change::Message { body: Some(_), .. })
            });
            if back {
                let clues = [*deleted, *asked, line].map(Clue::Line);
                world.findings.add(Invariant::DeletedReturned, clues, || {
                    format!("#{target} of {c} is there after its deletion was acknowledged")
                });
            }
        }
        let hides = self.hides.get(&world.person(d));
        for (target, told) in hides.into_iter().flat_map(Hides::told) {
            if told < *asked && entries.iter().any(|entry| entry.n == target) {
                let clues = [told, *asked, line].map(Clue::Line);
                world.findings.add(Invariant::HiddenReturned, clues, || {
                    format!("#{target} of {c} is there after {d}'s person had hidden it")
                });
            }
        }
        if *place == Place::Newest {
            let holds = |n: u64| n < from || entries.iter().any(|entry| entry.n == n);
            if let Some((n, acknowledged)) = own
                && !holds(*n)
                && !hides.is_some_and(|hides| hides.asked.contains_key(n))
            {
                let clues = [*acknowledged, *asked, line].map(Clue::Line);
                world.findings.add(Invariant::ReadYourWrites, clues, || {
                    format!(
                        "the newest page of {c} lacks #{n}, which {d}'s person had acknowledged"
                    )
                });
            }
            if *any > to {
                world.counts.stale_pages += 1;
            }
        }
    }

    pub(super) fn standing(
        &mut self,
        world: &mut World,
        line: u64,
        d: Device,
        source: Source,
        standing: Standing,
    ) {
        let Standing { head, read, .. } = standing;
        let c = self.c;
        let u = world.person(d);
        self.claim(head, line);
        let told = self
            .eyes
            .entry(d)
            .or_default()
            .told
            .entry(source)
            .or_default();
        if head < told.head.0 {
            let (before, clues) = (told.head.0, [told.head.1, line].map(Clue::Line));
            world.findings.add(Invariant::TimeTravel, clues, || {
                format!("{d} is told that {c} ends at #{before}, and then at #{head}")
            });
        }
        if read < told.read.0 {
            let (before, clues) = (told.read.0, [told.read.1, line].map(Clue::Line));
            world.findings.add(Invariant::MarkWentBack, clues, || {
                format!("{d} is told that {u} has read {c} up to #{before}, and then up to #{read}")
            });
        }
        told.head = told.head.max((head, line));
        told.read = told.read.max((read, line));
        told.last = standing;
        told.line = line;
        // A mark that was told is there.
        let marks = self.marks.entry(u).or_default();
        if standing.marked && !marks.asked_unread {
            let clues = [Clue::Line(line)];
            world.findings.add(Invariant::MarkedUnreadWrong, clues, || {
                format!("{d} is told that {c} is to look unread; {u} never wanted that")
            });
        }
        if read > marks.reached.0 {
            marks.reached = (read, line);
        }
    }

    /// A count that has to be right.
    pub(super) fn count_is_told(&mut self, u: Person, line: u64, standing: Standing) {
        let Standing {
            head,
            read,
            unread,
            hidden,
            ..
        } = standing;
        self.standings
            .entry((u, head, read, unread, hidden))
            .or_insert(line);
    }

    pub(super) fn mark(&mut self, u: Person, line: u64, n: u64) {
        let marks = self.marks.entry(u).or_default();
        marks.asked.entry(n).or_insert(line);
    }

    pub(super) fn mark_unread(&mut self, u: Person) {
        self.marks.entry(u).or_default().asked_unread = true;
    }

    pub(super) fn hide(&mut self, u: Person, line: u64, target: u64) {
        let hides = self.hides.entry(u).or_default();
        hides.asked.entry(target).or_insert(line);
    }

    pub(super) fn hidden(
        &mut self,
        world: &mut World,
        line: u64,
        d: Device,
        target: u64,
        count: u64,
    ) {
        let (c, u) = (self.c, world.person(d));
        let hides = self.hides.entry(u).or_default();
        let (first, told) = *hides.order.entry(count).or_insert((target, line));
        if first != target {
            let clues = [told, line].map(Clue::Line);
            world.findings.add(Invariant::HiddenWrong, clues, || {
                format!("as the {count}th of {c} {u} has hidden #{first}, and then #{target}")
            });
        }
        if !hides.asked.contains_key(&target) {
            let clues = [Clue::Line(line)];
            world.findings.add(Invariant::HiddenWrong, clues, || {
                format!("{d} is told that {u} has hidden #{target} of {c}, which {u} never did")
            });
        }
        self.eyes.entry(d).or_default().hidden.insert(target);
    }

    pub(super) fn marked(&mut self, u: Person, line: u64, n: u64) {
        let marks = self.marks.entry(u).or_default();
        if n > marks.reached.0 {
            marks.reached = (n, line);
        }
    }

    pub(super) fn member_done(
        &mut self,
        who: Person,
        change: Membership,
        t: u64,
        line: u64,
        outcome: &Outcome,
    ) {
        if let (Outcome::Ok { .. }, Membership::Remove) = (outcome, change) {
            self.removed.entry(who).or_default().push((t, line));
        }
    }

    pub(super) fn receipt(
        &mut self,
        world: &mut World,
        line: u64,
        d: Device,
        from: Person,
        kind: ReceiptKind,
        n: u64,
    ) {
        let c = self.c;
        let last = self
            .eyes
            .entry(d)
            .or_default()
            .receipts
            .entry((from, kind))
            .or_default();
        if n < last.0 {
            let (before, clues) = (last.0, [last.1, line].map(Clue::Line));
            world.findings.add(Invariant::ReceiptWentBack, clues, || {
                format!("{d} is told that {from} has got to #{before} of {c}, and then to #{n}")
            });
        }
        *last = (*last).max((n, line));
        let asked = self
            .marks
            .get(&from)
            .and_then(|marks| marks.asked.last_key_value())
            .map_or(0, |(highest, _)| *highest);
        // What was read was delivered.
        let got = self.got.get(&from).copied().unwrap_or(0).max(asked);
        let clues = [Clue::Line(line)];
        match kind {
            ReceiptKind::Read if n > asked => {
                world.findings.add(Invariant::ReceiptBeforeRead, clues, || {
                    format!("{d} is told that {from} has read {c} up to #{n}; they marked #{asked}")
                });
            }
            ReceiptKind::Delivered if n > got => {
                let invariant = Invariant::ReceiptBeforeDelivery;
                world.findings.add(invariant, clues, || {
                    format!(
                        "{d} is told that {from} has got {c} up to #{n}; their devices have #{got}"
                    )
                });
            }
            _ => {}
        }
        self.receipts.push((d, from, kind, n, line));
    }

    /// Whether the person may see anything of it.
    pub(super) fn ever_saw(&self, u: Person) -> bool {
        self.stays.contains_key(&u)
    }

    /// The line that told first that the person came, if they never left.
    pub(super) fn steady_since(&self, u: Person) -> Option<u64> {
        match self.stays.get(&u)?.stays[..] {
            [(from, None)] => Some(self.entries.get(&from)?.line),
            _ => None,
        }
    }

    /// Judges what only the whole history tells. Returns how many of those who may see the conversation
    /// did not read it at the end.
    pub(super) fn finish(&mut self, world: &mut World) -> u64 {
        let last = self.highest.0.max(self.claimed.0);
        self.learn_stays();
        self.holes(world, last);
        self.sends_at_the_end(world);
        self.writers(world);
        self.removals(world);
        let unread = self.eyes_at_the_end(world, last);
        self.contents(world);
        self.reactions(world);
        self.hidden_at_the_end(world);
        self.standings_at_the_end(world);
        for (d, from, _, n, line) in &self.receipts {
            if *n > last {
                let c = self.c;
                world
                    .findings
                    .add(Invariant::ReceiptBeforeMessage, [Clue::Line(*line)], || {
                        format!(
                            "{d} is told that {from} has got to #{n} of {c}, which ends at #{last}"
                        )
                    });
            }
        }
        unread
    }

    fn learn_stays(&mut self) {
        let mut changes: Vec<(u64, Person, Membership)> = Vec::new();
        for (n, known) in &self.entries {
            match &known.is {
                Is::Created(members) => {
                    changes.extend(members.iter().map(|u| (*n, *u, Membership::Add)));
                }
                Is::Joined(who) => changes.push((*n, *who, Membership::Add)),
                Is::Left(who) => changes.push((*n, *who, Membership::Remove)),
                _ => {}
            }
        }
        changes.sort_unstable_by_key(|(n, u, _)| (*n, *u));
        for (n, u, change) in changes {
            let stays = &mut self.stays.entry(u).or_default().stays;
            match (change, stays.last_mut()) {
                (Membership::Add, Some((_, None))) => {}
                (Membership::Add, _) => stays.push((n, None)),
                (Membership::Remove, Some((_, to @ None))) => *to = Some(n),
                (Membership::Remove, _) => {}
            }
        }
    }

    fn holes(&self, world: &mut World, last: u64) {
        let c = self.c;
        // Every hole is counted, but a number in the billions is not counted up to.
        if last > self.entries.len() as u64 * 2 + 1_000_000 {
            let clues = [Clue::Line(self.highest.1.max(self.claimed.1))];
            world.findings.add(Invariant::GapInSequence, clues, || {
                format!(
                    "{c} is said to end at #{last}, with {} entries",
                    self.entries.len()
                )
            });
            return;
        }
        for n in 1..=last {
            if !self.entries.contains_key(&n) {
                let near = [n.wrapping_sub(1), n + 1];
                let mut clues: Vec<Clue> = near
                    .iter()
                    .filter_map(|n| Some(Clue::Line(self.entries.get(n)?.line)))
                    .collect();
                if n + 1 > self.highest.0 {
                    clues.push(Clue::Line(self.claimed.1));
                }
                world.findings.add(Invariant::GapInSequence, clues, || {
                    format!("#{n} of {c} was never seen, and {c} ends at #{last}")
                });
            }
        }
    }

    fn sends_at_the_end(&self, world: &mut World) {
        let c = self.c;
        for ((u, cmid), sent) in &self.sends {
            match (sent.acknowledged, sent.refused, sent.number) {
                (None, Some(refused), Some((n, seen))) if sent.open == 0 => {
                    let clues = [sent.line, refused, seen].map(Clue::Line);
                    world
                        .findings
                        .add(Invariant::AbortedSendVisible, clues, || {
                            format!("{u}'s message {cmid} in {c} was refused, and is there as #{n}")
                        });
                }
                (None, None, _) => {
                    world
                        .findings
                        .add(Invariant::Unresolved, [Clue::Line(sent.line)], || {
                            format!(
                                "{u}'s message {cmid} in {c} was neither acknowledged nor refused"
                            )
                        });
                }
                _ => {}
            }
        }
        for (d, cmids) in &self.order {
            let u = world.person(*d);
            let mut before: Option<(&ClientMessageId, u64, &Sent)> = None;
            for cmid in cmids {
                let Some(sent) = self.sends.get(&(u, *cmid)) else {
                    continue;
                };
                let Some((n, told)) = sent.number.filter(|_| sent.ordered) else {
                    continue;
                };
                if let Some((other, higher, earlier)) = before
                    && n < higher
                    // Otherwise the floor has shown it.
                    && n > sent.floor.0
                {
                    let there = earlier.number.map_or(0, |(_, line)| line);
                    let clues = [earlier.line, sent.line, there, told].map(Clue::Line);
                    world.findings.add(Invariant::RealTimeOrder, clues, || {
                        format!("{d} handed {cmid} in after {other}, and it became #{n} before #{higher} of {c}")
                    });
                }
                if before.is_none_or(|(_, higher, _)| n > higher) {
                    before = Some((cmid, n, sent));
                }
            }
        }
    }

    fn writers(&self, world: &mut World) {
        let c = self.c;
        for (n, known) in &self.entries {
            if known.is.cmid().is_none() {
                continue;
            }
            if !self
                .stays
                .get(&known.from)
                .is_some_and(|stays| stays.is_member_at(*n))
            {
                let mut clues = vec![Clue::Line(known.line)];
                clues.extend(self.line_of_leave(known.from, *n));
                let u = known.from;
                world
                    .findings
                    .add(Invariant::WrittenByNonMember, clues, || {
                        format!("#{n} of {c} was written by {u}, who was not in it then")
                    });
            }
        }
    }

    /// The line that told of the last leave of the person before `n`.
    fn line_of_leave(&self, u: Person, n: u64) -> Option<Clue> {
        let stays = self.stays.get(&u)?;
        let left = stays
            .stays
            .iter()
            .filter_map(|(_, to)| *to)
            .filter(|to| *to < n)
            .max()?;
        Some(Clue::Line(self.entries.get(&left)?.line))
    }

    /// What was handed in after a removal was acknowledged comes after it.
    fn removals(&self, world: &mut World) {
        let c = self.c;
        world.counts.pairs += self.stays.len() as u64;
        let mut by_time: Vec<(u64, u64, u64)> = self
            .sends
            .values()
            .filter_map(|sent| Some((sent.t, sent.number?.0, sent.line)))
            .collect();
        by_time.sort_unstable();
        // The lowest number, with its line, of those from here on.
        let mut lowest = vec![(u64::MAX, 0); by_time.len() + 1];
        for (index, (_, n, line)) in by_time.iter().enumerate().rev() {
            lowest[index] = lowest[index + 1].min((*n, *line));
        }
        for (u, removed) in &self.removed {
            let leaves: Vec<u64> = self
                .stays
                .get(u)
                .map(|stays| stays.stays.iter().filter_map(|(_, to)| *to).collect())
                .unwrap_or_default();
            // A leave whose acknowledgement was lost only makes the others look earlier, which accuses
            // nobody. More acknowledgements than leaves can't be told apart.
            if removed.len() > leaves.len() {
                world.counts.excluded_pairs += 1;
                continue;
            }
            for ((t, line), left) in removed.iter().zip(leaves) {
                let after = by_time.partition_point(|(sent, ..)| sent <= t);
                let (n, sent) = lowest[after];
                if n < left {
                    let clues = [
                        *line,
                        sent,
                        self.entries.get(&left).map_or(0, |known| known.line),
                    ];
                    world.findings.add(Invariant::WrittenByNonMember, clues.map(Clue::Line), || {
                        format!("#{n} of {c} was handed in after the removal of {u} was acknowledged, which is #{left}")
                    });
                }
            }
        }
    }

    fn eyes_at_the_end(&self, world: &mut World, last: u64) -> u64 {
        let c = self.c;
        let mut read_by = BTreeSet::new();
        let nowhere = Stays::default();
        for (d, eyes) in &self.eyes {
            let (u, kind) = world
                .devices
                .get(d)
                .copied()
                .unwrap_or((NOBODY, DeviceKind::Wire));
            let stays = self.stays.get(&u).unwrap_or(&nowhere);
            let visible = stays.visible(last);
            // Pages leave it out, so a device that was away never shows it.
            let mut hidden = Ranges::default();
            for number in self
                .hides
                .get(&u)
                .into_iter()
                .flat_map(|hides| hides.asked.keys())
            {
                hidden.insert(*number);
            }
            let mut seen = eyes.shown.clone();
            seen.extend(&eyes.wire);
            seen.extend(&eyes.pages);
            for n in seen.without(&[&visible]) {
                let clues = [Some(Clue::Saw(*d, c, n)), self.line_of_leave(u, n)];
                world.findings.add(
                    Invariant::DeliveredToNonMember,
                    clues.into_iter().flatten(),
                    || format!("{d} of {u} was given #{n} of {c}, which {u} may not see"),
                );
            }
            if kind == DeviceKind::Session && stays.member_since().is_some() {
                let mut skipped = Ranges::default();
                skipped.insert_run(1, eyes.skipped_to);
                for n in visible.without(&[&eyes.shown, &skipped, &hidden]) {
                    let mut clues = vec![Clue::Line(eyes.last_shown.1)];
                    clues.extend(self.entries.get(&n).map(|known| Clue::Line(known.line)));
                    clues.extend(self.line_of_acknowledgement(n));
                    world.findings.add(Invariant::NeverDelivered, clues, || {
                        format!("{d} of {u} never showed #{n} of {c}")
                    });
                }
            }
            // What a page says to cover it has, then and in the end.
            let mut missing = Ranges::default();
            for n in visible.without(&[&eyes.pages, &hidden]) {
                if eyes.covered.contains(n) {
                    missing.insert(n);
                }
            }
            if kind == DeviceKind::Fresh && !eyes.final_covered.is_empty() {
                read_by.insert(u);
                for n in visible.without(&[&eyes.final_pages, &hidden]) {
                    missing.insert(n);
                }
            }
            for n in missing.iter() {
                let mut clues = vec![Clue::Covered(*d, c, n)];
                clues.extend(self.entries.get(&n).map(|known| Clue::Line(known.line)));
                clues.extend(self.line_of_acknowledgement(n));
                world.findings.add(Invariant::LostFromHistory, clues, || {
                    format!("#{n} of {c} is not in what {d} of {u} read of the history")
                });
            }
        }
        self.stays.keys().filter(|u| !read_by.contains(u)).count() as u64
    }

    fn line_of_acknowledgement(&self, n: u64) -> Option<Clue> {
        let known = self.entries.get(&n)?;
        let sent = self.sends.get(&(known.from, known.is.cmid()?))?;
        sent.acknowledged.map(Clue::Line)
    }

    /// The final content of each message is that of its last change, as far as the reader sees the change:
    /// a deletion everybody does.
    fn contents(&self, world: &mut World) {
        let c = self.c;
        let mut changes: BTreeMap<u64, BTreeMap<u64, (Option<Body>, u64)>> = BTreeMap::new();
        for (n, known) in &self.entries {
            let (target, body) = match known.is {
                Is::Edited(_, target, Some(body)) => (target, Some(body)),
                Is::Deleted(_, target) => (target, None),
                _ => continue,
            };
            changes
                .entry(target)
                .or_default()
                .insert(*n, (body, known.line));
        }
        for (target, bodies) in &self.final_bodies {
            let first = self.entries.get(target).and_then(|known| {
                let sent = self.sends.get(&(known.from, known.is.cmid()?))?;
                match sent.what {
                    Submitted::Message(body) => Some((Some(body), sent.line)),
                    _ => None,
                }
            });
            let changed = changes.get(target);
            let deleted = changed
                .and_then(|changes| changes.values().find(|(body, _)| body.is_none()).copied());
            for (body, line, d) in bodies {
                let stays = self.stays.get(&world.person(*d));
                let last_seen = changed.and_then(|changes| {
                    let mut seen = changes.iter().rev();
                    seen.find(|(n, _)| stays.is_some_and(|stays| stays.is_member_at(**n)))
                        .map(|(_, change)| *change)
                });
                let Some((expected, told)) = deleted.or(last_seen).or(first) else {
                    continue;
                };
                if *body == expected {
                    continue;
                }
                let invariant = if expected.is_none() {
                    Invariant::DeletedReturned
                } else {
                    Invariant::EditLost
                };
                let clues = [
                    Clue::Line(told),
                    Clue::Saw(*d, c, *target),
                    Clue::Line(*line),
                ];
                world.findings.add(invariant, clues, || {
                    format!("in the end #{target} of {c} has not the content of its last change")
                });
            }
        }
    }

    /// In the end the reactions to a message are what those changes make of it that its reader may see, and a
    /// deletion takes them all: in the history, and on every device that has shown all of them.
    fn reactions(&self, world: &mut World) {
        let c = self.c;
        let mut changes: BTreeMap<u64, BTreeMap<u64, &Known>> = BTreeMap::new();
        for (n, known) in &self.entries {
            if let Is::Reacted(_, target, _) | Is::Deleted(_, target) = &known.is {
                changes.entry(*target).or_default().insert(*n, known);
            }
        }
        let nobody = Stays::default();
        // With the line of the last change that made them so.
        let expected = |target: u64, u: Person| {
            let stays = self.stays.get(&u).unwrap_or(&nobody);
            let (mut reactions, mut line) = (Reactions::default(), 0);
            for (n, known) in changes.get(&target).into_iter().flatten() {
                match &known.is {
                    Is::Deleted(..) => return (Reactions::default(), known.line),
                    Is::Reacted(_, _, reaction) if stays.is_member_at(*n) => {
                        reactions.take_in(known.from, reaction);
                        line = known.line;
                    }
                    _ => {}
                }
            }
            (reactions, line)
        };
        let mut wrong = |target: u64, d: Device, change: u64, line: u64| {
            let mut clues = vec![Clue::Saw(d, c, target)];
            clues.extend(
                [change, line]
                    .into_iter()
                    .filter(|line| *line > 0)
                    .map(Clue::Line),
            );
            world.findings.add(Invariant::ReactionsWrong, clues, || {
                format!("in the end {d} has not the reactions to #{target} of {c} that there are")
            });
        };
        for (target, of_devices) in &self.final_reactions {
            for (reactions, line, d) in of_devices {
                let (expected, change) = expected(*target, person(&world.devices, *d));
                if *reactions != expected {
                    wrong(*target, *d, change, *line);
                }
            }
        }
        for (d, eyes) in &self.eyes {
            let Some((u, DeviceKind::Session)) = world.devices.get(d).copied() else {
                continue;
            };
            let is_member = self
                .stays
                .get(&u)
                .is_some_and(|stays| stays.member_since().is_some());
            // What it left to the history it has to load again.
            if !is_member || eyes.skipped_to > 0 {
                continue;
            }
            let none = OnScreen::default();
            let reacted: BTreeSet<u64> = changes
                .keys()
                .chain(eyes.reactions.keys())
                .copied()
                .collect();
            for target in reacted {
                // A deletion between two stays is told by the history alone.
                let is_told = |(n, known): (&u64, &&Known)| {
                    !matches!(known.is, Is::Deleted(..))
                        || self
                            .stays
                            .get(&u)
                            .is_some_and(|stays| stays.is_member_at(*n))
                };
                if !eyes.shown.contains(target)
                    || !changes.get(&target).into_iter().flatten().all(is_told)
                {
                    continue;
                }
                let on_screen = eyes.reactions.get(&target).unwrap_or(&none);
                let (expected, change) = expected(target, u);
                if on_screen.reactions != expected {
                    wrong(target, *d, change, on_screen.line);
                }
            }
        }
    }

    /// In the end every device of a member knows all that is hidden, and what a member hid is.
    fn hidden_at_the_end(&self, world: &mut World) {
        let c = self.c;
        for (u, hides) in &self.hides {
            let stays = self.stays.get(u).map(|stays| &stays.stays[..]);
            let (is_member, is_steady) = match stays {
                Some([(_, None)]) => (true, true),
                Some([.., (_, None)]) => (true, false),
                _ => (false, false),
            };
            let told: BTreeMap<u64, u64> = hides.told().collect();
            for (d, eyes) in &self.eyes {
                if !is_member || world.devices.get(d) != Some(&(*u, DeviceKind::Session)) {
                    continue;
                }
                for (target, line) in &told {
                    if !eyes.hidden.contains(target) {
                        let clues = [Clue::Line(*line), Clue::Line(eyes.last_shown.1)];
                        world.findings.add(Invariant::HiddenWrong, clues, || {
                            format!("{d} was never told that {u} has hidden #{target} of {c}")
                        });
                    }
                }
            }
            // Of who came and went nobody knows whether it met a member.
            for (target, line) in hides.asked.iter().filter(|_| is_steady) {
                if !told.contains_key(target) {
                    let clues = [Clue::Line(*line)];
                    world.findings.add(Invariant::Unresolved, clues, || {
                        format!("{u} hid #{target} of {c}, and it is not hidden in the end")
                    });
                }
            }
        }
    }

    fn countable(&self) -> Countable {
        let mut countable = Countable::default();
        for (n, known) in &self.entries {
            match known.is {
                Is::Message { .. } => countable.add(*n, known.from),
                Is::Acknowledged(cmid) => {
                    let sent = self.sends.get(&(known.from, cmid));
                    if sent.is_some_and(|sent| matches!(sent.what, Submitted::Message(_))) {
                        countable.add(*n, known.from);
                    }
                }
                Is::Deleted(_, target) => {
                    if let Some(deleted) = self.entries.get(&target) {
                        countable.deletions.push((*n, target, deleted.from));
                    }
                }
                _ => {}
            }
        }
        countable.all.sort_unstable();
        countable
            .by
            .values_mut()
            .for_each(|own| own.sort_unstable());
        countable
    }

    fn standings_at_the_end(&self, world: &mut World) {
        let c = self.c;
        let countable = self.countable();
        let nowhere = Stays::default();
        let nothing = Hides::default();
        for ((u, head, read, unread, hidden), line) in &self.standings {
            let stays = self.stays.get(u).unwrap_or(&nowhere);
            let order = &self.hides.get(u).unwrap_or(&nothing).order;
            if order.range(..=hidden).count() as u64 != *hidden {
                // Nobody was told which they are.
                continue;
            }
            let gone = order.range(..=hidden).map(|(_, (target, _))| *target);
            let right = stays.member_since_as_of(*head).map_or(0, |since| {
                countable.unread(*u, (*read).max(since), *head, gone)
            });
            if *unread != right {
                let clues = [Some(Clue::Line(*line)), self.line_of_leave(*u, head + 1)];
                world.findings.add(Invariant::UnreadWrong, clues.into_iter().flatten(), || {
                    format!("{unread} messages of {c} are said to be unread for {u} above #{read} up to #{head}; it is {right}")
                });
            }
        }
        for (u, stays) in &self.stays {
            if stays.member_since().is_none() {
                continue;
            }
            let marks = self.marks.get(u);
            let (reached, proof) = marks.map_or((0, 0), |marks| marks.reached);
            // The final word of a fresh device, and then of every session.
            let mut last_word: Option<(Standing, u64)> = None;
            for kind in [DeviceKind::Fresh, DeviceKind::Session] {
                let source = match kind {
                    DeviceKind::Fresh => Source::Rest,
                    _ => Source::Session,
                };
                for (d, eyes) in &self.eyes {
                    if world.devices.get(d) != Some(&(*u, kind)) {
                        continue;
                    }
                    let Some(told) = eyes.told.get(&source).filter(|told| told.line > 0) else {
                        continue;
                    };
                    let (read, line) = (told.read.0, told.line);
                    let asked = marks
                        .and_then(|marks| marks.asked.get(&read).copied())
                        .or((read == 0).then_some(0));
                    if read < reached || asked.is_none() {
                        let clues = [proof, line].map(Clue::Line);
                        world.findings.add(Invariant::FinalMarkWrong, clues, || {
                            format!("in the end {d} is told that {u} has read {c} up to #{read}; the mark had reached #{reached}")
                        });
                    }
                    let word = Standing {
                        head: told.head.0,
                        read,
                        ..told.last
                    };
                    let Some((other, first)) = last_word else {
                        last_word = Some((word, line));
                        continue;
                    };
                    let different = [
                        (other.marked != word.marked, Invariant::MarkedUnreadWrong),
                        (
                            Standing {
                                marked: word.marked,
                                ..other
                            } != word,
                            Invariant::UnreadWrong,
                        ),
                    ];
                    for (_, invariant) in different.into_iter().filter(|(is, _)| *is) {
                        let clues = [first, line].map(Clue::Line);
                        world.findings.add(invariant, clues, || {
                            format!(
                                "in the end the devices of {u} are told different things about {c}"
                            )
                        });
                    }
                }
            }
        }
    }
}

impl Eyes {
    /// Does what a device does with the reactions in what it shows.
    fn react(&mut self, entry: &Entry, line: u64) {
        match &entry.is {
            Change::Message {
                changed, reactions, ..
            } if *changed > 0 || !reactions.is_empty() => {
                let on_screen = OnScreen {
                    reactions: reactions.clone(),
                    changed: *changed,
                    line,
                };
                self.reactions.insert(entry.n, on_screen);
            }
            Change::Reacted {
                target, reaction, ..
            } if self.shown.contains(*target) => {
                let on_screen = self.reactions.entry(*target).or_default();
                // Once it is deleted nothing comes back.
                if entry.n > on_screen.changed {
                    on_screen.reactions.take_in(entry.from, reaction);
                    on_screen.changed = entry.n;
                    on_screen.line = line;
                }
            }
            Change::Deleted { target, .. } if self.shown.contains(*target) => {
                let on_screen = OnScreen {
                    reactions: Reactions::default(),
                    changed: u64::MAX,
                    line,
                };
                self.reactions.insert(*target, on_screen);
            }
            _ => {}
        }
    }
}

fn person(devices: &HashMap<Device, (Person, DeviceKind)>, d: Device) -> Person {
    devices.get(&d).map_or(NOBODY, |(u, _)| *u)
}

/// Whether something that was handed in after the last fault came in time.
fn late(world: &mut World, c: Conversation, sent: &Sent, t: u64, line: u64, what: &str) {
    if sent.phase < Phase::Heal {
        return;
    }
    let took = Duration::from_nanos(t.saturating_sub(sent.t));
    if took > world.limits.live_within {
        let clues = [sent.line, line].map(Clue::Line);
        world.findings.add(Invariant::NotLive, clues, || {
            format!(
                "a message of {c} was {what} after {:.1} s",
                took.as_secs_f64()
            )
        });
    }
}

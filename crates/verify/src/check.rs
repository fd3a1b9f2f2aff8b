//! Decides whether a history keeps the promise.
//!
//! One pass over the events keeps, per conversation, what was seen of each number and what each device
//! saw as runs of numbers: memory follows messages and not events. A second pass fetches the lines that
//! prove what was found.

mod conversation;
mod invariant;
mod ranges;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use ids::{FileId, MessageId};
use serde::{Deserialize, Serialize};

use crate::history::{
    Body, Conversation, Device, DeviceKind, Event, FaultId, FaultStep, History, Membership, Op,
    Outcome, Person, Phase, Place, ReadError, VERSION, Via, What,
};
use conversation::{Standing, Submitted, Talk};
pub use invariant::Invariant;
pub use ranges::Ranges;

/// How many counterexamples of one invariant are kept; all are counted.
const EXAMPLES: usize = 5;

/// What is asked of a history beyond safety.
#[derive(Debug, Clone)]
pub struct Limits {
    /// After the last fault, messages are acknowledged and shown within this.
    pub live_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A lost tail is noticed by the next heartbeat, which comes every 15 s.
            live_within: Duration::from_secs(30),
        }
    }
}

/// What came of a check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub verdict: Verdict,
    /// How often each invariant was violated.
    pub violated: BTreeMap<Invariant, u64>,
    /// A few of each.
    pub violations: Vec<Violation>,
    /// Why nothing can be said; empty unless the verdict is unknown.
    pub unknown: Vec<String>,
    pub counts: Counts,
}

/// Whether the promise was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Passed,
    Violated,
    /// Nothing was found, but the history is not one that could have shown it.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Violated => "violated",
            Self::Unknown => "unknown",
        })
    }
}

/// Something that must hold and didn't, with what proves it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Violation {
    pub invariant: Invariant,
    /// In a sentence.
    pub finding: String,
    /// The few events that prove it, with their line numbers, in order.
    pub proof: Vec<(u64, Event)>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invariant = self.invariant;
        writeln!(f, "{invariant} ({}): {}", invariant.id(), self.finding)?;
        writeln!(f, "  must hold: {}", invariant.rule())?;
        for (line, event) in &self.proof {
            let seconds = Duration::from_nanos(event.t).as_secs_f64();
            let what = serde_json::to_string(&event.e).map_err(|_| fmt::Error)?;
            writeln!(f, "  line {line}, {seconds:.6} s: {what}")?;
        }
        Ok(())
    }
}

/// What a history holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub events: u64,
    /// Messages, and changes of messages, that were handed in, each once.
    pub sent: u64,
    pub acknowledged: u64,
    pub refused: u64,
    /// Attempts whose outcome is unknown.
    pub unknown_attempts: u64,
    /// Entries shown on devices.
    pub shown: u64,
    /// Entries on sockets that only note them.
    pub wire: u64,
    /// Of these, how many had been there before.
    pub wire_again: u64,
    pub pages: u64,
    /// Newest pages that lacked what somebody else had acknowledged: allowed, but worth knowing.
    pub stale_pages: u64,
    pub standings: u64,
    pub receipts: u64,
    /// Times that a client said that it leaves something out.
    pub skips: u64,
    /// Pairs of conversation and person that are left out of the checks of removals, because those
    /// can't be told apart.
    pub excluded_pairs: u64,
    pub pairs: u64,
    /// Faults, and those of them whose effect was seen.
    pub faults: u64,
    pub faults_seen: u64,
}

/// Checks a history.
///
/// # Errors
/// When it can't be read.
pub fn check<H: History + ?Sized>(history: &H, limits: &Limits) -> Result<Report, ReadError> {
    check_with(history, limits, |_| {})
}

/// As [`check`], and shows each event to `observer` on the way.
///
/// # Errors
/// When it can't be read.
pub fn check_with<H: History + ?Sized>(
    history: &H,
    limits: &Limits,
    mut observer: impl FnMut(&Event),
) -> Result<Report, ReadError> {
    let mut checker = Checker::new(limits.clone());
    let mut line = 0;
    for event in history.events()? {
        let event = event?;
        line += 1;
        if line == 1 && !matches!(&event.e, What::Begin { version, .. } if *version == VERSION) {
            return Err(ReadError::Version);
        }
        observer(&event);
        checker.take(line, event);
    }
    checker.finish(history)
}

/// Where an event is that proves something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Clue {
    Line(u64),
    /// The first in which the device was given the entry.
    Saw(Device, Conversation, u64),
    /// The last page of the device that says to cover the number.
    Covered(Device, Conversation, u64),
}

/// A finding whose proof has not been fetched.
#[derive(Debug)]
struct Finding {
    invariant: Invariant,
    text: String,
    clues: Vec<Clue>,
}

/// Collects findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    counts: BTreeMap<Invariant, u64>,
    kept: Vec<Finding>,
}

impl Findings {
    /// Notes that `invariant` is violated.
    pub(crate) fn add(
        &mut self,
        invariant: Invariant,
        clues: impl IntoIterator<Item = Clue>,
        text: impl FnOnce() -> String,
    ) {
        let count = self.counts.entry(invariant).or_default();
        *count += 1;
        if *count <= EXAMPLES as u64 {
            self.kept.push(Finding {
                invariant,
                text: text(),
                clues: clues.into_iter().collect(),
            });
        }
    }
}

/// An operation that has not ended.
#[derive(Debug)]
pub(crate) enum Pending {
    Send {
        d: Device,
        c: Conversation,
        cmid: ids::ClientMessageId,
        line: u64,
    },
    Mark {
        d: Device,
        c: Conversation,
        n: u64,
    },
    Member {
        c: Conversation,
        who: Person,
        change: Membership,
    },
    Ask {
        place: Place,
        line: u64,
        /// The highest own number that was acknowledged when the question was put.
        own: Option<(u64, u64)>,
        /// The highest of anybody.
        any: u64,
        /// Messages whose deletion was acknowledged then.
        deletions: usize,
    },
}

/// What is common to all conversations.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) limits: Limits,
    pub(crate) findings: Findings,
    pub(crate) counts: Counts,
    pub(crate) devices: HashMap<Device, (Person, DeviceKind)>,
    pub(crate) phase: Phase,
    /// Where each message was first seen.
    pub(crate) messages: HashMap<MessageId, (Conversation, u64, u64)>,
}

impl World {
    /// Whose device it is. A device that was not named is nobody's.
    pub(crate) fn person(&self, d: Device) -> Person {
        self.devices.get(&d).map_or(Person(u32::MAX), |(u, _)| *u)
    }
}

/// All conversations; one that is named by an event is there.
#[derive(Debug, Default)]
struct Talks(BTreeMap<Conversation, Talk>);

impl Talks {
    fn of(&mut self, c: Conversation) -> &mut Talk {
        self.0.entry(c).or_insert_with(|| Talk::new(c))
    }
}

#[derive(Debug)]
struct Checker {
    world: World,
    talks: Talks,
    pending: HashMap<Op, Pending>,
    files: HashMap<FileId, (Conversation, Body, u64)>,
    downloads: Vec<(Conversation, Person, FileId, Option<Body>, u64)>,
    faults: HashMap<FaultId, bool>,
    conversation_ids: HashMap<ids::ConversationId, u64>,
    quiesced: bool,
}

impl Checker {
    fn new(limits: Limits) -> Self {
        Self {
            world: World {
                limits,
                findings: Findings::default(),
                counts: Counts::default(),
                devices: HashMap::new(),
                phase: Phase::Seed,
                messages: HashMap::new(),
            },
            talks: Talks::default(),
            pending: HashMap::new(),
            files: HashMap::new(),
            downloads: Vec::new(),
            faults: HashMap::new(),
            conversation_ids: HashMap::new(),
            quiesced: false,
        }
    }

    fn take(&mut self, line: u64, Event { t, e }: Event) {
        let world = &mut self.world;
        world.counts.events += 1;
        let talks = &mut self.talks;
        match e {
            What::Begin { .. } | What::Person { .. } | What::Connection { .. } => {}
            What::Device { d, u, kind } => {
                world.devices.insert(d, (u, kind));
            }
            What::Conversation { c, id } => {
                if let Some(first) = self.conversation_ids.insert(id, line) {
                    let clues = [Clue::Line(first), Clue::Line(line)];
                    world.findings.add(Invariant::IdReused, clues, || {
                        format!("two conversations have the id {id}")
                    });
                }
                talks.of(c);
            }
            What::Phase(phase) => {
                world.phase = phase;
                self.quiesced |= phase == Phase::Final;
            }
            What::Fault {
                id, step, effect, ..
            } => match step {
                FaultStep::Begun => {
                    self.faults.entry(id).or_insert(false);
                }
                FaultStep::Over => {
                    self.faults.insert(id, effect.is_some());
                }
            },
            What::Send {
                op,
                d,
                c,
                cmid,
                body,
                via,
                files: _,
            } => {
                let what = Submitted::Message(body);
                talks.of(c).send(world, line, t, d, cmid, what, via);
                self.pending.insert(op, Pending::Send { d, c, cmid, line });
            }
            What::Edit {
                op,
                d,
                c,
                cmid,
                target,
                body,
            } => {
                let what = Submitted::Edit(target, body);
                talks.of(c).send(world, line, t, d, cmid, what, Via::Socket);
                self.pending.insert(op, Pending::Send { d, c, cmid, line });
            }
            What::Delete {
                op,
                d,
                c,
                cmid,
                target,
            } => {
                let what = Submitted::Delete(target);
                talks.of(c).send(world, line, t, d, cmid, what, Via::Socket);
                self.pending.insert(op, Pending::Send { d, c, cmid, line });
            }
            What::React {
                op,
                d,
                c,
                cmid,
                target,
                reaction,
            } => {
                let what = Submitted::React(target, reaction);
                talks.of(c).send(world, line, t, d, cmid, what, Via::Socket);
                self.pending.insert(op, Pending::Send { d, c, cmid, line });
            }
            What::Hide { d, c, target } => talks.of(c).hide(world.person(d), line, target),
            What::Hidden {
                d,
                c,
                target,
                count,
            } => talks.of(c).hidden(world, line, d, target, count),
            What::MarkUnread { d, c } => talks.of(c).mark_unread(world.person(d)),
            What::MarkRead { op, d, c, n } => {
                talks.of(c).mark(world.person(d), line, n);
                self.pending.insert(op, Pending::Mark { d, c, n });
            }
            What::Member {
                op,
                d: _,
                c,
                who,
                change,
            } => {
                self.pending.insert(op, Pending::Member { c, who, change });
            }
            What::Ask { op, d, c, page } => {
                let (own, any, deletions) = talks.of(c).asked(world.person(d));
                let ask = Pending::Ask {
                    place: page,
                    line,
                    own,
                    any,
                    deletions,
                };
                self.pending.insert(op, ask);
            }
            What::Done { op, outcome } => {
                let Some(pending) = self.pending.remove(&op) else {
                    return;
                };
                match pending {
                    Pending::Send {
                        d,
                        c,
                        cmid,
                        line: asked,
                    } => {
                        talks.of(c).sent(world, line, t, d, cmid, asked, outcome);
                    }
                    Pending::Mark { d, c, n } => {
                        if let Outcome::Ok { .. } = outcome {
                            talks.of(c).marked(world.person(d), line, n);
                        }
                    }
                    Pending::Member { c, who, change } => {
                        talks.of(c).member_done(who, change, t, line, &outcome);
                    }
                    // A page that came is a line of its own.
                    Pending::Ask { .. } => {}
                }
            }
            What::Wire { d, k: _, c, entry } => {
                world.counts.wire += 1;
                talks.of(c).wire(world, line, d, &entry);
            }
            What::Shown { d, c, entry } => {
                world.counts.shown += 1;
                talks.of(c).shown(world, line, t, d, &entry);
            }
            What::Skipped { d, c, to } => {
                world.counts.skips += 1;
                talks.of(c).skipped(world, d, to);
            }
            What::Page {
                op,
                d,
                c,
                from,
                to,
                head,
                entries,
            } => {
                world.counts.pages += 1;
                let ask = self.pending.remove(&op);
                talks
                    .of(c)
                    .page(world, line, d, ask.as_ref(), (from, to, head), &entries);
            }
            What::Standing {
                d,
                c,
                source,
                head,
                read,
                unread,
                hidden,
                unnamed,
                marked,
            } => {
                world.counts.standings += 1;
                let standing = Standing {
                    head,
                    read,
                    unread,
                    hidden,
                    marked,
                };
                let talk = talks.of(c);
                talk.standing(world, line, d, source, standing);
                if unnamed == 0 {
                    talk.count_is_told(world.person(d), line, standing);
                }
            }
            What::Receipt {
                d,
                c,
                from,
                kind,
                n,
            } => {
                world.counts.receipts += 1;
                talks.of(c).receipt(world, line, d, from, kind, n);
            }
            What::Uploaded {
                d: _,
                c,
                file,
                body,
            } => {
                if let Some((_, _, first)) = self.files.insert(file, (c, body, line)) {
                    let clues = [Clue::Line(first), Clue::Line(line)];
                    world.findings.add(Invariant::IdReused, clues, || {
                        format!("two files have the id {file}")
                    });
                }
            }
            What::Downloaded { d, c, file, body } => {
                let u = world.person(d);
                self.downloads.push((c, u, file, body, line));
            }
        }
    }

    fn finish<H: History + ?Sized>(mut self, history: &H) -> Result<Report, ReadError> {
        let mut read_by_nobody = 0;
        for talk in self.talks.0.values_mut() {
            read_by_nobody += talk.finish(&mut self.world);
        }
        self.check_files();
        let World {
            findings,
            mut counts,
            ..
        } = self.world;
        counts.faults = self.faults.len() as u64;
        counts.faults_seen = self.faults.values().filter(|seen| **seen).count() as u64;

        let mut unknown = Vec::new();
        let mut doubt = |is: bool, why: String| {
            if is {
                unknown.push(why);
            }
        };
        doubt(counts.acknowledged == 0, "nothing was acknowledged".into());
        doubt(counts.shown == 0, "nothing was shown".into());
        doubt(
            !self.quiesced,
            "it ends before everybody had caught up".into(),
        );
        doubt(
            read_by_nobody > 0,
            format!("{read_by_nobody} members did not read everything at the end"),
        );
        doubt(
            counts.faults_seen < counts.faults,
            format!(
                "{} of {} faults had no effect that was seen",
                counts.faults - counts.faults_seen,
                counts.faults
            ),
        );
        doubt(
            counts.excluded_pairs * 100 > counts.pairs,
            format!(
                "{} of {} pairs of person and conversation are left out",
                counts.excluded_pairs, counts.pairs
            ),
        );
        doubt(
            counts.skips * 100 > counts.shown,
            format!("clients left something out {} times", counts.skips),
        );
        let verdict = if !findings.counts.is_empty() {
            Verdict::Violated
        } else if unknown.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Unknown
        };
        Ok(Report {
            verdict,
            violations: prove(history, findings.kept)?,
            violated: findings.counts,
            unknown,
            counts,
        })
    }

    fn check_files(&mut self) {
        let findings = &mut self.world.findings;
        for (c, u, file, got, line) in &self.downloads {
            let Some((home, sent, uploaded)) = self.files.get(file) else {
                continue;
            };
            let talk = self.talks.0.get(home);
            let member = talk.is_some_and(|talk| talk.ever_saw(*u));
            // Whether it is for who left or is yet to come isn't told by numbers.
            let steady = talk
                .and_then(|talk| talk.steady_since(*u))
                .is_some_and(|joined| joined < *line);
            let clues = [Clue::Line(*uploaded), Clue::Line(*line)];
            match got {
                Some(_) if !member => findings.add(Invariant::FileLeaked, clues, || {
                    format!("{u} got the file {file} of {home} and was never in it")
                }),
                Some(got) if got != sent => findings.add(Invariant::FileDamaged, clues, || {
                    format!("{u} got other bytes than were sent as {file} in {c}")
                }),
                None if steady => findings.add(Invariant::FileDamaged, clues, || {
                    format!("{u}, a member of {home}, was refused the file {file}")
                }),
                _ => {}
            }
        }
    }
}

/// Fetches the lines that prove what was found.
fn prove<H: History + ?Sized>(
    history: &H,
    findings: Vec<Finding>,
) -> Result<Vec<Violation>, ReadError> {
    if findings.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: std::collections::HashSet<Clue> = findings
        .iter()
        .flat_map(|finding| finding.clues.iter().copied())
        .collect();
    let covered: Vec<(Device, Conversation, u64)> = wanted
        .iter()
        .filter_map(|clue| match clue {
            Clue::Covered(d, c, n) => Some((*d, *c, *n)),
            _ => None,
        })
        .collect();
    let mut found: HashMap<Clue, (u64, Event)> = HashMap::new();
    let mut line = 0;
    for event in history.events()? {
        let event = event?;
        line += 1;
        let keep = |found: &mut HashMap<Clue, (u64, Event)>, clue: Clue, event: &Event| {
            if wanted.contains(&clue) {
                found.entry(clue).or_insert_with(|| (line, event.clone()));
            }
        };
        keep(&mut found, Clue::Line(line), &event);
        match &event.e {
            What::Wire { d, c, entry, .. } | What::Shown { d, c, entry } => {
                keep(&mut found, Clue::Saw(*d, *c, entry.n), &event);
            }
            What::Page {
                d,
                c,
                entries,
                op,
                from,
                to,
                head,
            } => {
                // Of a page only the entries that matter.
                let part = |low: u64, high: u64| Event {
                    t: event.t,
                    e: What::Page {
                        op: *op,
                        d: *d,
                        c: *c,
                        from: *from,
                        to: *to,
                        head: *head,
                        entries: entries
                            .iter()
                            .filter(|entry| (low..=high).contains(&entry.n))
                            .cloned()
                            .collect(),
                    },
                };
                for entry in entries {
                    if wanted.contains(&Clue::Saw(*d, *c, entry.n)) {
                        keep(
                            &mut found,
                            Clue::Saw(*d, *c, entry.n),
                            &part(entry.n, entry.n),
                        );
                    }
                }
                for (device, talk, n) in &covered {
                    if (device, talk) == (d, c) && (from..=to).contains(&n) {
                        let clue = Clue::Covered(*d, *c, *n);
                        found.insert(clue, (line, part(n - 1, n + 1)));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(findings
        .into_iter()
        .map(|finding| {
            let mut proof: Vec<(u64, Event)> = finding
                .clues
                .iter()
                .filter_map(|clue| found.get(clue).cloned())
                .collect();
            proof.sort_by_key(|(line, _)| *line);
            proof.dedup_by_key(|(line, _)| *line);
            Violation {
                invariant: finding.invariant,
                finding: finding.text,
                proof,
            }
        })
        .collect())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "{} events; {} messages and changes handed in, {} acknowledged, {} refused; {} entries shown, \
             {} pages read, {} standings and {} receipts told; {} of {} faults had an effect",
            counts.events,
            counts.sent,
            counts.acknowledged,
            counts.refused,
            counts.shown,
            counts.pages,
            counts.standings,
            counts.receipts,
            counts.faults_seen,
            counts.faults,
        )?;
        for (invariant, count) in &self.violated {
            writeln!(
                f,
                "violated {count} times: {invariant} ({})",
                invariant.id()
            )?;
        }
        for violation in &self.violations {
            write!(f, "\n{violation}")?;
        }
        for why in &self.unknown {
            writeln!(f, "unknown: {why}")?;
        }
        write!(f, "verdict: {}", self.verdict)
    }
}

//! Writes the history down.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use client::wire;
use ids::{ClientMessageId, ConversationId, MessageId, UserId};

use crate::history::{
    Body, Change, Conversation, Device, DeviceKind, Entry, Event, FaultId, FaultStep, Op, Person,
    Phase, Reaction, Reactions, What,
};

/// Takes events from everybody, in one order, on one clock. Clones write to the same history.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    begun: Instant,
    ops: AtomicU32,
    faults: AtomicU32,
    book: Mutex<Book>,
}

struct Book {
    out: BufWriter<File>,
    /// The first that went wrong; nothing is written after it.
    error: Option<std::io::Error>,
    devices: u32,
    people: HashMap<UserId, Person>,
    conversations: HashMap<ConversationId, Conversation>,
}

impl Book {
    fn write(&mut self, begun: Instant, e: What) {
        if self.error.is_some() {
            return;
        }
        let t = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let event = Event { t, e };
        let written = serde_json::to_writer(&mut self.out, &event)
            .map_err(std::io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"));
        self.error = written.err();
    }
}

impl Recorder {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn begin(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(Arc::new(Inner {
            begun: Instant::now(),
            ops: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            book: Mutex::new(Book {
                out: BufWriter::with_capacity(1 << 20, file),
                error: None,
                devices: 0,
                people: HashMap::new(),
                conversations: HashMap::new(),
            }),
        })))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an event with the time of now.
    pub fn record(&self, e: What) {
        // The time is taken under the lock, so that lines are in its order.
        self.book().write(self.0.begun, e);
    }

    /// A number for an operation.
    #[must_use]
    pub fn op(&self) -> Op {
        Op(self.0.ops.fetch_add(1, Ordering::Relaxed))
    }

    /// Names a device of a person.
    pub fn device(&self, u: Person, kind: DeviceKind) -> Device {
        let mut book = self.book();
        let d = Device(book.devices);
        book.devices += 1;
        book.write(self.0.begun, What::Device { d, u, kind });
        d
    }

    /// The person with this id, named at the first time. Nobody that we know needs to have it.
    pub fn person(&self, id: UserId) -> Person {
        let mut book = self.book();
        if let Some(u) = book.people.get(&id) {
            return *u;
        }
        let u = Person(book.people.len() as u32);
        book.people.insert(id, u);
        book.write(self.0.begun, What::Person { u, id });
        u
    }

    /// Names a conversation.
    pub fn name_conversation(&self, id: ConversationId) -> Conversation {
        let mut book = self.book();
        let c = Conversation(book.conversations.len() as u32);
        book.conversations.insert(id, c);
        book.write(self.0.begun, What::Conversation { c, id });
        c
    }

    /// The conversation with this id, if it is one of the run.
    #[must_use]
    pub fn conversation(&self, id: ConversationId) -> Option<Conversation> {
        self.book().conversations.get(&id).copied()
    }

    /// A phase begins.
    pub fn phase(&self, phase: Phase) {
        self.record(What::Phase(phase));
    }

    /// A fault begins. Its number goes to [`Self::fault_is_over`].
    #[must_use]
    pub fn fault_begins(&self, kind: &str, target: &str) -> FaultId {
        let id = FaultId(self.0.faults.fetch_add(1, Ordering::Relaxed));
        self.record(What::Fault {
            id,
            kind: kind.to_owned(),
            target: target.to_owned(),
            step: FaultStep::Begun,
            effect: None,
        });
        id
    }

    /// A fault is over; `effect` is what showed that it happened.
    pub fn fault_is_over(&self, id: FaultId, kind: &str, target: &str, effect: Option<String>) {
        self.record(What::Fault {
            id,
            kind: kind.to_owned(),
            target: target.to_owned(),
            step: FaultStep::Over,
            effect,
        });
    }

    /// An entry as the history has it.
    #[must_use]
    pub fn entry(&self, entry: &wire::Entry) -> Entry {
        let person = |id: &str| {
            // What is no id is nobody's.
            UserId::parse(id).map_or(Person(u32::MAX), |id| self.person(id))
        };
        let is = match &entry.change {
            Some(wire::entry::Change::Message(message)) => {
                match (
                    MessageId::parse(&message.message_id),
                    ClientMessageId::parse(&message.client_message_id),
                ) {
                    (Ok(mid), Ok(cmid)) => Change::Message {
                        mid,
                        cmid,
                        body: (!message.deleted)
                            .then(|| body(&message.text, &message.attachment_ids)),
                        changed: message.changed_number,
                        reactions: Reactions(
                            message
                                .reactions
                                .iter()
                                .map(|kind| {
                                    let by = kind.user_ids.iter().map(|id| person(id)).collect();
                                    (kind.emoji.clone(), by)
                                })
                                .collect(),
                        ),
                    },
                    _ => Change::Other,
                }
            }
            Some(wire::entry::Change::Edited(edited)) => {
                let target = edited.number;
                match ClientMessageId::parse(&edited.client_message_id) {
                    Ok(cmid) => Change::Edited {
                        cmid,
                        target,
                        // Nobody edits a message to nothing.
                        body: (!edited.text.is_empty()).then(|| body(&edited.text, &[])),
                    },
                    Err(_) => Change::Other,
                }
            }
            Some(wire::entry::Change::Deleted(deleted)) => {
                let target = deleted.number;
                ClientMessageId::parse(&deleted.client_message_id)
                    .map_or(Change::Other, |cmid| Change::Deleted { cmid, target })
            }
            Some(wire::entry::Change::Reacted(reacted)) => {
                let target = reacted.number;
                let reaction = match &reacted.reaction {
                    Some(wire::reacted::Reaction::Added(emoji)) => {
                        Some(Reaction::Added(emoji.clone()))
                    }
                    Some(wire::reacted::Reaction::Removed(emoji)) => {
                        Some(Reaction::Removed(emoji.clone()))
                    }
                    None => None,
                };
                match (ClientMessageId::parse(&reacted.client_message_id), reaction) {
                    (Ok(cmid), Some(reaction)) => Change::Reacted {
                        cmid,
                        target,
                        reaction,
                    },
                    _ => Change::Other,
                }
            }
            Some(wire::entry::Change::Created(created)) => Change::Created {
                members: created.member_ids.iter().map(|id| person(id)).collect(),
            },
            Some(wire::entry::Change::Joined(joined)) => Change::Joined {
                who: person(&joined.user_id),
            },
            Some(wire::entry::Change::Left(left)) => Change::Left {
                who: person(&left.user_id),
            },
            _ => Change::Other,
        };
        Entry {
            n: entry.number,
            from: person(&entry.actor_id),
            is,
        }
    }

    /// Puts everything into the file.
    ///
    /// # Errors
    /// When anything could not be written.
    pub fn end(&self) -> Result<()> {
        let mut book = self.book();
        if let Some(error) = book.error.take() {
            return Err(error).context("write the history");
        }
        book.out.flush().context("write the history")
    }
}

/// The content of a message: text, then files.
#[must_use]
pub fn body(text: &str, files: &[String]) -> Body {
    let mut content = text.as_bytes().to_vec();
    for file in files {
        content.push(0);
        content.extend_from_slice(file.as_bytes());
    }
    Body::of(&content)
}

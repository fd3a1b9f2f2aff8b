//! What happened, as those who took part saw it: one event a line, JSON.
//!
//! Times are nanoseconds of one monotonic clock, that of the process that led everybody, so "before"
//! and "after" between two devices mean something. An operation is recorded before it begins and after
//! its outcome is known; what lies between the two may have happened at any moment, or not at all.
//!
//! The method is that of Jepsen's histories (<https://jepsen.io>): invoke, then ok, refused or unknown.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use ids::{ClientMessageId, ConversationId, FileId, MessageId, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Of the form of a history. A reader refuses others.
pub const VERSION: u32 = 3;

macro_rules! numbered {
    ($($(#[$doc:meta])* $name:ident $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

numbered! {
    /// Somebody with an account.
    Person "u",
    /// A device of a person.
    Device "d",
    /// A conversation.
    Conversation "c",
    /// An operation: what begins it and its [`What::Done`] have the same.
    Op "op",
    /// A fault that was made.
    FaultId "fault",
}

/// The first 48 bits of the SHA-256 of a content: exact in every reader of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Body(pub u64);

impl Body {
    /// Of these bytes.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        Self(
            digest
                .iter()
                .take(6)
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
        )
    }
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since the history began; never less than in the line before.
    pub t: u64,
    pub e: What,
}

/// What happened. `d` is the device that did or saw it, `c` the conversation, numbers are those of
/// entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The first line.
    Begin {
        version: u32,
        seed: u64,
        /// All options, as expanded, so that the run can be made again.
        options: String,
    },
    /// Names a person.
    Person { u: Person, id: UserId },
    /// Names a device.
    Device {
        d: Device,
        u: Person,
        kind: DeviceKind,
    },
    /// Names a conversation.
    Conversation { c: Conversation, id: ConversationId },
    /// A phase begins.
    Phase(Phase),
    /// A fault begins or is over.
    Fault {
        id: FaultId,
        kind: String,
        target: String,
        step: FaultStep,
        /// What showed that it happened; only with [`FaultStep::Over`]. None: nothing did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<String>,
    },
    /// The connection of a device changed; `k` counts its connections.
    Connection { d: Device, k: u32, state: String },

    /// A message is handed in, or once more with the same `cmid`.
    Send {
        op: Op,
        d: Device,
        c: Conversation,
        cmid: ClientMessageId,
        body: Body,
        via: Via,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileId>,
    },
    /// A message gets another content: by socket, like the other changes of messages.
    Edit {
        op: Op,
        d: Device,
        c: Conversation,
        cmid: ClientMessageId,
        target: u64,
        body: Body,
    },
    /// A message is deleted for everybody.
    Delete {
        op: Op,
        d: Device,
        c: Conversation,
        cmid: ClientMessageId,
        target: u64,
    },
    /// A reaction is put to a message, or taken from it.
    React {
        op: Op,
        d: Device,
        c: Conversation,
        cmid: ClientMessageId,
        target: u64,
        reaction: Reaction,
    },
    /// A message is hidden from the person alone. Its answer is [`What::Hidden`].
    Hide {
        d: Device,
        c: Conversation,
        target: u64,
    },
    /// The conversation is to look unread.
    MarkUnread { d: Device, c: Conversation },
    /// A read mark is moved up to `n`.
    MarkRead {
        op: Op,
        d: Device,
        c: Conversation,
        n: u64,
    },
    /// `who` is made a member, or made none, by the person of `d`.
    Member {
        op: Op,
        d: Device,
        c: Conversation,
        who: Person,
        change: Membership,
    },
    /// The device asks for a page of history.
    Ask {
        op: Op,
        d: Device,
        c: Conversation,
        page: Place,
    },
    /// How an operation ended. One without this line ended in no known way.
    Done { op: Op, outcome: Outcome },

    /// An entry arrived on a socket, before any rule of the client.
    Wire {
        d: Device,
        k: u32,
        c: Conversation,
        entry: Entry,
    },
    /// An entry was shown, after all rules of the client.
    Shown {
        d: Device,
        c: Conversation,
        entry: Entry,
    },
    /// The client said that it leaves out entries up to `to`.
    Skipped { d: Device, c: Conversation, to: u64 },
    /// A page of history: the answer to [`What::Ask`]. It says of itself that it is complete from
    /// `from` to `to`.
    Page {
        op: Op,
        d: Device,
        c: Conversation,
        from: u64,
        to: u64,
        head: u64,
        entries: Vec<Entry>,
    },
    /// The device learned where its person stands. Those of one device and source don't overlap in time.
    Standing {
        d: Device,
        c: Conversation,
        source: Source,
        head: u64,
        read: u64,
        unread: u64,
        /// How many entries the person had hidden.
        #[serde(default, skip_serializing_if = "is_zero")]
        hidden: u64,
        /// How many of these the device can't name yet: until then its count may be wrong.
        #[serde(default, skip_serializing_if = "is_zero")]
        unnamed: u64,
        /// Whether it looks unread.
        #[serde(default, skip_serializing_if = "is_false")]
        marked: bool,
    },
    /// The device learned that its person has hidden `target`, as the `count`th in the conversation.
    Hidden {
        d: Device,
        c: Conversation,
        target: u64,
        count: u64,
    },
    /// The device learned how far `from` has got.
    Receipt {
        d: Device,
        c: Conversation,
        from: Person,
        kind: ReceiptKind,
        n: u64,
    },
    /// A file was uploaded.
    Uploaded {
        d: Device,
        c: Conversation,
        file: FileId,
        body: Body,
    },
    /// A file was downloaded; none: refused.
    Downloaded {
        d: Device,
        c: Conversation,
        file: FileId,
        body: Option<Body>,
    },
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A session of the SDK: everything has to be shown on it.
    Session,
    /// Notes what comes on a socket, and applies no rule.
    Wire,
    /// Signs in at the end and reads everything.
    Fresh,
}

/// A stretch of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// People, conversations and a first few messages.
    Seed,
    /// Load without faults.
    WarmUp,
    /// Load with faults.
    Chaos,
    /// Load after the last fault.
    Heal,
    /// No load; everybody catches up.
    Quiesce,
    /// Everybody has caught up: fresh devices read everything.
    Final,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seed => "seed",
            Self::WarmUp => "warm-up",
            Self::Chaos => "chaos",
            Self::Heal => "heal",
            Self::Quiesce => "quiesce",
            Self::Final => "final read",
        })
    }
}

/// How far a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultStep {
    Begun,
    Over,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Socket,
    Rest,
}

/// A change of membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    Add,
    Remove,
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Newest,
    After(u64),
    Before(u64),
}

/// Who told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The session of the SDK, which is told by the socket.
    Session,
    /// REST.
    Rest,
}

/// What a receipt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    Delivered,
    Read,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened. The number that it was given, where it is given one and the answer says so.
    Ok {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<MessageId>,
    },
    /// It certainly did not happen, by this attempt.
    Refused { code: String },
    /// It may have happened, or happen yet.
    Unknown { why: String },
}

/// A numbered change of a conversation, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub n: u64,
    pub from: Person,
    pub is: Change,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Message {
        mid: MessageId,
        cmid: ClientMessageId,
        /// Its content as of then. None: it is deleted.
        body: Option<Body>,
        /// Number of the last change in it; 0: none is.
        #[serde(default, skip_serializing_if = "is_zero")]
        changed: u64,
        #[serde(default, skip_serializing_if = "Reactions::is_empty")]
        reactions: Reactions,
    },
    Created {
        members: Vec<Person>,
    },
    Joined {
        who: Person,
    },
    Left {
        who: Person,
    },
    Edited {
        cmid: ClientMessageId,
        target: u64,
        /// None: the message was deleted later.
        body: Option<Body>,
    },
    Deleted {
        cmid: ClientMessageId,
        target: u64,
    },
    Reacted {
        cmid: ClientMessageId,
        target: u64,
        reaction: Reaction,
    },
    /// Of a later version.
    Other,
}

impl Change {
    /// The id under which somebody handed it in.
    #[must_use]
    pub const fn cmid(&self) -> Option<ClientMessageId> {
        match self {
            Self::Message { cmid, .. }
            | Self::Edited { cmid, .. }
            | Self::Deleted { cmid, .. }
            | Self::Reacted { cmid, .. } => Some(*cmid),
            _ => None,
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(is: &bool) -> bool {
    !is
}

/// What becomes of somebody's reaction, an emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    Added(String),
    Removed(String),
}

/// Who reacts to a message with which emoji: each in the order in which the first came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reactions(pub Vec<(String, Vec<Person>)>);

impl Reactions {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A person reacts, or no longer does. Once with each emoji.
    pub fn take_in(&mut self, by: Person, reaction: &Reaction) {
        match reaction {
            Reaction::Added(emoji) => match self.0.iter_mut().find(|(kind, _)| kind == emoji) {
                Some((_, people)) if people.contains(&by) => {}
                Some((_, people)) => people.push(by),
                None => self.0.push((emoji.clone(), vec![by])),
            },
            Reaction::Removed(emoji) => {
                for (_, people) in self.0.iter_mut().filter(|(kind, _)| kind == emoji) {
                    people.retain(|person| *person != by);
                }
                self.0.retain(|(_, people)| !people.is_empty());
            }
        }
    }
}

/// Why a history can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("can't read the history")]
    Io(#[from] std::io::Error),
    #[error("line {line} is not an event: {source}")]
    Line {
        line: u64,
        source: serde_json::Error,
    },
    #[error("the first line has to begin a history of version {VERSION}")]
    Version,
}

/// Events, in order.
pub type Events<'a> = Box<dyn Iterator<Item = Result<Event, ReadError>> + 'a>;

/// Where events come from. They are read more than once.
pub trait History {
    /// From the first line.
    ///
    /// # Errors
    /// When it can't be opened.
    fn events(&self) -> Result<Events<'_>, ReadError>;
}

impl History for [Event] {
    fn events(&self) -> Result<Events<'_>, ReadError> {
        Ok(Box::new(self.iter().cloned().map(Ok)))
    }
}

/// A history in a file of one JSON document a line.
#[derive(Debug, Clone)]
pub struct HistoryFile(pub PathBuf);

impl HistoryFile {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl History for HistoryFile {
    fn events(&self) -> Result<Events<'_>, ReadError> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&self.0)?);
        let (mut text, mut line) = (String::new(), 0);
        Ok(Box::new(std::iter::from_fn(move || {
            text.clear();
            match reader.read_line(&mut text) {
                Err(error) => return Some(Err(error.into())),
                Ok(0) => return None,
                Ok(_) => line += 1,
            }
            Some(serde_json::from_str(&text).map_err(|source| ReadError::Line { line, source }))
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let text = r#"{"t":5,"e":{"done":{"op":3,"outcome":{"ok":{"number":7}}}}}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(
            event,
            Event {
                t: 5,
                e: What::Done {
                    op: Op(3),
                    outcome: Outcome::Ok {
                        number: Some(7),
                        mid: None
                    }
                }
            }
        );
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
    }

    #[test]
    fn a_body_is_exact_in_a_double() {
        assert!(Body::of(b"hello").0 < 1 << 53);
        assert_ne!(Body::of(b"hello"), Body::of(b"hallo"));
    }
}

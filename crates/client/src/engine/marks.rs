//! What the person's device tells of the person in one conversation: how far it has got and how far they
//! have read, that it is to look unread, what is hidden. None of it has an answer of its own, and all of it
//! may come twice. So it is sent again on the next connection unless the server's state shows it, or two
//! heartbeats vouch for it: one that counts it, and one that is [`SETTLED_AFTER_MS`] younger.

use std::collections::BTreeMap;

use ids::ConversationId;
use proto::socket::{Hide, MarkDelivered, MarkRead, MarkUnread, client_frame};

use super::Action;

/// Marks of what was delivered are merged to one in this time, during which the person may read it, and
/// then they are none.
const MERGE_MS: u64 = 1_000;
/// A gateway that has read a frame has it in the log by then, or has said that it couldn't.
const SETTLED_AFTER_MS: u64 = 15_000;

/// Whether the conversation is to look unread, where it did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Unread,
    /// Read up to here, though the mark may have been there before.
    ReadTo(u64),
}

/// How far something has got on this connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Unsent,
    /// It is among the frames that are sent now.
    Leaving,
    /// At the latest the frame of this number, from 1.
    Sent {
        frame: u64,
    },
    /// A heartbeat counted it: at this time of ours, and of the server.
    Read {
        at: u64,
        server_ms: i64,
    },
    Settled,
}

/// What a heartbeat says of frames of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat {
    pub(super) now: u64,
    pub(super) frames_received: u64,
    pub(super) server_ms: i64,
}

impl Way {
    fn leave(&mut self, frames: u64) {
        if *self == Self::Leaving {
            *self = Self::Sent { frame: frames };
        }
    }

    /// Both clocks have to say so: ours doesn't know what waits on the way, and the server's may jump.
    fn hear(&mut self, beat: Beat) {
        match *self {
            Self::Sent { frame } if frame <= beat.frames_received => {
                *self = Self::Read {
                    at: beat.now,
                    server_ms: beat.server_ms,
                };
            }
            Self::Read { at, server_ms }
                if at + SETTLED_AFTER_MS <= beat.now
                    && server_ms.saturating_add_unsigned(SETTLED_AFTER_MS) <= beat.server_ms =>
            {
                *self = Self::Settled;
            }
            _ => {}
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Marks {
    read_wanted: u64,
    read_sent: u64,
    look: Option<(Look, Way)>,
    hides: BTreeMap<u64, Way>,
    /// The last message of somebody else that was shown.
    delivered: u64,
    /// When it goes to the server.
    delivered_due: Option<u64>,
    delivered_sent: u64,
    delivered_way: Way,
    delivered_settled: u64,
}

/// What the server is known to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnServer {
    /// A mark never passes it.
    pub(super) head: u64,
    pub(super) read: u64,
}

impl Marks {
    pub(super) fn want_read(&mut self, number: u64, read: u64, is_marked_unread: bool) {
        self.read_wanted = self.read_wanted.max(number);
        let takes_off = is_marked_unread || matches!(self.look, Some((Look::Unread, _)));
        if number > 0 && number >= read && takes_off {
            self.look = Some((Look::ReadTo(number), Way::Unsent));
        }
    }

    pub(super) fn want_unread(&mut self) {
        self.look = Some((Look::Unread, Way::Unsent));
    }

    pub(super) fn want_hide(&mut self, number: u64) {
        self.hides.entry(number).or_default();
    }

    /// A message of somebody else was shown.
    pub(super) fn got(&mut self, number: u64) {
        self.delivered = self.delivered.max(number);
    }

    /// Whoever left has no marks to move.
    pub(super) const fn left(&mut self) {
        self.delivered_settled = self.delivered;
        self.delivered_due = None;
    }

    pub(super) fn is_hidden(&mut self, number: u64) {
        self.hides.remove(&number);
    }

    fn owes_delivered(&self, read: u64) -> bool {
        self.delivered > self.delivered_settled && self.delivered > self.read_wanted.max(read)
    }

    /// Whether there is anything that the server may not have.
    pub(super) fn is_owing(&self, read: u64) -> bool {
        self.read_wanted > read
            || self.look.is_some()
            || !self.hides.is_empty()
            || self.owes_delivered(read)
    }

    fn read_to_send(&self, server: OnServer) -> Option<u64> {
        let number = self.read_wanted.min(server.head);
        (number > server.read && number > self.read_sent).then_some(number)
    }

    /// Sends what is due.
    pub(super) fn pump(
        &mut self,
        now: u64,
        id: ConversationId,
        server: OnServer,
        out: &mut Vec<Action>,
    ) {
        let mut transmit = |frame| out.push(Action::Transmit(frame));
        let conversation_id = || id.to_string();
        if let Some(number) = self.read_to_send(server) {
            self.read_sent = number;
            if let Some((Look::ReadTo(wanted), way)) = &mut self.look
                && *wanted <= number
            {
                *way = Way::Leaving;
            }
            transmit(client_frame::Frame::MarkRead(MarkRead {
                conversation_id: conversation_id(),
                number,
            }));
        }
        if let Some((look, way @ Way::Unsent)) = &mut self.look {
            *way = Way::Leaving;
            transmit(match look {
                Look::Unread => client_frame::Frame::MarkUnread(MarkUnread {
                    conversation_id: conversation_id(),
                }),
                Look::ReadTo(number) => client_frame::Frame::MarkRead(MarkRead {
                    conversation_id: conversation_id(),
                    number: (*number).min(server.head),
                }),
            });
        }
        for (number, way) in &mut self.hides {
            if *way == Way::Unsent {
                *way = Way::Leaving;
                transmit(client_frame::Frame::Hide(Hide {
                    conversation_id: conversation_id(),
                    number: *number,
                }));
            }
        }
        if !self.owes_delivered(server.read) || self.delivered <= self.delivered_sent {
            self.delivered_due = None;
            return;
        }
        let due = *self.delivered_due.get_or_insert(now + MERGE_MS);
        if due <= now {
            self.delivered_due = None;
            self.delivered_sent = self.delivered;
            self.delivered_way = Way::Leaving;
            transmit(client_frame::Frame::MarkDelivered(MarkDelivered {
                conversation_id: conversation_id(),
                number: self.delivered,
            }));
        }
    }

    /// When [`Self::pump`] has something to do.
    pub(super) fn deadline(&self, server: OnServer) -> u64 {
        let unsent = self.read_to_send(server).is_some()
            || matches!(self.look, Some((_, Way::Unsent)))
            || self.hides.values().any(|way| *way == Way::Unsent)
            || (self.delivered_due.is_none()
                && self.owes_delivered(server.read)
                && self.delivered > self.delivered_sent);
        if unsent {
            0
        } else {
            self.delivered_due.unwrap_or(u64::MAX)
        }
    }

    /// Nobody knows what became of what was sent: all of it is sent again.
    pub(super) fn lost(&mut self) {
        self.read_sent = 0;
        for way in self.ways() {
            *way = Way::Unsent;
        }
        self.delivered_sent = self.delivered_settled;
        self.delivered_due = None;
    }

    fn ways(&mut self) -> impl Iterator<Item = &mut Way> {
        let look = self.look.iter_mut().map(|(_, way)| way);
        look.chain(self.hides.values_mut())
            .chain([&mut self.delivered_way])
    }

    /// So many frames were sent on this connection, with what [`Self::pump`] has added.
    pub(super) fn sent(&mut self, frames: u64) {
        self.ways().for_each(|way| way.leave(frames));
    }

    pub(super) fn heartbeat(&mut self, beat: Beat) {
        self.ways().for_each(|way| way.hear(beat));
        self.look = self.look.filter(|(_, way)| *way != Way::Settled);
        self.hides.retain(|_, way| *way != Way::Settled);
        if self.delivered_way == Way::Settled {
            self.delivered_settled = self.delivered_settled.max(self.delivered_sent);
        }
    }
}

//! What the person's device tells of the person in one conversation: how far it has got and how far they
//! have read, that it is to look unread, what is hidden. None of it has an answer of its own, and all of it
//! may come twice. So it is sent again on the next connection unless the server's state shows it, or the
//! connection outlived it by [`SETTLED_AFTER_MS`] and a heartbeat.

use std::collections::BTreeMap;

use ids::ConversationId;
use proto::socket::{Hide, MarkDelivered, MarkRead, MarkUnread, client_frame};

use super::Action;

/// Marks of what was delivered are merged to one in this time, during which the person may read it, and
/// then they are none.
const MERGE_MS: u64 = 1_000;
/// A gateway has a frame in the log by then, or has said that it couldn't. It may send heartbeats for 10 s after
/// it was cut off from the log, so a heartbeat that came sooner would not vouch for a frame.
const SETTLED_AFTER_MS: u64 = 15_000;

/// Whether the conversation is to look unread, where it did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Unread,
    /// Read up to here, though the mark may have been there before.
    ReadTo(u64),
}

/// When something was sent on this connection.
type SentAt = Option<u64>;

#[derive(Debug, Default)]
pub(super) struct Marks {
    read_wanted: u64,
    read_sent: u64,
    look: Option<(Look, SentAt)>,
    hides: BTreeMap<u64, SentAt>,
    /// The last message of somebody else that was shown.
    delivered: u64,
    /// When it goes to the server.
    delivered_due: Option<u64>,
    delivered_sent: u64,
    delivered_sent_at: u64,
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
            self.look = Some((Look::ReadTo(number), None));
        }
    }

    pub(super) fn want_unread(&mut self) {
        self.look = Some((Look::Unread, None));
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
            if let Some((Look::ReadTo(wanted), sent_at)) = &mut self.look
                && *wanted <= number
            {
                *sent_at = Some(now);
            }
            transmit(client_frame::Frame::MarkRead(MarkRead {
                conversation_id: conversation_id(),
                number,
            }));
        }
        if let Some((look, sent_at @ None)) = &mut self.look {
            *sent_at = Some(now);
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
        for (number, sent_at) in &mut self.hides {
            if sent_at.is_none() {
                *sent_at = Some(now);
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
            self.delivered_sent_at = now;
            transmit(client_frame::Frame::MarkDelivered(MarkDelivered {
                conversation_id: conversation_id(),
                number: self.delivered,
            }));
        }
    }

    /// When [`Self::pump`] has something to do.
    pub(super) fn deadline(&self, server: OnServer) -> u64 {
        let unsent = self.read_to_send(server).is_some()
            || matches!(self.look, Some((_, None)))
            || self.hides.values().any(Option::is_none)
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
        if let Some((_, sent_at)) = &mut self.look {
            *sent_at = None;
        }
        for sent_at in self.hides.values_mut() {
            *sent_at = None;
        }
        self.delivered_sent = self.delivered_settled;
        self.delivered_due = None;
    }

    /// A heartbeat came: the connection is alive.
    pub(super) fn settle(&mut self, now: u64) {
        let is_settled = |sent_at: SentAt| sent_at.is_some_and(|at| at + SETTLED_AFTER_MS <= now);
        if self.look.is_some_and(|(_, sent_at)| is_settled(sent_at)) {
            self.look = None;
        }
        self.hides.retain(|_, sent_at| !is_settled(*sent_at));
        if is_settled(Some(self.delivered_sent_at)) {
            self.delivered_settled = self.delivered_settled.max(self.delivered_sent);
        }
    }
}

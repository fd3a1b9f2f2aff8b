//! Messages of one conversation, and changes of messages, that the server has not answered for.

use std::collections::VecDeque;

use ids::{ClientMessageId, ConversationId};
use proto::socket::{Change, Delete, Edit, React, Send, change, client_frame, react};
use rand::rngs::SmallRng;

use super::backoff::Backoff;
use super::{Action, Config, MessageChange, Submission};

#[derive(Debug)]
struct Pending {
    id: ClientMessageId,
    what: Submission,
    attempts: u32,
}

impl Pending {
    fn frame(&self, conversation: ConversationId, restarts: bool) -> client_frame::Frame {
        let (client_message_id, conversation_id) = (self.id.to_string(), conversation.to_string());
        match &self.what {
            Submission::Message(draft) => client_frame::Frame::Send(Send {
                client_message_id,
                conversation_id,
                text: draft.text.clone(),
                attachment_ids: draft.attachments.iter().map(ToString::to_string).collect(),
                reply_to_number: draft.reply_to.unwrap_or(0),
                attempt: self.attempts,
                outbox_restart: restarts,
            }),
            Submission::Change { number, change } => client_frame::Frame::Change(Change {
                client_message_id,
                conversation_id,
                number: *number,
                change: Some(wire_change(change)),
                attempt: self.attempts,
                outbox_restart: restarts,
            }),
        }
    }
}

fn wire_change(change: &MessageChange) -> change::Change {
    let react = |reaction| {
        change::Change::React(React {
            reaction: Some(reaction),
        })
    };
    match change {
        MessageChange::Edit(text) => change::Change::Edit(Edit { text: text.clone() }),
        MessageChange::Delete => change::Change::Delete(Delete {}),
        MessageChange::AddReaction(emoji) => react(react::Reaction::Add(emoji.clone())),
        MessageChange::RemoveReaction(emoji) => react(react::Reaction::Remove(emoji.clone())),
    }
}

/// A queue whose first `in_flight` messages were sent on this connection.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Pending>,
    in_flight: usize,
    /// The next frame is the first of a new beginning.
    restarts: bool,
    hold_until: u64,
    /// When an answer is overdue.
    overdue_at: u64,
    /// Times in a row that answers were overdue.
    overdue: u32,
    refusals: Backoff,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            in_flight: 0,
            restarts: false,
            hold_until: 0,
            overdue_at: u64::MAX,
            overdue: 0,
            refusals: Backoff::new(100, 5_000),
        }
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds something at the end; what is there already stays where it is.
    pub(super) fn push(&mut self, id: ClientMessageId, what: Submission, attempts: u32) {
        if self.queue.iter().rev().all(|pending| pending.id != id) {
            self.queue.push_back(Pending { id, what, attempts });
        }
    }

    /// Takes out what was answered for good; false: it is not here.
    pub(super) fn remove(&mut self, now: u64, id: ClientMessageId, timeout_ms: u64) -> bool {
        // Answers come in order, so it is the first one.
        let Some(index) = self.queue.iter().position(|pending| pending.id == id) else {
            return false;
        };
        self.queue.remove(index);
        if index < self.in_flight {
            self.in_flight -= 1;
        }
        self.overdue = 0;
        self.refusals.reset();
        self.overdue_at = if self.in_flight > 0 {
            now + timeout_ms
        } else {
            u64::MAX
        };
        true
    }

    /// The connection is gone: everything is sent again on the next one.
    pub(super) const fn lost(&mut self) {
        self.again();
        self.hold_until = 0;
    }

    /// The server refused `id` with "retry", and with it all that follows it until a new beginning.
    pub(super) fn restart(
        &mut self,
        now: u64,
        id: ClientMessageId,
        after_ms: u64,
        rng: &mut SmallRng,
    ) {
        // The refusals of those that followed arrive while we already wait.
        if self
            .queue
            .iter()
            .take(self.in_flight)
            .any(|pending| pending.id == id)
        {
            self.again();
            let jitter = self.refusals.next(rng);
            self.hold_until = now + after_ms.max(50) + jitter;
        }
    }

    const fn again(&mut self) {
        self.restarts |= self.in_flight > 0;
        self.in_flight = 0;
        self.overdue_at = u64::MAX;
    }

    /// Sends what may be sent, in order.
    pub(super) fn pump(
        &mut self,
        now: u64,
        conversation: ConversationId,
        config: &Config,
        out: &mut Vec<Action>,
    ) {
        if self.overdue_at <= now {
            self.overdue += 1;
            self.again();
        }
        if self.hold_until > now {
            return;
        }
        while self.in_flight < config.window {
            let Some(pending) = self.queue.get_mut(self.in_flight) else {
                break;
            };
            pending.attempts += 1;
            let restarts = std::mem::take(&mut self.restarts);
            out.push(Action::Transmit(pending.frame(conversation, restarts)));
            if self.in_flight == 0 {
                self.overdue_at = now + (config.answer_timeout_ms << self.overdue.min(3));
            }
            self.in_flight += 1;
        }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> u64 {
        if self.in_flight == 0 && !self.queue.is_empty() {
            self.hold_until
        } else {
            self.overdue_at
        }
    }
}

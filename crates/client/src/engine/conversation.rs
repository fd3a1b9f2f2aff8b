//! One conversation: what is held, what is missing, where the reader stands.

use std::collections::{BTreeMap, VecDeque};

use ids::{ConversationId, UserId};
use proto::socket::{ConversationState, Entry, entry};

use super::backoff::Backoff;
use super::marks::{Marks, OnServer};
use super::outbox::Outbox;
use super::receipts::Receipts;
use super::{Action, Standing, Update, tell};

/// A hole between what is held and what is known to exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Idle,
    Fetching,
    Retry { at: u64 },
}

impl Gap {
    pub(super) fn forget_retry(&mut self) {
        if let Self::Retry { .. } = self {
            *self = Self::Idle;
        }
    }
}

/// Deletions above the state that are kept; beyond it a new state is fetched.
const MAX_DELETED: usize = 1_024;

/// A message that was deleted since the state.
#[derive(Debug)]
struct Deleted {
    /// The entry that says so.
    number: u64,
    target: u64,
}

#[derive(Debug)]
pub(super) struct Conversation {
    /// Everything up to here was shown, or is none of this session's business. None: not known yet.
    pub(super) held: Option<u64>,
    /// The highest number that is known to exist for this person.
    target: u64,
    /// Entries above a hole.
    waiting: BTreeMap<u64, Entry>,
    pub(super) gap: Gap,
    pub(super) fetch_backoff: Backoff,
    /// Look once whether there is more, though nothing says so.
    pub(super) probe: bool,
    /// The person is not in it any more.
    pub(super) left: bool,
    pub(super) outbox: Outbox,
    state: Option<ConversationState>,
    /// Total of the last entry shown.
    shown_total: u64,
    /// Own messages shown that `state` doesn't know of; it follows each of them within moments.
    own: VecDeque<u64>,
    /// Messages of others that `state` may count and that were deleted since.
    deleted: VecDeque<Deleted>,
    /// What the person has hidden, in the order of hiding, as far as it is known.
    hidden: Vec<u64>,
    /// How many there are.
    hidden_count: u64,
    pub(super) hidden_gap: Gap,
    pub(super) receipts: Receipts,
    pub(super) marks: Marks,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            held: None,
            target: 0,
            waiting: BTreeMap::new(),
            gap: Gap::Idle,
            fetch_backoff: Backoff::new(200, 5_000),
            probe: false,
            left: false,
            outbox: Outbox::default(),
            state: None,
            shown_total: 0,
            own: VecDeque::new(),
            deleted: VecDeque::new(),
            hidden: Vec::new(),
            hidden_count: 0,
            hidden_gap: Gap::Idle,
            receipts: Receipts::default(),
            marks: Marks::default(),
        }
    }
}

impl Conversation {
    pub(super) fn held(held: u64) -> Self {
        Self {
            held: Some(held),
            ..Self::default()
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.held.is_some_and(|held| held < self.target)
    }

    pub(super) fn gap_size(&self) -> u64 {
        self.held.map_or(0, |held| self.target.saturating_sub(held))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_behind()
            || self.probe
            || self.gap != Gap::Idle
            || self.lacks_hidden()
            || self.hidden_gap != Gap::Idle
            || !self.outbox.is_empty()
            || self.marks.is_owing(self.read())
    }

    fn read(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.read_number)
    }

    /// Learns that there is an entry with this number.
    pub(super) fn reaches(&mut self, number: u64) {
        if !self.left {
            self.target = self.target.max(number);
        }
    }

    /// The first entry of a conversation that was not there when we compared.
    pub(super) fn begin_with(&mut self, entry: &Entry, me: UserId) {
        // Who joins sees what comes after.
        let joins = matches!(&entry.change, Some(entry::Change::Joined(joined))
            if UserId::parse(&joined.user_id) == Ok(me));
        self.held = Some(if joins { entry.previous_number } else { 0 });
    }

    /// There is more for this person to see than the entry by which they left.
    pub(super) fn member_again(&mut self, head: u64) {
        if self.held.is_some_and(|held| head > held) {
            self.left = false;
        }
    }

    /// An entry from the socket.
    pub(super) fn live(&mut self, entry: Entry, max_waiting: usize) {
        if self.left && self.held.is_some_and(|held| entry.number > held) {
            self.left = false;
        }
        self.reaches(entry.number);
        if self.held.is_some_and(|held| entry.number <= held) {
            return;
        }
        self.waiting.insert(entry.number, entry);
        if self.waiting.len() > max_waiting {
            // The hole is filled from its beginning, so the last ones are needed last.
            self.waiting.pop_last();
        }
    }

    pub(super) fn first_waiting_previous(&self) -> u64 {
        self.waiting
            .first_key_value()
            .map_or(u64::MAX, |(_, entry)| entry.previous_number)
    }

    /// Shows what follows without a hole.
    pub(super) fn show_waiting(&mut self, id: ConversationId, me: UserId, out: &mut Vec<Action>) {
        while let Some(held) = self.held
            && let Some(first) = self.waiting.first_entry()
        {
            if *first.key() <= held {
                first.remove();
            } else if first.get().previous_number <= held {
                let entry = first.remove();
                self.show(id, me, entry, out);
            } else {
                break;
            }
        }
        self.tell_receipts(id, out);
    }

    /// Tells receipts about what was shown.
    pub(super) fn tell_receipts(&mut self, id: ConversationId, out: &mut Vec<Action>) {
        if let Some(held) = self.held {
            self.receipts.tell(id, held, out);
        }
    }

    /// A page of history that begins at or below what is held.
    pub(super) fn fill(
        &mut self,
        id: ConversationId,
        me: UserId,
        entries: Vec<Entry>,
        covered_to: u64,
        out: &mut Vec<Action>,
    ) {
        for entry in entries {
            if self.held.is_some_and(|held| entry.number > held) && entry.number <= covered_to {
                self.waiting.remove(&entry.number);
                self.show(id, me, entry, out);
            }
        }
        // Numbers without an entry are not for this person.
        self.held = self.held.map(|held| held.max(covered_to));
        self.show_waiting(id, me, out);
    }

    fn show(&mut self, id: ConversationId, me: UserId, entry: Entry, out: &mut Vec<Action>) {
        self.held = Some(entry.number);
        self.target = self.target.max(entry.number);
        self.shown_total = entry.countable_total;
        let state_head = self.state.as_ref().map_or(0, |state| state.head_number);
        match &entry.change {
            Some(entry::Change::Message(_)) if UserId::parse(&entry.actor_id) != Ok(me) => {
                self.marks.got(entry.number);
            }
            Some(entry::Change::Message(_)) if entry.number > state_head => {
                self.own.push_back(entry.number);
            }
            Some(entry::Change::Deleted(deleted))
                if entry.number > state_head && UserId::parse(&deleted.author_id) != Ok(me) =>
            {
                self.deleted.push_back(Deleted {
                    number: entry.number,
                    target: deleted.number,
                });
                // They end with the next state.
                self.probe |= self.deleted.len() > MAX_DELETED;
            }
            Some(entry::Change::Left(left)) if UserId::parse(&left.user_id) == Ok(me) => {
                self.leave(&entry);
            }
            Some(entry::Change::GroupDeleted(_)) => self.leave(&entry),
            Some(entry::Change::Joined(joined)) if UserId::parse(&joined.user_id) == Ok(me) => {
                self.left = false;
                self.count_from(&entry);
            }
            Some(entry::Change::Created(_)) => self.count_from(&entry),
            _ => {}
        }
        let standing = self.standing();
        tell(
            out,
            Update::Shown {
                conversation: id,
                entry,
                standing,
            },
        );
    }

    /// The person was taken out by this entry.
    fn leave(&mut self, entry: &Entry) {
        self.left = true;
        self.marks.left();
        self.target = entry.number;
        self.count_from(entry);
    }

    /// Nothing is unread at the beginning, at a return, nor for who left.
    fn count_from(&mut self, entry: &Entry) {
        if self
            .state
            .as_ref()
            .is_none_or(|state| state.head_number < entry.number)
        {
            self.own.clear();
            self.deleted.clear();
            self.state = Some(ConversationState {
                conversation_id: entry.conversation_id.clone(),
                head_number: entry.number,
                head_countable_total: entry.countable_total,
                unread_count: 0,
                counts_from_number: entry.number,
                // Marks outlive a leave.
                ..self.state.take().unwrap_or_default()
            });
        }
    }

    /// What can't be fetched, or is too much, is left to the history.
    pub(super) fn give_up(
        &mut self,
        id: ConversationId,
        me: UserId,
        code: Option<String>,
        out: &mut Vec<Action>,
    ) {
        // Where live entries follow without a hole, they are still shown.
        let held = self.target.min(self.first_contiguous_previous());
        self.held = self.held.max(Some(held));
        tell(
            out,
            Update::Reset {
                conversation: id,
                held,
                code,
            },
        );
        self.show_waiting(id, me, out);
    }

    /// The lowest number from which `waiting` reaches the target without a hole.
    fn first_contiguous_previous(&self) -> u64 {
        let mut from = self.target;
        for (number, entry) in self.waiting.iter().rev() {
            if *number < from {
                break;
            }
            from = entry.previous_number;
        }
        from
    }

    /// Learns where the reader stands on the server.
    pub(super) fn learn(
        &mut self,
        id: ConversationId,
        state: ConversationState,
        out: &mut Vec<Action>,
    ) {
        self.reaches(state.head_number);
        let before = self.standing();
        // States are snapshots of two numbers that only grow: an older one is behind in either.
        let newer = self.state.as_ref().is_none_or(|known| {
            state.head_number >= known.head_number && state.marks_version >= known.marks_version
        });
        if !newer {
            return;
        }
        self.hidden_count = self.hidden_count.max(state.hidden_count);
        while self
            .own
            .front()
            .is_some_and(|number| *number <= state.head_number)
        {
            self.own.pop_front();
        }
        while self
            .deleted
            .front()
            .is_some_and(|deleted| deleted.number <= state.head_number)
        {
            self.deleted.pop_front();
        }
        self.state = Some(state);
        self.tell_standing(id, before, out);
    }

    fn tell_standing(&self, id: ConversationId, before: Option<Standing>, out: &mut Vec<Action>) {
        if let Some(standing) = self.standing().filter(|standing| Some(*standing) != before) {
            tell(
                out,
                Update::State {
                    conversation: id,
                    standing,
                },
            );
        }
    }

    /// Where the reader stands, as of the later of the state and the last entry shown.
    fn standing(&self) -> Option<Standing> {
        let state = self.state.as_ref()?;
        let held = self.held.unwrap_or(0);
        // Messages since the state, of which those of others are unread.
        let since = if held > state.head_number {
            self.shown_total
                .saturating_sub(state.head_countable_total)
                .saturating_sub(self.own.len() as u64)
        } else {
            0
        };
        // The state doesn't count what was hidden by then, so it can't be counted less.
        let hidden_then = (state.hidden_count as usize).min(self.hidden.len());
        let gone = self.deleted.iter().filter(|deleted| {
            deleted.target > state.counts_from_number
                && !self.hidden[..hidden_then].contains(&deleted.target)
        });
        let unread = (state.unread_count + since).saturating_sub(gone.count() as u64);
        Some(Standing {
            head: state.head_number.max(held),
            read: state.read_number,
            unread,
            marked_unread: state.marked_unread,
            hidden: state.hidden_count,
        })
    }

    /// The person has hidden an entry, the `count`th. Those between are fetched.
    pub(super) fn hide(
        &mut self,
        id: ConversationId,
        count: u64,
        number: u64,
        out: &mut Vec<Action>,
    ) {
        self.hidden_count = self.hidden_count.max(count);
        if count != self.hidden_known() + 1 {
            return;
        }
        let before = self.standing();
        self.hidden.push(number);
        self.marks.is_hidden(number);
        tell(
            out,
            Update::Hidden {
                conversation: id,
                number,
            },
        );
        self.tell_standing(id, before, out);
    }

    pub(super) const fn hidden_known(&self) -> u64 {
        self.hidden.len() as u64
    }

    pub(super) const fn lacks_hidden(&self) -> bool {
        self.hidden_known() < self.hidden_count
    }

    /// They can't be read.
    pub(super) const fn give_up_hidden(&mut self) {
        self.hidden_count = self.hidden_known();
    }

    pub(super) fn want_read(&mut self, number: u64) {
        let is_marked = self.state.as_ref().is_some_and(|state| state.marked_unread);
        self.marks.want_read(number, self.read(), is_marked);
    }

    pub(super) fn want_hide(&mut self, number: u64) {
        if !self.hidden.contains(&number) {
            self.marks.want_hide(number);
        }
    }

    fn on_server(&self) -> OnServer {
        OnServer {
            head: self.target,
            read: self.read(),
        }
    }

    pub(super) fn pump_marks(&mut self, now: u64, id: ConversationId, out: &mut Vec<Action>) {
        let server = self.on_server();
        self.marks.pump(now, id, server, out);
    }

    /// When [`Self::pump_marks`] has something to do.
    pub(super) fn marks_due(&self) -> u64 {
        self.marks.deadline(self.on_server())
    }
}

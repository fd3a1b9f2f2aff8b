//! The latest entries of a conversation, as far as decisions and unread counts need them.

use std::collections::{HashMap, VecDeque};

use ids::UserId;

/// How many entries a conversation keeps in memory to count unread messages and to decide changes.
///
/// A batch of the log holds at most half of it: what has left memory is in the store.
pub const RECENT_ENTRIES: usize = 1_024;

/// An entry, to those who count and to those who change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recent {
    Message(Target),
    Other,
}

/// A message as whoever wants to change it meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub author: UserId,
    pub is_deleted: bool,
    /// How often it was changed.
    pub changes: u32,
}

/// The latest entries without a gap, and the unread counts that follow from them. Each count is a
/// difference of totals, so that nothing has to be incremented for a member who doesn't ask.
#[derive(Debug, Clone, Default)]
pub struct RecentEntries {
    /// Ends with the last number of the conversation.
    entries: VecDeque<Recent>,
    /// The number of the last one.
    last: u64,
    /// Countable messages by sender since this state was loaded.
    sent: HashMap<UserId, u64>,
    known: HashMap<UserId, Standing>,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    unread: u64,
    countable_total: u64,
    sent: u64,
}

impl RecentEntries {
    /// Nothing in memory; the next entry has the number after `last`.
    pub fn after(last: u64) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    pub fn push(&mut self, entry: Recent) {
        self.last += 1;
        if let Recent::Message(message) = entry {
            *self.sent.entry(message.author).or_insert(0) += 1;
        }
        self.entries.push_back(entry);
        if self.entries.len() > RECENT_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// The number before the first one in memory.
    pub fn before_memory(&self) -> u64 {
        self.last - self.entries.len() as u64
    }

    fn index(&self, number: u64) -> Option<usize> {
        number
            .checked_sub(self.before_memory() + 1)
            .map(|index| index as usize)
            .filter(|index| *index < self.entries.len())
    }

    pub fn get(&self, number: u64) -> Option<Recent> {
        self.entries.get(self.index(number)?).copied()
    }

    /// Whether the entry will still be here at the end of a batch that begins now.
    pub fn keeps_through_a_batch(&self, number: u64) -> bool {
        self.index(number).is_some() && number + (RECENT_ENTRIES as u64) / 2 > self.last
    }

    /// The message with this number, to be changed.
    pub fn message_mut(&mut self, number: u64) -> Option<&mut Target> {
        let index = self.index(number)?;
        match self.entries.get_mut(index) {
            Some(Recent::Message(message)) => Some(message),
            _ => None,
        }
    }

    /// Authors of what is in memory with `after < number <= to`, each once.
    pub fn authors(&self, after: u64, to: u64) -> Vec<UserId> {
        let begin = after.max(self.before_memory()) + 1;
        let mut authors = Vec::new();
        for number in begin..=to.min(self.last) {
            if let Some(Recent::Message(message)) = self.get(number)
                && !authors.contains(&message.author)
            {
                authors.push(message.author);
            }
        }
        authors
    }

    /// Countable messages above `from` that are in memory, that `reader` did not write, and that `skip`
    /// doesn't name.
    pub fn by_others(&self, reader: UserId, from: u64, skip: impl Fn(u64) -> bool) -> u64 {
        let first = self.before_memory() + 1;
        self.entries
            .iter()
            .enumerate()
            .rev()
            .map(|(index, entry)| (first + index as u64, entry))
            .take_while(|(number, _)| *number > from)
            .filter(|(number, entry)| match entry {
                Recent::Message(message) => {
                    !message.is_deleted && message.author != reader && !skip(*number)
                }
                Recent::Other => false,
            })
            .count() as u64
    }

    pub fn learn(&mut self, reader: UserId, unread: u64, countable_total: u64) {
        let sent = self.sent.get(&reader).copied().unwrap_or(0);
        self.known.insert(
            reader,
            Standing {
                unread,
                countable_total,
                sent,
            },
        );
    }

    pub fn known(&self, reader: UserId, countable_total: u64) -> Option<u64> {
        let then = self.known.get(&reader)?;
        let sent = self.sent.get(&reader).copied().unwrap_or(0);
        let by_others = (countable_total - then.countable_total) - (sent - then.sent);
        Some(then.unread + by_others)
    }

    pub fn forget(&mut self, reader: UserId) {
        self.known.remove(&reader);
    }

    /// A message is gone: whoever hadn't read it has one less.
    pub fn forget_all(&mut self) {
        self.known.clear();
    }
}

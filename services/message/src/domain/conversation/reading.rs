//! How far each reader is, what each hid, and what that leaves unread.

use std::collections::BTreeSet;

use ids::UserId;
use proto::socket::{Hidden, Receipt};

use super::Conversation;
use super::applied::{Applied, Position, Rows, Standing, Told};
use crate::domain::readers::{HiddenRow, MAX_HIDDEN, Marks, Reader, ReaderRow};

/// In conversations up to this size authors are told how far readers have got; in larger ones they ask.
pub const RECEIPTS_UP_TO_MEMBERS: usize = 100;

impl Conversation {
    /// Whether the reader has to be fetched before [`Self::mark`], [`Self::mark_unread`] and [`Self::hide`].
    #[must_use]
    pub fn knows_reader(&self, reader: UserId) -> bool {
        self.readers.contains_key(&reader)
    }

    /// The reader as of this state, from the store's rows (any order): rows from beyond it are not read.
    pub fn learn_reader(&mut self, reader: UserId, rows: &[ReaderRow], hidden: &[HiddenRow]) {
        let marks = rows
            .iter()
            .filter(|row| self.has_applied(row.position))
            .max_by_key(|row| row.position)
            .map(|row| row.marks)
            .unwrap_or_default();
        let hidden = hidden
            .iter()
            .filter(|row| self.has_applied(row.position))
            .map(|row| row.number)
            .collect();
        self.readers
            .entry(reader)
            .or_insert(Reader { marks, hidden });
    }

    /// Moves a reader's marks up; never beyond the head, never down. The reader must be known
    /// ([`Self::learn_reader`]).
    pub fn mark(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        reader: UserId,
        read: u64,
        delivered: u64,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        let last = self.last_number;
        let Some(marks) = self.marks_of_member(reader) else {
            return Applied::nothing();
        };
        let before = *marks;
        marks.read = marks.read.max(read.min(last));
        marks.delivered = marks.delivered.max(delivered.min(last)).max(marks.read);
        // Who reads to where they were takes their own mark off; what was read before it doesn't.
        if read > 0 && read.min(last) >= before.read {
            marks.is_marked_unread = false;
        }
        let moved = *marks != before;
        marks.version += u64::from(moved);
        let after = *marks;
        if after.read != before.read {
            self.recent.forget(reader);
        }
        let receipt = (moved && self.members.len() <= RECEIPTS_UP_TO_MEMBERS).then(|| {
            let begin = if after.read > before.read {
                before.read
            } else {
                before.delivered
            };
            let end = if after.delivered > before.delivered {
                after.delivered
            } else {
                after.read
            };
            let mut authors = self.recent.authors(begin, end);
            authors.retain(|author| *author != reader && self.members.contains_key(author));
            (authors, self.receipt(reader, after, time_unix_ms))
        });
        Applied {
            rows: Rows {
                reader: moved.then_some(ReaderRow {
                    reader,
                    position,
                    time_unix_ms,
                    marks: after,
                }),
                ..Rows::default()
            },
            told: Told::Moved {
                reader,
                standing: if read > 0 {
                    Standing::Devices
                } else {
                    Standing::Origin
                },
                receipt: receipt.filter(|(authors, _)| !authors.is_empty()),
            },
        }
    }

    /// What everybody else may be told again of a reader's marks.
    #[must_use]
    pub fn receipt_again(&self, reader: UserId) -> Option<(Vec<UserId>, Receipt)> {
        let marks = self.readers.get(&reader)?.marks;
        if self.members.len() > RECEIPTS_UP_TO_MEMBERS || !self.members.contains_key(&reader) {
            return None;
        }
        let others = self.members.keys().filter(|user| **user != reader);
        let receipt = self.receipt(reader, marks, self.applied_time_unix_ms);
        Some((others.copied().collect(), receipt))
    }

    fn receipt(&self, reader: UserId, marks: Marks, time_unix_ms: i64) -> Receipt {
        Receipt {
            conversation_id: self.id.to_string(),
            user_id: reader.to_string(),
            delivered_number: marks.delivered,
            read_number: marks.read,
            time_unix_ms,
        }
    }

    /// Marks the conversation as unread for one reader, who must be known.
    pub fn mark_unread(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        reader: UserId,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        let Some(marks) = self.marks_of_member(reader) else {
            return Applied::nothing();
        };
        let moved = !std::mem::replace(&mut marks.is_marked_unread, true);
        marks.version += u64::from(moved);
        let marks = *marks;
        Applied {
            rows: Rows {
                reader: moved.then_some(ReaderRow {
                    reader,
                    position,
                    time_unix_ms,
                    marks,
                }),
                ..Rows::default()
            },
            told: Told::Moved {
                reader,
                standing: Standing::Devices,
                receipt: None,
            },
        }
    }

    /// Hides an entry from one reader, who must be known. What isn't there, is hidden already or is one too
    /// many changes nothing.
    pub fn hide(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        reader: UserId,
        number: u64,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        if !self.members.contains_key(&reader) {
            return Applied::nothing();
        }
        let can_hide = (1..=self.last_number).contains(&number);
        let known = self.readers.entry(reader).or_default();
        if !can_hide || known.hidden.len() >= MAX_HIDDEN || !known.hidden.insert(number) {
            return Applied {
                rows: Rows::default(),
                told: Told::Hid {
                    reader,
                    hidden: None,
                },
            };
        }
        known.marks.hidden_count += 1;
        known.marks.version += 1;
        let marks = known.marks;
        self.recent.forget(reader);
        Applied {
            rows: Rows {
                reader: Some(ReaderRow {
                    reader,
                    position,
                    time_unix_ms,
                    marks,
                }),
                hidden: Some(HiddenRow {
                    reader,
                    number,
                    count: marks.hidden_count,
                    position,
                }),
                ..Rows::default()
            },
            told: Told::Hid {
                reader,
                hidden: Some(self.hidden(number, marks.hidden_count)),
            },
        }
    }

    /// What a reader's devices may be told again of an entry that the reader hid.
    #[must_use]
    pub fn hidden_again(&self, reader: UserId, number: u64) -> Option<Hidden> {
        let known = self.readers.get(&reader)?;
        known
            .hidden
            .contains(&number)
            .then(|| self.hidden(number, known.marks.hidden_count))
    }

    fn hidden(&self, number: u64, hidden_count: u64) -> Hidden {
        Hidden {
            conversation_id: self.id.to_string(),
            number,
            hidden_count,
        }
    }

    fn marks_of_member(&mut self, reader: UserId) -> Option<&mut Marks> {
        self.members
            .contains_key(&reader)
            .then(|| &mut self.readers.entry(reader).or_default().marks)
    }

    /// The member's marks, and from where on their unread messages count: the mark, or the entry by which
    /// they came.
    #[must_use]
    pub fn counts_from(&self, reader: UserId) -> Option<(Marks, u64)> {
        let joined = self.members.get(&reader)?.joined;
        let marks = self
            .readers
            .get(&reader)
            .map(|reader| reader.marks)
            .unwrap_or_default();
        Some((marks, marks.read.max(joined)))
    }

    /// The reader's unread count: countable messages above `from` by others that are neither deleted nor
    /// hidden. `Err` holds the number up to which the store has to count first.
    ///
    /// # Errors
    /// The last number that memory doesn't cover; pass the count to [`Self::learn_unread`].
    pub fn unread_in_memory(&mut self, reader: UserId, from: u64) -> Result<u64, u64> {
        if let Some(unread) = self.recent.known(reader, self.countable_total) {
            return Ok(unread);
        }
        let before_memory = self.recent.before_memory();
        if from < before_memory {
            return Err(before_memory);
        }
        Ok(self.learn_unread(reader, from, 0))
    }

    /// Numbers that the store must not count for the reader, besides what it knows to be deleted as of this
    /// state.
    #[must_use]
    pub fn not_counted(&self, reader: UserId) -> BTreeSet<u64> {
        let mut numbers = self.new_deletions.clone();
        if let Some(reader) = self.readers.get(&reader) {
            numbers.extend(&reader.hidden);
        }
        numbers
    }

    /// Completes what the store counted up to where memory begins, keeps it and returns it.
    pub fn learn_unread(&mut self, reader: UserId, from: u64, in_store: u64) -> u64 {
        let hidden = self.readers.get(&reader).map(|reader| &reader.hidden);
        let in_memory = self.recent.by_others(reader, from, |number| {
            hidden.is_some_and(|hidden| hidden.contains(&number))
        });
        let unread = in_store + in_memory;
        self.recent.learn(reader, unread, self.countable_total);
        unread
    }
}

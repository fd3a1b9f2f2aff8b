//! What a person may see of a conversation.

use super::Position;
use super::membership::{MemberEvent, MemberRow};

/// The stretches of numbers that a person was a member for, both ends seen: from the entry by which they
/// came to the one by which they left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visibility {
    /// Ascending; only the last may be open.
    stretches: Vec<(u64, Option<u64>)>,
    /// The entry by which the person last came.
    joined: u64,
}

impl Visibility {
    /// From the person's own rows of membership, as of `applied`.
    #[must_use]
    pub fn of(mut rows: Vec<MemberRow>, applied: Position) -> Self {
        rows.retain(|row| row.position <= applied);
        rows.sort_by_key(|row| row.position);
        let mut stretches: Vec<(u64, Option<u64>)> = Vec::new();
        let mut joined = 0;
        for row in rows {
            match row.event {
                MemberEvent::Joined(_) => {
                    joined = row.number;
                    stretches.push((row.number, None));
                }
                MemberEvent::Left | MemberEvent::AccountDeleted => {
                    if let Some(last) = stretches.last_mut() {
                        last.1 = Some(row.number);
                    }
                }
                MemberEvent::HistoryOpened(from) => open(&mut stretches, from),
                MemberEvent::RoleChanged(_)
                | MemberEvent::Blocked
                | MemberEvent::Unblocked
                | MemberEvent::OfConversation => {}
            }
        }
        Self { stretches, joined }
    }

    /// Whether the person ever was a member.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.stretches.is_empty()
    }

    /// The number by which the person came, if they are a member now.
    #[must_use]
    pub fn member_since(&self) -> Option<u64> {
        match self.stretches.last() {
            Some((_, None)) => Some(self.joined),
            _ => None,
        }
    }

    /// The highest number that the person may see, given the conversation's last.
    #[must_use]
    pub fn last_visible(&self, head: u64) -> u64 {
        self.stretches
            .last()
            .map_or(0, |(_, to)| to.unwrap_or(head).min(head))
    }

    /// Whether the person may see the entry.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.stretches
            .iter()
            .any(|(from, to)| *from <= number && to.is_none_or(|to| number <= to))
    }

    /// The visible numbers of `after < number`, ascending, at most `limit`.
    #[must_use]
    pub fn after(&self, after: u64, head: u64, limit: usize) -> Vec<u64> {
        self.stretches
            .iter()
            .flat_map(|(from, to)| (*from).max(after + 1)..=to.unwrap_or(head).min(head))
            .take(limit)
            .collect()
    }

    /// The visible numbers of `number < before`, ascending, the `limit` nearest.
    #[must_use]
    pub fn before(&self, before: u64, head: u64, limit: usize) -> Vec<u64> {
        let mut numbers: Vec<u64> = self
            .stretches
            .iter()
            .rev()
            .flat_map(|(from, to)| {
                (*from..=to.unwrap_or(head).min(head).min(before.saturating_sub(1))).rev()
            })
            .take(limit)
            .collect();
        numbers.reverse();
        numbers
    }
}

/// Lets the last stretch begin at `from`; what it then covers is part of it.
fn open(stretches: &mut Vec<(u64, Option<u64>)>, from: u64) {
    let Some((mut begin, end)) = stretches.pop() else {
        return;
    };
    begin = begin.min(from);
    while let Some((earlier, Some(to))) = stretches.last().copied()
        && to >= begin
    {
        begin = begin.min(earlier);
        stretches.pop();
    }
    stretches.push((begin, end));
}

#[cfg(test)]
mod tests {
    use ids::UserId;

    use super::*;
    use crate::domain::Role;

    fn rows(changes: &[(u64, MemberEvent)]) -> Vec<MemberRow> {
        changes
            .iter()
            .map(|(number, event)| MemberRow {
                user: UserId::from_bytes([1; 16]),
                position: Position {
                    epoch: 1,
                    offset: *number as i64,
                },
                number: *number,
                event: *event,
            })
            .collect()
    }

    const JOINED: MemberEvent = MemberEvent::Joined(Role::Member);
    const LEFT: MemberEvent = MemberEvent::Left;
    const NOW: Position = Position {
        epoch: 1,
        offset: 1_000,
    };

    #[test]
    fn coming_back_does_not_reveal_the_time_between() {
        let seen = Visibility::of(rows(&[(3, JOINED), (5, LEFT), (9, JOINED)]), NOW);
        assert_eq!(seen.after(0, 11, 100), [3, 4, 5, 9, 10, 11]);
        assert_eq!(seen.before(10, 11, 3), [4, 5, 9]);
        assert!(!seen.contains(7));
        assert_eq!(seen.member_since(), Some(9));
    }

    #[test]
    fn who_was_removed_keeps_what_they_saw() {
        let seen = Visibility::of(rows(&[(1, JOINED), (5, LEFT)]), NOW);
        assert_eq!(seen.after(0, 11, 100), [1, 2, 3, 4, 5]);
        assert_eq!(seen.member_since(), None);
        assert_eq!(seen.last_visible(11), 5);
    }

    #[test]
    fn rows_from_beyond_the_head_are_not_read() {
        let seen = Visibility::of(
            rows(&[(1, JOINED), (5, LEFT)]),
            Position {
                epoch: 1,
                offset: 4,
            },
        );
        assert_eq!(seen.member_since(), Some(1));
    }

    #[test]
    fn an_opened_history_is_one_stretch_with_what_it_reaches() {
        let opened = |from| MemberEvent::HistoryOpened(from);
        let changes = [(3, JOINED), (5, LEFT), (9, JOINED), (10, opened(4))];
        let seen = Visibility::of(rows(&changes), NOW);
        assert_eq!(seen.after(0, 11, 100), [3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let changes = [(3, JOINED), (5, LEFT), (9, JOINED), (10, opened(7))];
        let seen = Visibility::of(rows(&changes), NOW);
        assert_eq!(seen.after(0, 11, 100), [3, 4, 5, 7, 8, 9, 10, 11]);
        assert_eq!(seen.member_since(), Some(9), "unread counts from there");
    }

    #[test]
    fn a_stranger_sees_nothing() {
        let seen = Visibility::of(Vec::new(), NOW);
        assert!(!seen.is_any());
        assert!(seen.after(0, 11, 100).is_empty());
        assert!(seen.before(12, 11, 100).is_empty());
    }
}

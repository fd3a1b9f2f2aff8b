//! Pages of the conversation list, newest activity first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::{ConversationId, UserId};

use super::group_name::GroupName;

/// When a conversation last had an entry. The order of the list is that of this type: by time, and by
/// id where times are equal, so that it is total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    pub time_unix_ms: i64,
    pub conversation: ConversationId,
}

/// The end of a page: what comes after is older. Opaque to callers, and worth nothing to others: it
/// only holds a place in an order, never an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(Activity);

/// The text is not a cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
pub struct InvalidCursor;

impl Cursor {
    /// # Errors
    /// [`InvalidCursor`] for anything that [`Cursor::encode`] didn't make.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (time, id) = bytes.split_first_chunk::<8>().ok_or(InvalidCursor)?;
        Ok(Self(Activity {
            time_unix_ms: i64::from_be_bytes(*time),
            conversation: ConversationId::from_slice(id).map_err(|_| InvalidCursor)?,
        }))
    }

    #[must_use]
    pub fn encode(self) -> String {
        let mut bytes = self.0.time_unix_ms.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.0.conversation.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// The last name of a page of groups: what comes after has greater names. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameCursor(GroupName);

impl NameCursor {
    #[must_use]
    pub const fn after(name: GroupName) -> Self {
        Self(name)
    }

    /// # Errors
    /// [`InvalidCursor`] for anything that [`NameCursor::encode`] didn't make.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let name = String::from_utf8(bytes).map_err(|_| InvalidCursor)?;
        GroupName::parse(&name).map(Self).map_err(|_| InvalidCursor)
    }

    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_str())
    }

    #[must_use]
    pub const fn name(&self) -> &GroupName {
        &self.0
    }
}

/// The last member of a page: what comes after joined later. Who joined at the same time is in the order of ids.
/// Opaque to callers.
///
/// Who stays is met exactly once while others come and go; who comes back comes to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberCursor {
    /// The version of the membership with which they joined.
    pub joined_version: u64,
    pub user: UserId,
}

impl MemberCursor {
    /// # Errors
    /// [`InvalidCursor`] for anything that [`MemberCursor::encode`] didn't make.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (version, user) = bytes.split_first_chunk::<8>().ok_or(InvalidCursor)?;
        Ok(Self {
            joined_version: u64::from_be_bytes(*version),
            user: UserId::from_slice(user).map_err(|_| InvalidCursor)?,
        })
    }

    #[must_use]
    pub fn encode(self) -> String {
        let mut bytes = self.joined_version.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.user.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// How many items a page has: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(usize);

/// A page can't be that large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a page has 1 to 100 items")]
pub struct InvalidPageSize;

impl PageSize {
    pub const DEFAULT: Self = Self(50);
    const MAX: u32 = 100;

    /// # Errors
    /// [`InvalidPageSize`] outside 1 to 100.
    pub const fn new(size: u32) -> Result<Self, InvalidPageSize> {
        if size == 0 || size > Self::MAX {
            return Err(InvalidPageSize);
        }
        Ok(Self(size as usize))
    }

    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// The page after `cursor`, and where the next one begins if there is more.
///
/// A conversation that gets an entry between two pages moves above the cursor and is not met again;
/// one that doesn't move is met exactly once.
#[must_use]
pub fn take(
    mut activities: Vec<Activity>,
    cursor: Option<Cursor>,
    size: PageSize,
) -> (Vec<Activity>, Option<Cursor>) {
    if let Some(Cursor(end)) = cursor {
        activities.retain(|activity| *activity < end);
    }
    let more = activities.len() > size.0;
    if more {
        // Only the page needs an order.
        activities.select_nth_unstable_by(size.0, |a, b| b.cmp(a));
        activities.truncate(size.0);
    }
    activities.sort_unstable_by(|a, b| b.cmp(a));
    let next = activities.last().copied().filter(|_| more).map(Cursor);
    (activities, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn activities() -> impl Strategy<Value = Vec<Activity>> {
        // Few times, so that ids decide often.
        prop::collection::btree_map(any::<[u8; 16]>(), 0_i64..5, 0..60).prop_map(|map| {
            map.into_iter()
                .map(|(id, time_unix_ms)| Activity {
                    time_unix_ms,
                    conversation: ConversationId::from_bytes(id),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_member_cursor_survives_its_text_and_nothing_else_is_one(
            joined_version: u64,
            user: [u8; 16],
            other in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let user = UserId::from_bytes(user);
            let cursor = MemberCursor { joined_version, user };
            prop_assert_eq!(MemberCursor::parse(&cursor.encode()), Ok(cursor));
            let parsed = MemberCursor::parse(&URL_SAFE_NO_PAD.encode(&other));
            prop_assert_eq!(parsed.is_ok(), other.len() == 24);
        }

        #[test]
        fn pages_together_are_the_whole_list_in_order(all in activities(), size in 1_u32..=100) {
            let size = PageSize::new(size).unwrap();
            let mut seen = Vec::new();
            let mut cursor = None;
            loop {
                let (page, next) = take(all.clone(), cursor, size);
                prop_assert!(page.len() <= size.0);
                seen.extend(page);
                match next {
                    // Through its text, as callers hand it back.
                    Some(next) => cursor = Some(Cursor::parse(&next.encode()).unwrap()),
                    None => break,
                }
            }
            let mut expected = all;
            expected.sort_by(|a, b| b.cmp(a));
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn who_does_not_move_is_met_once_while_others_move_up(
            all in activities(),
            size in 1_u32..20,
            moves in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let size = PageSize::new(size).unwrap();
            let mut now = all.clone();
            let mut moved = std::collections::BTreeSet::new();
            let mut moves = moves.into_iter();
            let mut seen = Vec::new();
            let mut cursor = None;
            let mut time = 100;
            loop {
                let (page, next) = take(now.clone(), cursor, size);
                seen.extend(page.iter().map(|activity| activity.conversation));
                cursor = next;
                if cursor.is_none() {
                    break;
                }
                if let Some(index) = moves.next() {
                    let activity = index.get_mut(&mut now);
                    time += 1;
                    activity.time_unix_ms = time;
                    moved.insert(activity.conversation);
                }
            }
            let unique: std::collections::BTreeSet<_> = seen.iter().copied().collect();
            prop_assert_eq!(unique.len(), seen.len(), "nobody twice");
            for activity in all {
                prop_assert!(
                    unique.contains(&activity.conversation)
                        || moved.contains(&activity.conversation)
                );
            }
        }

        #[test]
        fn other_text_is_no_cursor(text in "[A-Za-z0-9_-]{0,40}") {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }

    #[test]
    fn a_page_has_bounds() {
        assert!(PageSize::new(0).is_err());
        assert!(PageSize::new(100).is_ok());
        assert!(PageSize::new(101).is_err());
    }
}

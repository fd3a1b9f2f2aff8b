//! What a change does to its message, the same on the server and on devices.

use crate::socket::{Entry, Message, Reaction, entry, reacted};

impl Message {
    /// Takes in a change of this message. One that is in it already changes nothing, so changes may come
    /// twice, as long as they come in the order of their numbers.
    pub fn take_in(&mut self, change: &Entry) {
        if change.number <= self.changed_number {
            return;
        }
        match &change.change {
            Some(entry::Change::Edited(edited)) if !self.deleted => {
                self.text.clone_from(&edited.text);
                self.edited_time_unix_ms = change.time_unix_ms;
            }
            Some(entry::Change::Deleted(_)) => {
                self.deleted = true;
                self.text.clear();
                self.attachment_ids.clear();
                self.reactions.clear();
            }
            Some(entry::Change::Reacted(reacted)) if !self.deleted => match &reacted.reaction {
                Some(reacted::Reaction::Added(emoji)) => self.react(emoji, &change.actor_id),
                Some(reacted::Reaction::Removed(emoji)) => self.unreact(emoji, &change.actor_id),
                None => {}
            },
            Some(entry::Change::Edited(_) | entry::Change::Reacted(_)) => {}
            _ => return,
        }
        self.changed_number = change.number;
    }

    fn react(&mut self, emoji: &str, user: &str) {
        match self.reactions.iter_mut().find(|kind| kind.emoji == emoji) {
            Some(kind) => {
                if !kind.user_ids.iter().any(|other| other == user) {
                    kind.user_ids.push(user.to_owned());
                }
            }
            None => self.reactions.push(Reaction {
                emoji: emoji.to_owned(),
                user_ids: vec![user.to_owned()],
            }),
        }
    }

    fn unreact(&mut self, emoji: &str, user: &str) {
        for kind in &mut self.reactions {
            if kind.emoji == emoji {
                kind.user_ids.retain(|other| other != user);
            }
        }
        self.reactions.retain(|kind| !kind.user_ids.is_empty());
    }
}

impl entry::Change {
    /// Number of the message that this changes; `None`: it changes none.
    #[must_use]
    pub const fn target(&self) -> Option<u64> {
        match self {
            Self::Edited(edited) => Some(edited.number),
            Self::Deleted(deleted) => Some(deleted.number),
            Self::Reacted(reacted) => Some(reacted.number),
            _ => None,
        }
    }

    /// The client message id under which somebody sent this; `None`: nobody did.
    #[must_use]
    pub fn client_message_id(&self) -> Option<&str> {
        match self {
            Self::Message(message) => Some(&message.client_message_id),
            Self::Edited(edited) => Some(&edited.client_message_id),
            Self::Deleted(deleted) => Some(&deleted.client_message_id),
            Self::Reacted(reacted) => Some(&reacted.client_message_id),
            _ => None,
        }
    }

    /// The id that the server gave to the message or to the change of one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Message(message) => Some(&message.message_id),
            Self::Edited(edited) => Some(&edited.change_id),
            Self::Deleted(deleted) => Some(&deleted.change_id),
            Self::Reacted(reacted) => Some(&reacted.change_id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::{Deleted, Edited, Reacted};

    fn change(number: u64, change: entry::Change) -> Entry {
        Entry {
            number,
            time_unix_ms: number as i64 * 1_000,
            actor_id: format!("person {}", number % 2),
            change: Some(change),
            ..Entry::default()
        }
    }

    fn edited(number: u64, text: &str) -> Entry {
        change(
            number,
            entry::Change::Edited(Edited {
                text: text.to_owned(),
                ..Edited::default()
            }),
        )
    }

    fn reacted(number: u64, reaction: reacted::Reaction) -> Entry {
        change(
            number,
            entry::Change::Reacted(Reacted {
                reaction: Some(reaction),
                ..Reacted::default()
            }),
        )
    }

    fn deleted(number: u64) -> Entry {
        change(number, entry::Change::Deleted(Deleted::default()))
    }

    #[test]
    fn a_change_that_is_in_it_already_changes_nothing() {
        let mut message = Message::default();
        for number in [2, 3, 2, 3] {
            message.take_in(&edited(number, &format!("text {number}")));
        }
        assert_eq!(message.text, "text 3");
        assert_eq!(message.edited_time_unix_ms, 3_000);
    }

    #[test]
    fn a_person_reacts_once_with_each_emoji() {
        let up = || "👍".to_owned();
        let mut message = Message::default();
        for number in [2, 3, 4] {
            message.take_in(&reacted(number, reacted::Reaction::Added(up())));
        }
        let who = |message: &Message| message.reactions[0].user_ids.join(", ");
        assert_eq!(who(&message), "person 0, person 1");
        message.take_in(&reacted(6, reacted::Reaction::Removed(up())));
        assert_eq!(who(&message), "person 1");
        message.take_in(&reacted(7, reacted::Reaction::Removed(up())));
        assert!(message.reactions.is_empty());
    }

    #[test]
    fn what_was_deleted_stays_so() {
        let mut message = Message {
            text: "secret".to_owned(),
            attachment_ids: vec!["file".to_owned()],
            ..Message::default()
        };
        message.take_in(&deleted(5));
        message.take_in(&edited(6, "again"));
        message.take_in(&reacted(7, reacted::Reaction::Added("👍".to_owned())));
        let gone = Message {
            deleted: true,
            changed_number: 7,
            ..Message::default()
        };
        assert_eq!(message, gone);
    }
}

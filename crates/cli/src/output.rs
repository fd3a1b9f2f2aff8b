//! What is printed: text for people, or one JSON document a line.

use std::collections::HashMap;
use std::io::Write as _;

use client::wire::{Entry, entry, reacted};
use client::{Client, Conversation, ConversationKind};
use ids::UserId;
use serde::Serialize;

/// Prints in the form that was asked for.
#[derive(Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints `document`, or for people what `text` makes of it. A reader that has left, such as
    /// `head`, ends the program quietly.
    pub fn print(self, document: &impl Serialize, text: impl FnOnce() -> String) {
        let line = if self.json {
            serde_json::to_string(document).unwrap_or_default()
        } else {
            text()
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }
}

/// Handles by id, fetched once.
#[derive(Default)]
pub struct Names {
    handles: HashMap<UserId, String>,
}

impl Names {
    /// Fetches those that are not known yet. Without an answer ids are shown instead.
    pub async fn learn(&mut self, client: &Client, ids: impl IntoIterator<Item = UserId>) {
        let mut unknown: Vec<_> = ids
            .into_iter()
            .filter(|id| !self.handles.contains_key(id))
            .collect();
        unknown.sort();
        unknown.dedup();
        if unknown.is_empty() {
            return;
        }
        if let Ok(users) = client.users(&unknown).await {
            self.handles
                .extend(users.into_iter().map(|user| (user.user_id, user.handle)));
        }
    }

    /// `@handle`, or the id.
    pub fn of(&self, id: &str) -> String {
        let handle = UserId::parse(id).ok().and_then(|id| self.handles.get(&id));
        handle.map_or_else(|| id.to_owned(), |handle| format!("@{handle}"))
    }

    /// How a conversation is called in the list.
    pub fn of_conversation(&self, conversation: &Conversation) -> String {
        match (conversation.kind, &conversation.name, conversation.peer_id) {
            (ConversationKind::Direct, _, Some(peer)) => self.of(&peer.to_string()),
            (_, Some(name), _) => name.clone(),
            _ => conversation.conversation_id.to_string(),
        }
    }
}

/// Everybody who is named in an entry.
pub fn people_in(entry: &Entry) -> impl Iterator<Item = UserId> {
    let affected = match &entry.change {
        Some(entry::Change::Joined(joined)) => Some(&joined.user_id),
        Some(entry::Change::Left(left)) => Some(&left.user_id),
        Some(entry::Change::RoleChanged(changed)) => Some(&changed.user_id),
        Some(entry::Change::HistoryOpened(opened)) => Some(&opened.user_id),
        _ => None,
    };
    [Some(&entry.actor_id), affected]
        .into_iter()
        .flatten()
        .filter_map(|id| UserId::parse(id).ok())
}

/// An entry as a line: number, local-free time, who, what.
pub fn line(entry: &Entry, names: &Names) -> String {
    let actor = names.of(&entry.actor_id);
    let what = match &entry.change {
        Some(entry::Change::Message(message)) if message.deleted => {
            format!("* a message of {actor} was deleted")
        }
        Some(entry::Change::Message(message)) => {
            let reply = match message.reply_to_number {
                0 => String::new(),
                number => format!("[re #{number}] "),
            };
            let files = message
                .attachment_ids
                .iter()
                .map(|id| format!(" [file {id}]"))
                .collect::<String>();
            let edited = if message.edited_time_unix_ms > 0 {
                " (edited)"
            } else {
                ""
            };
            let reactions = message
                .reactions
                .iter()
                .map(|kind| format!(" {} {}", printable(&kind.emoji), kind.user_ids.len()))
                .collect::<String>();
            format!(
                "{actor}: {reply}{}{files}{edited}{reactions}",
                printable(&message.text)
            )
        }
        Some(entry::Change::Created(_)) => format!("* {actor} opened the conversation"),
        Some(entry::Change::Joined(joined)) if joined.user_id == entry.actor_id => {
            format!("* {actor} joined")
        }
        Some(entry::Change::Joined(joined)) => {
            format!("* {actor} added {}", names.of(&joined.user_id))
        }
        Some(entry::Change::Left(left)) if left.user_id == entry.actor_id => {
            format!("* {actor} left")
        }
        Some(entry::Change::Left(left)) => format!("* {actor} removed {}", names.of(&left.user_id)),
        Some(entry::Change::Edited(edited)) => {
            format!(
                "* {actor} edited #{}: {}",
                edited.number,
                printable(&edited.text)
            )
        }
        Some(entry::Change::Deleted(deleted)) => format!("* {actor} deleted #{}", deleted.number),
        Some(entry::Change::Reacted(reacted)) => match &reacted.reaction {
            Some(reacted::Reaction::Added(emoji)) => {
                format!("* {actor} put {} to #{}", printable(emoji), reacted.number)
            }
            Some(reacted::Reaction::Removed(emoji)) => {
                format!(
                    "* {actor} took {} from #{}",
                    printable(emoji),
                    reacted.number
                )
            }
            None => format!("* {actor} reacted to #{}", reacted.number),
        },
        Some(entry::Change::Renamed(renamed)) => {
            format!("* {actor} named this {}", printable(&renamed.name))
        }
        Some(entry::Change::RoleChanged(changed)) => format!(
            "* {actor} made {} {}",
            names.of(&changed.user_id),
            printable(&changed.role)
        ),
        Some(entry::Change::PictureChanged(_)) => format!("* {actor} changed the picture"),
        Some(entry::Change::HistoryOpened(opened)) => format!(
            "* {actor} opened the history from #{} to {}",
            opened.from_number,
            names.of(&opened.user_id)
        ),
        Some(entry::Change::GroupDeleted(_)) => format!("* {actor} deleted the group"),
        None => "* something that this version doesn't know".to_owned(),
    };
    let time = clock::from_unix_ms(entry.time_unix_ms.unsigned_abs());
    format!(
        "#{} {:04}-{:02}-{:02} {:02}:{:02}Z {what}",
        entry.number,
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
    )
}

/// Without what a terminal would obey; lines after the first are indented.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect::<String>()
        .replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use client::wire::Message;

    use super::*;

    #[test]
    fn an_entry_is_a_line_that_can_t_command_the_terminal() {
        let entry = Entry {
            number: 7,
            time_unix_ms: 1_700_000_000_000,
            actor_id: "somebody".into(),
            change: Some(entry::Change::Message(Message {
                text: "red \u{1b}[31m\nsecond".into(),
                attachment_ids: vec!["f1".into()],
                reply_to_number: 3,
                ..Message::default()
            })),
            ..Entry::default()
        };
        assert_eq!(
            line(&entry, &Names::default()),
            "#7 2023-11-14 22:13Z somebody: [re #3] red [31m\n    second [file f1]"
        );
    }
}

//! How a person names a conversation.

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::{Result, bail};
use client::Client;
use ids::ConversationId;

/// `@handle`, the name of a group, or an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Person(String),
    Group(String),
    Id(ConversationId),
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(
            match (text.strip_prefix('@'), ConversationId::parse(text)) {
                (Some(handle), _) => Self::Person(handle.to_owned()),
                (None, Ok(id)) => Self::Id(id),
                (None, Err(_)) => Self::Group(text.to_owned()),
            },
        )
    }
}

impl Place {
    /// The conversation; with a person it is opened if need be.
    pub async fn find(&self, client: &Client) -> Result<ConversationId> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Person(handle) => {
                let person = client.find_user(handle).await?;
                Ok(client.open_direct(person.user_id).await?.conversation_id)
            }
            Self::Group(name) => {
                let mut cursor = None;
                loop {
                    let page = client.conversations(cursor.as_deref(), 100).await?;
                    let found = page
                        .items
                        .iter()
                        .find(|item| item.conversation.name.as_deref() == Some(name));
                    if let Some(found) = found {
                        return Ok(found.conversation.conversation_id);
                    }
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        bail!(
                            "you are in no group `{name}`; `parlance join {name}` joins it, and a person is `@{name}`"
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_person_a_group_or_an_id() {
        let id = ConversationId::from_bytes([9; 16]);
        for (text, place) in [
            ("@ada", Place::Person("ada".into())),
            ("team.alpha", Place::Group("team.alpha".into())),
            (&*id.to_string(), Place::Id(id)),
        ] {
            assert_eq!(text.parse(), Ok(place));
        }
    }
}

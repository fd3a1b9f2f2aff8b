//! A conversation as it goes on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use client::engine::Config;
use client::{Client, ConnectionState, Position, Session, SessionOptions, Typing, Update};
use ids::ConversationId;
use serde_json::json;

use crate::output::{Names, Output, line, people_in};

/// Shows the last entries and then every new one, until Ctrl-C. Losses of the connection are bridged:
/// nothing is missed and nothing comes twice.
pub async fn follow(
    out: Output,
    client: &Client,
    conversation: ConversationId,
    last: u32,
    mark_read: bool,
) -> Result<()> {
    let mut names = Names::default();
    let page = client
        .entries(conversation, Position::Latest, last.max(1))
        .await?;
    names
        .learn(client, page.entries.iter().flat_map(people_in))
        .await;
    let skipped = page.entries.len().saturating_sub(last as usize);
    for entry in page.entries.iter().skip(skipped) {
        out.print(entry, || line(entry, &names));
    }

    // What comes after this page is shown by the session, without a gap between.
    let options = SessionOptions {
        engine: Config {
            only: Some([conversation].into()),
            held: [(conversation, page.covered_to)].into(),
            ..Config::default()
        },
        ..SessionOptions::default()
    };
    let (session, mut updates) = Session::start(client, options);
    if mark_read {
        session.mark_read(conversation, page.covered_to);
    }
    let mut lost = false;
    // Until when it was said that somebody types; they say so every few seconds.
    let mut typing = HashMap::new();
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match update {
            Some(Update::Shown { entry, .. }) => {
                names.learn(client, people_in(&entry)).await;
                typing.retain(|user: &ids::UserId, _| user.to_string() != entry.actor_id);
                out.print(&entry, || line(&entry, &names));
                if mark_read {
                    session.mark_read(conversation, entry.number);
                }
            }
            Some(Update::Typing {
                user,
                typing: Typing::Started { expires_in_ms },
                ..
            }) => {
                let until = Instant::now() + Duration::from_millis(expires_in_ms.into());
                let said = typing.insert(user, until);
                if said.is_none_or(|said| said < Instant::now()) {
                    names.learn(client, [user]).await;
                    eprintln!("… {} is typing", names.of(&user.to_string()));
                }
            }
            Some(Update::Typing {
                user,
                typing: Typing::Stopped,
                ..
            }) => {
                typing.remove(&user);
            }
            Some(Update::Reset {
                held, code: None, ..
            }) => {
                eprintln!("… entries up to #{held} are left out; `parlance history` has them");
            }
            Some(Update::Reset {
                code: Some(code), ..
            }) => bail!("this conversation can't be read ({code})"),
            Some(Update::Connection(ConnectionState::Waiting { .. })) if !lost => {
                lost = true;
                eprintln!("… connection lost, trying again");
            }
            Some(Update::Connection(ConnectionState::CaughtUp)) if lost => {
                lost = false;
                eprintln!("… connected again");
            }
            Some(Update::Connection(ConnectionState::Ended { code })) => {
                bail!("the session has ended ({code}); `parlance sign-in` begins a new one")
            }
            Some(Update::State { standing, .. }) if out.json => out.print(
                &json!({ "state": {
                    "conversation_id": conversation,
                    "head_number": standing.head,
                    "read_number": standing.read,
                    "unread_count": standing.unread,
                    "marked_unread": standing.marked_unread,
                } }),
                String::new,
            ),
            Some(Update::Receipt {
                user,
                delivered,
                read,
                time_unix_ms,
                ..
            }) if out.json => out.print(
                &json!({ "receipt": {
                    "conversation_id": conversation,
                    "user_id": user,
                    "delivered_number": delivered,
                    "read_number": read,
                    "time_unix_ms": time_unix_ms,
                } }),
                String::new,
            ),
            Some(_) => {}
            None => bail!("the session has ended"),
        }
    }
}

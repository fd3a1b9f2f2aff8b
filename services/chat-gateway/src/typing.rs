//! From a frame `typing` to the gateways of the other members.
//!
//! **Invariants.** Only a member's hint goes on, and only to members who are not blocked. Nothing is stored:
//! what can't be found out or sent now is dropped.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use events::{Delivery, delivery, pack_users};
use futures_util::future::join_all;
use ids::{ConversationId, UserId};
use proto::socket::MemberTyping;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Connection};
use crate::domain::typing::Typing;
use crate::metrics::Metrics;
use crate::peers::{Audience, Verdict};
use crate::socket::error_frame;

/// Hints that may wait; more are dropped.
pub const QUEUE: usize = 4_096;
/// Hints of which the recipients are looked up together.
const BATCH: usize = 128;

/// Somebody types, or stopped.
pub struct Hint {
    pub connection: Arc<Connection>,
    pub conversation: ConversationId,
    pub typing: Typing,
}

/// Tells the other members, until `stop`.
///
/// # Errors
/// Never.
pub async fn tell(
    app: Arc<App>,
    mut hints: mpsc::Receiver<Hint>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            _ = hints.recv_many(&mut batch, BATCH) => {}
            () = stop.cancelled() => return Ok(()),
        }
        tell_all(&app, &batch).await;
        batch.clear();
    }
}

async fn tell_all(app: &App, hints: &[Hint]) {
    let recipients = join_all(hints.iter().map(|hint| recipients(app, hint))).await;
    let users: BTreeSet<UserId> = recipients.iter().flatten().copied().collect();
    if users.is_empty() {
        return;
    }
    let users: Vec<UserId> = users.into_iter().collect();
    let Ok(holders) = app.presences.holders(&users).await else {
        app.metrics.hints_dropped.increment(hints.len() as u64);
        return;
    };
    let mut told = HashMap::<u32, Vec<Delivery>>::new();
    for (partition, here) in holders {
        let here: BTreeSet<UserId> = here.into_iter().collect();
        for (hint, recipients) in hints.iter().zip(&recipients) {
            let users: Vec<&UserId> = recipients
                .iter()
                .filter(|user| here.contains(user))
                .collect();
            if !users.is_empty() {
                told.entry(partition).or_default().push(Delivery {
                    users: pack_users(users),
                    origin: None,
                    event: Some(delivery::Event::Typing(frame(hint))),
                });
            }
        }
    }
    for (partition, deliveries) in told {
        app.metrics.typing_hints.increment(deliveries.len() as u64);
        app.hints.send(partition, deliveries);
    }
}

fn frame(hint: &Hint) -> MemberTyping {
    MemberTyping {
        conversation_id: hint.conversation.to_string(),
        user_id: hint.connection.user.to_string(),
        state: hint.typing.as_str().to_owned(),
        expires_in_ms: hint.typing.shown_for_ms(),
    }
}

/// The other members, as far as a block doesn't keep it from them.
async fn recipients(app: &App, hint: &Hint) -> Vec<UserId> {
    let person = hint.connection.person();
    let members = match app.peers.audiences.of(hint.conversation, &person).await {
        Audience::Members(members) => members,
        Audience::TooMany => return Vec::new(),
        Audience::NotAMember => {
            let (code, detail) = (
                "conversation_unknown",
                "There is no such conversation, or you are not in it.",
            );
            Metrics::refused(code);
            hint.connection.send(error_frame(code, detail, "typing"));
            return Vec::new();
        }
        Audience::Unknown => {
            app.metrics.hints_dropped.increment(1);
            return Vec::new();
        }
    };
    let others = members.iter().copied().filter(|user| *user != person.user);
    let mut others: Vec<UserId> = others.collect();
    // The one place where typing asks for blocks.
    match app.peers.permissions.towards(&person, &others).await {
        Ok(towards) => others.retain(|user| {
            // They are in a conversation together, or this would not be the audience.
            towards
                .get(user)
                .is_some_and(|towards| towards.typing != Verdict::Refused)
        }),
        Err(_) => {
            app.metrics.hints_dropped.increment(1);
            others.clear();
        }
    }
    others
}

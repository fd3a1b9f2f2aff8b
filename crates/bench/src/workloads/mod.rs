//! The workloads.

mod cold_start;
mod idle;
mod ids;
mod storm;

use ::ids::ConversationId;
use anyhow::{Context as _, Result};
use client::Client;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::Args;
use crate::load::Load;
use crate::people;
use crate::stack::Stack;

pub use cold_start::{ColdStart, cold_start};
pub use idle::{Idle, idle};
pub use ids::{Ids, ids};
pub use storm::{Storm, storm};

/// People of a room.
const ROOM: usize = 50;

/// Pairs of people, each with a conversation of their own.
pub async fn pairs(args: &Args, stack: &Stack) -> Result<Load> {
    let count = args.pairs as usize;
    let people = people::register(&stack.api, "p", 2 * count).await?;
    let rooms = stream::iter(0..count)
        .map(|n| {
            let (one, other) = (&people[2 * n], &people[2 * n + 1]);
            async move {
                let opened = one.open_direct(other.user_id()).await.context("open")?;
                anyhow::Ok((opened.conversation_id, vec![2 * n, 2 * n + 1]))
            }
        })
        .buffered(8)
        .try_collect()
        .await?;
    Load::connect("pairs", stack, &people, rooms).await
}

/// Groups of 50, everybody online and everybody writing in turn.
pub async fn rooms(args: &Args, stack: &Stack) -> Result<Load> {
    let count = args.rooms as usize;
    let people = people::register(&stack.api, "r", ROOM * count).await?;
    let mut rooms = Vec::with_capacity(count);
    for (n, members) in people.chunks(ROOM).enumerate() {
        let name = format!("bench-{}", members[0].user_id());
        let group = make_group(members, &name).await?;
        rooms.push((group, (n * ROOM..(n + 1) * ROOM).collect()));
    }
    Load::connect("rooms", stack, &people, rooms).await
}

/// A group of these people, of whom the first is its owner.
async fn make_group(members: &[Client], name: &str) -> Result<ConversationId> {
    let owner = &members[0];
    let others: Vec<_> = members[1..].iter().map(Client::user_id).collect();
    // The second call waits for what the first one may have left on its way.
    let group = match owner.create_group(name, &others).await {
        Err(error) if error.is_retryable() => owner.create_group(name, &others).await,
        outcome => outcome,
    };
    Ok(group.context("create a group")?.conversation_id)
}

//! Accounts for a run. A password costs 36 ms of CPU by design, so there are as few as will do.

use anyhow::{Context as _, Result};
use client::{Api, Client, Registration};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Registers `count` people whose handles begin with `prefix`.
pub async fn register(api: &Api, prefix: &str, count: usize) -> Result<Vec<Client>> {
    tracing::info!("registering {count} people");
    // Two runs against one server have people of their own.
    let run = clock::Clock::system().unix_ms() % 1_000_000_000;
    stream::iter(0..count)
        .map(|n| async move {
            let handle = format!("{prefix}{run}_{n}");
            let registration = Registration {
                email: format!("{handle}@bench.invalid"),
                password: format!("not a secret {handle}"),
                display_name: handle.clone(),
                handle: Some(handle),
                device_name: "bench".into(),
            };
            api.register(&registration).await.context("register")
        })
        .buffered(8)
        .try_collect()
        .await
}

//! Accounts for a run. A password costs tens of milliseconds of CPU by design, so there are few.

use std::time::Duration;

use anyhow::{Context as _, Result};
use client::{Api, Client, Registration};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use super::PATIENCE;

/// Somebody with an account, and how to sign in to it.
pub struct Account {
    /// What the names of this run begin with.
    pub run: String,
    api: Api,
    email: String,
    password: String,
    /// The device that registered.
    pub first: Client,
}

impl Account {
    /// Another device of the same person.
    pub async fn sign_in(&self, device: &str) -> Result<Client> {
        patiently(async || self.api.sign_in(&self.email, &self.password, device).await)
            .await
            .context("sign in")
    }
}

/// Makes people.
pub async fn register(api: &Api, count: u32) -> Result<Vec<Account>> {
    // Two runs against one server have people of their own.
    let run = format!("v{}", clock::Clock::system().unix_ms() % 10_000_000_000);
    stream::iter(0..count)
        .map(|n| register_one(api, &run, n))
        .buffered(4)
        .try_collect()
        .await
}

async fn register_one(api: &Api, run: &str, n: u32) -> Result<Account> {
    let handle = format!("{run}_{n}");
    let registration = Registration {
        email: format!("{handle}@verify.invalid"),
        password: format!("not a secret {handle}"),
        display_name: handle.clone(),
        handle: Some(handle),
        device_name: "verify".into(),
    };
    let first = patiently(async || api.register(&registration).await)
        .await
        .context("register")?;
    Ok(Account {
        run: run.to_owned(),
        api: api.clone(),
        email: registration.email.clone(),
        password: registration.password.clone(),
        first,
    })
}

/// Calls again while the server says "later" or says nothing, with growing pauses, for a minute.
pub async fn patiently<T>(mut call: impl AsyncFnMut() -> client::Result<T>) -> client::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(100);
    loop {
        match call().await {
            Err(error) if error.is_retryable() && Instant::now() < deadline => {
                let asked = match &error {
                    client::Error::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
                    _ => Duration::ZERO,
                };
                let jittered = pause.mul_f64(rand::random_range(0.5..1.5));
                tokio::time::sleep(jittered.max(asked)).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            outcome => return outcome,
        }
    }
}

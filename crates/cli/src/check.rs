//! Whether a server does what it is for: two people write to each other.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use client::wire::entry::Change;
use client::{
    Api, Client, Draft, Position, Registration, Session, SessionOptions, Update, Updates,
};
use clock::Clock;
use ids::ClientMessageId;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::output::Output;

/// For the acknowledgement, and for the message to be shown.
const PATIENCE: Duration = Duration::from_secs(30);
const TEXT: &str = "Can you read this?";

/// Registers two people who didn't exist, lets one write to the other, each over a socket, and reads
/// the message back from the history. They stay behind, logged out, with passwords that nobody knows.
pub async fn check(out: Output, server: &str) -> Result<()> {
    let api = Api::new(server)?;
    let writer = stranger(&api, "writer").await?;
    let reader = stranger(&api, "reader").await?;
    let conversation = writer
        .open_direct(reader.user_id())
        .await
        .context("open a conversation")?
        .conversation_id;

    let (_listening, mut heard) = Session::start(&reader, SessionOptions::default());
    let (writing, mut told) = Session::start(&writer, SessionOptions::default());
    let began = Instant::now();
    let id = writing.send(conversation, Draft::text(TEXT)).await?;
    let number = timeout(PATIENCE, acknowledged(&mut told, id))
        .await
        .context("the message was not acknowledged in time")??;
    timeout(PATIENCE, shown(&mut heard, number))
        .await
        .context("the message was acknowledged, but not shown to its reader in time")??;
    let took = began.elapsed();

    let page = reader.entries(conversation, Position::Latest, 10).await?;
    let stored = page.entries.iter().filter(|entry| {
        entry.number == number
            && matches!(&entry.change, Some(Change::Message(message)) if message.text == TEXT)
    });
    ensure!(
        stored.count() == 1,
        "the message was shown as #{number}, but the history doesn't have it once"
    );
    for person in [&writer, &reader] {
        person.log_out().await.context("log out")?;
    }
    let milliseconds = took.as_millis() as u64;
    out.print(
        &json!({ "conversation_id": conversation, "number": number, "took_ms": milliseconds }),
        || format!("A message was sent, shown and stored as #{number}, within {milliseconds} ms."),
    );
    Ok(())
}

async fn stranger(api: &Api, role: &str) -> Result<Client> {
    let clock = Clock::system();
    // Of an id of version 7 the end is random; that much makes a handle of at most 32 characters.
    let unique = || {
        ClientMessageId::generate(&clock)
            .to_string()
            .replace('-', "")
    };
    let handle = format!("check_{}", &unique()[12..]);
    let registration = Registration {
        email: format!("{handle}@example.org"),
        password: format!("{}{}", unique(), unique()),
        display_name: format!("Check ({role})"),
        handle: Some(handle),
        device_name: "parlance check".to_owned(),
    };
    api.register(&registration)
        .await
        .with_context(|| format!("register the {role}"))
}

async fn acknowledged(told: &mut Updates, id: ClientMessageId) -> Result<u64> {
    loop {
        match told.recv().await {
            Some(Update::Acknowledged {
                client_message_id,
                number,
                ..
            }) if client_message_id == id => return Ok(number),
            Some(Update::Refused { code, detail, .. }) => bail!("refused ({code}): {detail}"),
            Some(_) => {}
            None => bail!("the writer's session ended"),
        }
    }
}

async fn shown(heard: &mut Updates, number: u64) -> Result<()> {
    loop {
        match heard.recv().await {
            Some(Update::Shown { entry, .. }) if entry.number == number => match &entry.change {
                Some(Change::Message(message)) if message.text == TEXT => return Ok(()),
                _ => bail!("#{number} was shown as something else"),
            },
            Some(_) => {}
            None => bail!("the reader's session ended"),
        }
    }
}

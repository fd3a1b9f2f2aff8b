//! What lies between a service and what it calls, so that it can be broken.

use std::net::SocketAddr;

use anyhow::Context;
use relay::Relay;

use super::Addresses;
use crate::ports;

/// How services reach their servers and each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Directly.
    Direct,
    /// Through a relay for each pair ([`Suite::links`](super::Suite::links)). Kafka is still reached
    /// directly: its clients go where its brokers say that they are.
    Relayed,
}

/// A way from one process to another.
#[derive(Debug)]
pub struct Link {
    /// The service, as its process is called.
    pub from: String,
    /// `redis`, `postgres`, `dynamodb`, or a service.
    pub to: &'static str,
    pub(super) target_port: u16,
    pub relay: Relay,
}

/// What each service calls besides Kafka.
const CALLS: [(&str, &[&str]); 5] = [
    ("account", &["redis", "postgres"]),
    ("conversation", &["postgres", "account", "message"]),
    ("message", &["redis", "dynamodb"]),
    (
        "chat-gateway",
        &["redis", "account", "conversation", "message"],
    ),
    ("file-upload", &["postgres", "conversation"]),
];

/// A number only where there are several.
pub(super) fn name_of(program: &str, ordinal: u16) -> String {
    if ordinal == 0 {
        program.to_owned()
    } else {
        format!("{program}-{ordinal}")
    }
}

/// Starts a relay for each pair. `servers` are the ports of Redis, Postgres and DynamoDB.
pub(super) async fn relays(
    addresses: &Addresses,
    [redis, postgres, dynamodb]: [u16; 3],
) -> anyhow::Result<Vec<Link>> {
    let mut links = Vec::new();
    for (program, callees) in CALLS {
        let count = match program {
            "message" => addresses.messages.len(),
            "chat-gateway" => addresses.gateways.len(),
            _ => 1,
        };
        for ordinal in 0..count {
            for &to in callees {
                let target_port = match to {
                    "redis" => redis,
                    "postgres" => postgres,
                    "dynamodb" => dynamodb,
                    "account" => addresses.account.internal,
                    "conversation" => addresses.conversation.internal,
                    _ => {
                        addresses
                            .messages
                            .first()
                            .context("there is a message pod")?
                            .internal
                    }
                };
                // A port that no outgoing connection takes.
                let at = SocketAddr::from(([127, 0, 0, 1], ports::free()?));
                let relay = Relay::at(at, format!("127.0.0.1:{target_port}"))
                    .await
                    .with_context(|| format!("start a relay from {program} to {to}"))?;
                links.push(Link {
                    from: name_of(program, u16::try_from(ordinal)?),
                    to,
                    target_port,
                    relay,
                });
            }
        }
    }
    Ok(links)
}

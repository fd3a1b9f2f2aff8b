//! What lies between a service and what it calls, so that it can be broken.

use std::net::SocketAddr;

use anyhow::Context;
use relay::Relay;

use super::Addresses;
use crate::ports;
use crate::servers::Listener;

/// How services reach their servers and each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Directly.
    Direct,
    /// Through a relay for each pair ([`Suite::links`](super::Suite::links)). Of those who reach Kafka only
    /// gateways and message pods have one.
    Relayed,
}

/// A way from one process to another.
#[derive(Debug)]
pub struct Link {
    /// The service, as its process is called.
    pub from: String,
    /// `redis`, `postgres`, `dynamodb`, `kafka`, or a service.
    pub to: &'static str,
    /// The port that a service would use without it.
    pub(super) instead_of: u16,
    pub relay: Relay,
}

/// What each service calls that can be cut off.
const CALLS: [(&str, &[&str]); 5] = [
    ("account", &["redis", "postgres"]),
    ("conversation", &["postgres", "account", "message"]),
    ("message", &["redis", "kafka", "dynamodb"]),
    (
        "chat-gateway",
        &["redis", "kafka", "account", "conversation", "message"],
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

/// Ways to Kafka, for each process its own: a client goes where the broker says that it is, which therefore
/// has to be the relay.
pub(super) struct KafkaWays {
    gateways: Vec<Listener>,
    messages: Vec<Listener>,
}

impl KafkaWays {
    pub(super) fn choose(addresses: &Addresses) -> anyhow::Result<Self> {
        let choose = |count: usize| -> anyhow::Result<Vec<Listener>> {
            let listener = |_| {
                Ok(Listener {
                    port: ports::free()?,
                    advertised_port: ports::free()?,
                })
            };
            (0..count).map(listener).collect()
        };
        Ok(Self {
            gateways: choose(addresses.gateways.len())?,
            messages: choose(addresses.messages.len())?,
        })
    }

    /// What the broker has to listen on.
    pub(super) fn listeners(&self) -> Vec<Listener> {
        [&self.gateways[..], &self.messages].concat()
    }

    fn of(&self, program: &str, ordinal: usize) -> Option<&Listener> {
        match program {
            "chat-gateway" => self.gateways.get(ordinal),
            "message" => self.messages.get(ordinal),
            _ => None,
        }
    }
}

/// Starts a relay for each pair; `before_dynamodb` is the port of what lies before it.
pub(super) async fn relays(
    addresses: &Addresses,
    kafka: &KafkaWays,
    before_dynamodb: Option<u16>,
) -> anyhow::Result<Vec<Link>> {
    let servers = addresses.servers;
    let mut links = Vec::new();
    for (program, callees) in CALLS {
        let count = match program {
            "message" => addresses.messages.len(),
            "chat-gateway" => addresses.gateways.len(),
            _ => 1,
        };
        for ordinal in 0..count {
            for &to in callees {
                let port = match to {
                    "redis" => servers.redis,
                    "postgres" => servers.postgres,
                    "dynamodb" => before_dynamodb.unwrap_or(servers.dynamodb),
                    "kafka" => servers.kafka,
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
                // Otherwise a port that no outgoing connection takes.
                let (at, target) = match kafka.of(program, ordinal) {
                    Some(way) if to == "kafka" => (way.advertised_port, way.port),
                    _ => (ports::free()?, port),
                };
                let at = SocketAddr::from(([127, 0, 0, 1], at));
                let relay = Relay::at(at, format!("127.0.0.1:{target}"))
                    .await
                    .with_context(|| format!("start a relay from {program} to {to}"))?;
                links.push(Link {
                    from: name_of(program, u16::try_from(ordinal)?),
                    to,
                    instead_of: port,
                    relay,
                });
            }
        }
    }
    Ok(links)
}

//! The suite that is measured.

use anyhow::{Context as _, Result};
use client::Api;
use local_stack::servers::{Durability, RunsFor};
use local_stack::suite::{DynamoDb, Options, Suite};

use crate::processes::Named;
use crate::{Args, Workload};

/// A suite of our own, or one that runs already.
pub struct Stack {
    suite: Option<Suite>,
    pub api: Api,
    pub socket_urls: Vec<String>,
    /// All that serve, without the load generator.
    pub processes: Vec<Named>,
}

impl Stack {
    pub async fn start(args: &Args) -> Result<Self> {
        if let Some(server) = &args.server {
            let processes = args
                .processes
                .iter()
                .map(|process| {
                    let (name, pid) = process.split_once('=').context("--process NAME=PID")?;
                    Ok(Named {
                        name: name.to_owned(),
                        pid: pid.parse().context("a process id")?,
                    })
                })
                .collect::<Result<_>>()?;
            let socket = args
                .socket
                .clone()
                .unwrap_or_else(|| server.replacen("http", "ws", 1) + "/socket");
            return Ok(Self {
                suite: None,
                api: Api::new(server)?,
                socket_urls: vec![socket],
                processes,
            });
        }
        let suite = Box::pin(Suite::start(Options {
            fresh: true,
            gateways: args.gateways,
            durability: if args.flush {
                Durability::PowerLoss
            } else {
                Durability::Kill
            },
            runs_for: RunsFor::Hours,
            // A storm counts what is asked of it; what is measured otherwise is not held up.
            dynamodb: if args.workloads == [Workload::Storm] {
                DynamoDb::Throttled
            } else {
                DynamoDb::Emulator
            },
            // All people come from one address.
            environment: vec![(
                "ACCOUNT__LIMITS__TRIES_PER_ADDRESS".into(),
                "1000000".into(),
            )],
            ..Options::for_tests(&std::path::absolute(&args.data)?)
        }))
        .await?;
        let processes = suite
            .processes()
            .into_iter()
            .filter_map(|process| {
                Some(Named {
                    name: short(process.name()),
                    pid: process.pid()?,
                })
            })
            .collect();
        Ok(Self {
            api: Api::new(&suite.origin())?,
            // Straight to the gateways: the origin is a stand-in for the ingress.
            socket_urls: suite
                .gateways
                .iter()
                .map(|gateway| gateway.socket_url())
                .collect(),
            processes,
            suite: Some(suite),
        })
    }

    /// The account service's port for peers, of a suite of our own.
    pub fn account_internal_url(&self) -> Option<String> {
        Some(self.suite.as_ref()?.account.internal_url())
    }

    /// The socket for the `index`th connection.
    pub fn socket_url(&self, index: usize) -> String {
        self.socket_urls[index % self.socket_urls.len()].clone()
    }

    /// The suite, if it is our own.
    pub const fn suite(&self) -> Option<&Suite> {
        self.suite.as_ref()
    }

    pub async fn stop(&self) {
        if let Some(suite) = &self.suite {
            suite.stop().await;
        }
    }
}

/// `Kafka` → `kafka`, `chat-gateway-2` → `chat-gateway`, `local-aws (…)` → `local-aws`.
fn short(name: &str) -> String {
    let name = name.split([' ', '(']).next().unwrap_or_default();
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
        .to_lowercase()
}

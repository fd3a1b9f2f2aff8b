//! Redis, with its append-only file on.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{READY_WITHIN, probe};
use crate::install::Program;
use crate::process::{Process, Spec};

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    pub(super) fn prepare(data: &Path, port: u16) -> anyhow::Result<Self> {
        let folder = data.join("redis");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("create the folder {}", folder.display()))?;
        let port_text = port.to_string();
        let arguments = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port_text,
            "--appendonly",
            "yes",
            "--save",
            "",
        ];
        let process = Process::new(Spec {
            name: "Redis".into(),
            program: Program::Redis
                .find()
                .context("redis-server is not on PATH")?,
            arguments: arguments
                .iter()
                .map(Into::into)
                .chain(["--dir".into(), folder.clone().into_os_string()])
                .collect(),
            environment: Vec::new(),
            log: data.join("logs/redis.log"),
            run_as: None,
            ports: vec![port],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(10),
            ready: probe(move || ping(port)),
            ready_within: READY_WITHIN,
        });
        Ok(Self { process, port })
    }

    /// `redis://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Deref for Redis {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

/// While it loads its data it listens, but answers `-LOADING`.
async fn ping(port: u16) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await?;
    if answer.starts_with(b"+PONG") {
        return Ok(());
    }
    bail!(
        "PING was answered {:?}",
        String::from_utf8_lossy(&answer[..length])
    );
}

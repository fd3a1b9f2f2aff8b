//! Redis, with its append-only file on.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{READY_WITHIN, Tls, probe};
use crate::install::Program;
use crate::process::{Process, Spec};

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    by_tls: bool,
}

impl Redis {
    pub(super) fn prepare(data: &Path, port: u16, tls: Option<&Tls>) -> anyhow::Result<Self> {
        let folder = data.join("redis");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("create the folder {}", folder.display()))?;
        let mut arguments: Vec<OsString> = ["--bind", "127.0.0.1", "--appendonly", "yes"]
            .map(OsString::from)
            .into();
        let mut set = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        set("--save", "".into());
        set("--dir", folder.into());
        match tls {
            None => set("--port", port.to_string().into()),
            Some(tls) => {
                set("--port", "0".into());
                set("--tls-port", port.to_string().into());
                set("--tls-cert-file", tls.certificate.clone().into());
                set("--tls-key-file", tls.key.clone().into());
                set("--tls-ca-cert-file", tls.ca.clone().into());
                set("--tls-auth-clients", "no".into());
                set("--requirepass", Tls::PASSWORD.into());
            }
        }
        let by_tls = tls.is_some();
        let process = Process::new(Spec {
            name: "Redis".into(),
            program: Program::Redis
                .find()
                .context("redis-server is not on PATH")?,
            arguments,
            environment: Vec::new(),
            log: data.join("logs/redis.log"),
            run_as: None,
            ports: vec![port],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(10),
            ready: probe(move || ping(port, by_tls)),
            ready_within: READY_WITHIN,
        });
        Ok(Self {
            process,
            port,
            by_tls,
        })
    }

    /// `redis://127.0.0.1:port`, or `rediss://` with the password.
    #[must_use]
    pub fn url(&self) -> String {
        if self.by_tls {
            format!("rediss://:{}@127.0.0.1:{}", Tls::PASSWORD, self.port)
        } else {
            format!("redis://127.0.0.1:{}", self.port)
        }
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

/// While it loads its data it listens, but answers `-LOADING`. By TLS, that it listens must do.
async fn ping(port: u16, by_tls: bool) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    if by_tls {
        return Ok(());
    }
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

//! The mail server, in the process of the `mail-catcher` crate.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{READY_WITHIN, probe};
use crate::install;
use crate::process::{Process, Spec};

/// A mail server that delivers nothing and shows what it got. It forgets all when it ends.
#[derive(Debug)]
pub struct Mail {
    process: Process,
    smtp_port: u16,
    page_port: u16,
}

impl Mail {
    pub(super) fn prepare(data: &Path, smtp_port: u16, page_port: u16) -> anyhow::Result<Self> {
        let process = Process::new(Spec {
            name: "mail-catcher".into(),
            program: install::workspace_program("mail-catcher")?,
            arguments: vec![
                "--smtp-port".into(),
                smtp_port.to_string().into(),
                "--http-port".into(),
                page_port.to_string().into(),
            ],
            environment: Vec::new(),
            log: data.join("logs/mail-catcher.log"),
            run_as: None,
            ports: vec![smtp_port, page_port],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(5),
            ready: probe(move || async move {
                TcpStream::connect((Ipv4Addr::LOCALHOST, smtp_port)).await?;
                TcpStream::connect((Ipv4Addr::LOCALHOST, page_port)).await?;
                Ok(())
            }),
            ready_within: READY_WITHIN,
        });
        Ok(Self {
            process,
            smtp_port,
            page_port,
        })
    }

    /// `smtp://127.0.0.1:port`
    #[must_use]
    pub fn smtp_url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.smtp_port)
    }

    /// The page with all mails; `/mails` below it is for programs.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://localhost:{}", self.page_port)
    }
}

impl Deref for Mail {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

//! The one origin in front of everything: the program `web`, in the place of an ingress.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::{Service, is_ready};
use crate::install;
use crate::process::{Process, Spec};
use crate::servers::probe;

pub(super) struct OriginSpec<'a> {
    pub port: u16,
    /// Folder of the built web client; it need not be there.
    pub client: &'a Path,
    pub s3_origin: String,
    pub account: &'a Service,
    pub conversation: &'a Service,
    pub file_upload: &'a Service,
    pub messages: &'a [Service],
    pub gateways: &'a [Service],
    pub log: &'a Path,
}

impl OriginSpec<'_> {
    /// Describes it; it isn't started yet.
    pub(super) fn process(self) -> anyhow::Result<Process> {
        let at = |services: &[&Service]| {
            let addresses: Vec<_> = services.iter().map(|one| one.http.to_string()).collect();
            addresses.join(",")
        };
        let client = if self.client.join("index.html").exists() {
            self.client.display().to_string()
        } else {
            String::new()
        };
        let settings = [
            ("LISTEN", format!("127.0.0.1:{}", self.port)),
            ("CLIENT", client),
            ("S3_ORIGIN", self.s3_origin),
            ("UPSTREAMS__ACCOUNT", at(&[self.account])),
            ("UPSTREAMS__CONVERSATION", at(&[self.conversation])),
            ("UPSTREAMS__FILE_UPLOAD", at(&[self.file_upload])),
            (
                "UPSTREAMS__MESSAGE",
                at(&self.messages.iter().collect::<Vec<_>>()),
            ),
            (
                "UPSTREAMS__CHAT_GATEWAY",
                at(&self.gateways.iter().collect::<Vec<_>>()),
            ),
        ];
        let address = ([127, 0, 0, 1], self.port).into();
        Ok(Process::new(Spec {
            name: "web".into(),
            program: install::programs_dir()?.join("web"),
            arguments: vec!["serve".into()],
            environment: settings
                .map(|(key, value)| (format!("WEB__{key}"), value))
                .into(),
            log: self.log.join("web.log"),
            run_as: None,
            ports: vec![self.port],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(5),
            ready: probe(move || is_ready(address)),
            ready_within: Duration::from_secs(60),
        }))
    }
}

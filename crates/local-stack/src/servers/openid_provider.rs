//! A certified provider of OpenID Connect, in a process of Node: people sign in by it as they would by
//! that of their organisation, and it believes whatever they say.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{READY_WITHIN, probe};
use crate::install::{self, Program};
use crate::process::{Process, Spec};

const FILES: [(&str, &str); 4] = [
    (
        "package.json",
        include_str!("../../oidc-provider/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../oidc-provider/package-lock.json"),
    ),
    (".npmrc", include_str!("../../oidc-provider/.npmrc")),
    (
        "provider.mjs",
        include_str!("../../oidc-provider/provider.mjs"),
    ),
];

/// The provider, running.
#[derive(Debug)]
pub struct OpenIdProvider {
    process: Process,
    port: u16,
}

impl OpenIdProvider {
    /// As the settings of the account service call it.
    pub const NAME: &str = "test";
    pub const CLIENT_ID: &str = "parlance";
    pub const CLIENT_SECRET: &str = "only for tests";

    /// Installs it into the cache if it isn't there, starts it and waits until it is ready. It sends
    /// browsers back to the account service at `public_url`, and forgets everybody when it ends.
    ///
    /// # Errors
    /// When it can't be installed or doesn't become ready.
    pub async fn start(data: &Path, port: u16, public_url: &str) -> anyhow::Result<Self> {
        let folder = tokio::task::spawn_blocking(install).await??;
        let name = Self::NAME;
        let process = Process::new(Spec {
            name: "OpenID provider".into(),
            program: Program::Node.find().context("Node is not on PATH")?,
            arguments: vec![
                folder.join("provider.mjs").into(),
                port.to_string().into(),
                Self::CLIENT_ID.into(),
                Self::CLIENT_SECRET.into(),
                format!("{public_url}/api/account/oidc/{name}/callback").into(),
            ],
            environment: Vec::new(),
            log: data.join("logs/openid-provider.log"),
            run_as: None,
            ports: vec![port],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(2),
            ready: probe(move || async move {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                Ok(())
            }),
            ready_within: READY_WITHIN,
        });
        process.start().await?;
        Ok(Self { process, port })
    }

    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Deref for OpenIdProvider {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}

/// Puts it and its packages into the cache, once for each version of them.
fn install() -> anyhow::Result<PathBuf> {
    install::ensure_installed(&Program::WEB)?;
    // FNV-1a: only to tell one version from another.
    let digest = FILES
        .iter()
        .flat_map(|(_, content)| content.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let folder = install::cache_dir()?.join(format!("oidc-provider-{digest:016x}"));
    install::once_in_cache(&folder, |unfinished| {
        for (name, content) in FILES {
            std::fs::write(unfinished.join(name), content)
                .with_context(|| format!("write {name}"))?;
        }
        tracing::info!("installing the OpenID provider (npm ci)");
        let status = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(unfinished)
            .status()
            .context("run npm")?;
        if !status.success() {
            bail!("npm could not install the OpenID provider ({status})");
        }
        Ok(())
    })?;
    Ok(folder)
}

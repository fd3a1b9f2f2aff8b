//! Servers for the time of a test binary.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::{Durability, Kafka, LocalAws, Postgres, Redis, Server, ServerPorts, Servers};
use std::os::unix::process::CommandExt;

/// Servers on free ports in a folder of their own. They and the folder are gone when this is
/// dropped, and also when the test process ends in any other way, so a `static` is fine:
///
/// ```no_run
/// # use local_stack::servers::{Server, TestServers};
/// # use tokio::sync::OnceCell;
/// async fn servers() -> &'static TestServers {
///     static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
///     SERVERS
///         .get_or_init(async || TestServers::start(&[Server::Redis]).await.unwrap())
///         .await
/// }
/// ```
#[derive(Debug)]
pub struct TestServers {
    servers: Servers,
    folder: OwnFolder,
}

impl TestServers {
    /// Starts the servers, side by side, and waits until all are ready.
    ///
    /// # Errors
    /// As for [`Servers::start`].
    pub async fn start(wanted: &[Server]) -> anyhow::Result<Self> {
        let folder = OwnFolder::new()?;
        let servers =
            Servers::start(wanted, &folder.path, ServerPorts::free()?, Durability::Kill).await?;
        Ok(Self { servers, folder })
    }

    /// The folder with the servers' data and, in `logs`, what they wrote.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.folder.path
    }

    /// # Panics
    /// When it was not asked for.
    #[must_use]
    pub fn kafka(&self) -> &Kafka {
        self.servers.kafka.as_ref().expect("Kafka was asked for")
    }

    /// # Panics
    /// When it was not asked for.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        self.servers.redis.as_ref().expect("Redis was asked for")
    }

    /// # Panics
    /// When it was not asked for.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        self.servers
            .postgres
            .as_ref()
            .expect("Postgres was asked for")
    }

    /// # Panics
    /// When it was not asked for.
    #[must_use]
    pub fn local_aws(&self) -> &LocalAws {
        self.servers
            .local_aws
            .as_ref()
            .expect("local-aws was asked for")
    }
}

/// A temporary folder that is removed even if this process is killed: a shell waits for the
/// end of a pipe whose other end we hold, and then removes it.
#[derive(Debug)]
pub(crate) struct OwnFolder {
    pub(crate) path: PathBuf,
    remover: Child,
}

impl OwnFolder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("parlance-test-")
            .tempdir()
            .context("make a temporary folder")?;
        // Postgres may run as another user.
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .context("open the temporary folder to others")?;
        let path = folder.keep();
        let remover = Command::new("sh")
            .args(["-c", "cat; rm -rf \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("run sh")?;
        Ok(Self { path, remover })
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        // `PARLANCE_KEEP_TEST_DATA` is for those who want to read the logs of a failed test.
        if std::env::var_os("PARLANCE_KEEP_TEST_DATA").is_some() {
            let _ = self.remover.kill();
        }
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}

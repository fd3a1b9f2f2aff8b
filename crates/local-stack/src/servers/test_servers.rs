//! Servers for the time of a test binary.

use super::{
    Durability, Kafka, LocalAws, Mail, Postgres, Redis, RunsFor, Server, ServerPorts, Servers,
};
use crate::test_folder::TestFolder;

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
    folder: TestFolder,
}

impl TestServers {
    /// Starts the servers, side by side, and waits until all are ready.
    ///
    /// # Errors
    /// As for [`Servers::start`].
    pub async fn start(wanted: &[Server]) -> anyhow::Result<Self> {
        let folder = TestFolder::new()?;
        let servers = Servers::start(
            wanted,
            folder.path(),
            ServerPorts::free()?,
            &[],
            Durability::Kill,
            RunsFor::Minutes,
            None,
        )
        .await?;
        Ok(Self { servers, folder })
    }

    /// The folder with the servers' data and, in `logs`, what they wrote.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
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

    /// # Panics
    /// When it was not asked for.
    #[must_use]
    pub fn mail(&self) -> &Mail {
        self.servers
            .mail
            .as_ref()
            .expect("the mail server was asked for")
    }
}

//! Folders that don't outlive a test.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// A temporary folder that is removed even if this process is killed: a shell waits for the
/// end of a pipe whose other end we hold, and then removes it.
#[derive(Debug)]
pub struct TestFolder {
    path: PathBuf,
    remover: Child,
}

impl TestFolder {
    /// Makes one; where `PARLANCE_KEEP_TEST_DATA` is set, for those who want to read the logs of a
    /// failed test, it stays.
    ///
    /// # Errors
    /// When the system's folder for temporary files can't be written.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("parlance-test-")
            .tempdir()
            .context("make a temporary folder")?;
        // Postgres may run as another user.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
            .context("open the temporary folder to others")?;
        let path = folder.keep();
        let script = if std::env::var_os("PARLANCE_KEEP_TEST_DATA").is_some() {
            "cat"
        } else {
            // A server that dies with us may still have made a file meanwhile.
            "cat; rm -rf \"$0\" || { sleep 1; rm -rf \"$0\"; }"
        };
        let remover = Command::new("sh")
            .args(["-c", script])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("run sh")?;
        Ok(Self { path, remover })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}

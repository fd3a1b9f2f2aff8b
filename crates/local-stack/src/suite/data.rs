//! The folder that holds everything, and the services' identities in it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use auth::KeyPair;

/// Says that a folder is ours to forget, and is locked by who uses it.
const MARKER: &str = "parlance-data";

#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    /// Held until the suite is gone.
    _lock: File,
}

/// Key files of a service.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub private: PathBuf,
    pub public: PathBuf,
}

impl DataFolder {
    pub(super) fn open(path: &Path, fresh: bool) -> anyhow::Result<Self> {
        let path = std::path::absolute(path).context("make the data folder's path absolute")?;
        let marker = path.join(MARKER);
        let used = path
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_some());
        if used && !marker.exists() {
            bail!(
                "{} holds something else; choose an empty folder with --data",
                path.display()
            );
        }
        std::fs::create_dir_all(&path)
            .with_context(|| format!("create the folder {}", path.display()))?;
        let lock = File::create(&marker).with_context(|| format!("create {}", marker.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another suite is running on {}; stop it, or choose another folder with --data",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", marker.display()));
            }
        }
        if fresh {
            forget(&path)?;
        }
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Key pairs of the services, made at the first start.
    pub(super) fn identities(
        &self,
        services: &[&'static str],
    ) -> anyhow::Result<BTreeMap<&'static str, Identity>> {
        let folder = self.path.join("identity");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("create the folder {}", folder.display()))?;
        services
            .iter()
            .map(|service| {
                let identity = Identity {
                    private: folder.join(format!("{service}.key.pem")),
                    public: folder.join(format!("{service}.pub.pem")),
                };
                // The public half is written last: with it the pair is complete.
                if !identity.public.exists() {
                    let pair = KeyPair::generate().context("make a key pair")?;
                    write(&identity.private, &pair.private_pem(), 0o600)?;
                    write(&identity.public, &pair.public_pem(), 0o644)?;
                }
                Ok((*service, identity))
            })
            .collect()
    }
}

fn forget(path: &Path) -> anyhow::Result<()> {
    for entry in path
        .read_dir()
        .with_context(|| format!("read {}", path.display()))?
    {
        let entry = entry.with_context(|| format!("read {}", path.display()))?;
        if entry.file_name() == MARKER {
            continue;
        }
        let entry_path = entry.path();
        let removed = if entry_path.is_dir() {
            std::fs::remove_dir_all(&entry_path)
        } else {
            std::fs::remove_file(&entry_path)
        };
        removed.with_context(|| format!("remove {}", entry_path.display()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
        let error = DataFolder::open(folder.path(), true)
            .unwrap_err()
            .to_string();
        assert!(error.contains("something else"), "{error}");
        assert!(folder.path().join("thesis.tex").exists());
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DataFolder::open(folder.path(), false).unwrap();
        let error = DataFolder::open(folder.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("another suite"), "{error}");
    }

    #[test]
    fn identities_stay_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let read = |fresh| {
            let data = DataFolder::open(folder.path(), fresh).unwrap();
            let identities = data.identities(&["account"]).unwrap();
            std::fs::read_to_string(&identities["account"].private).unwrap()
        };
        let first = read(false);
        assert_eq!(first, read(false));
        assert_ne!(first, read(true));
    }
}

//! Credentials on disk: readable by their owner alone, renewed by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use client::{Credentials, OpenVault, Vault};
use serde::{Deserialize, Serialize};

/// Who is signed in here, and where.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    pub server: String,
    pub credentials: Credentials,
}

/// The folder of this user's credentials.
#[derive(Clone)]
pub struct Keeper {
    folder: PathBuf,
}

impl Keeper {
    /// `$XDG_CONFIG_HOME/parlance`, or `~/.config/parlance` (XDG Base Directory Specification).
    pub fn of_user() -> anyhow::Result<Self> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|it| it.is_absolute())
        };
        let config = absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))
            .context("neither XDG_CONFIG_HOME nor HOME is set")?;
        Ok(Self {
            folder: config.join("parlance"),
        })
    }

    #[cfg(test)]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    /// What is kept; none: nobody is signed in.
    pub fn read(&self) -> anyhow::Result<Option<Kept>> {
        let path = self.path();
        read(&path).with_context(|| format!("`{}` can't be read", path.display()))
    }

    /// Keeps new credentials instead of those before.
    pub fn keep(&self, kept: &Kept) -> anyhow::Result<()> {
        self.lock()
            .and_then(|_lock| write(&self.path(), kept))
            .with_context(|| format!("`{}` can't be written", self.folder.display()))
    }

    /// Forgets the credentials.
    pub fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("`{}` can't be removed", self.path().display()))
            }
            _ => Ok(()),
        }
    }

    /// Keeps other processes out while the file is open.
    fn lock(&self) -> io::Result<File> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}

fn read(path: &Path) -> io::Result<Option<Kept>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A crash leaves the old file or the new one, and neither is ever readable by others.
fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&serde_json::to_vec_pretty(kept)?)?;
    file.sync_all()?;
    fs::rename(new, path)
}

impl Vault for Keeper {
    fn open(&self) -> io::Result<Box<dyn OpenVault>> {
        Ok(Box::new(Locked {
            path: self.path(),
            _lock: self.lock()?,
        }))
    }
}

struct Locked {
    path: PathBuf,
    _lock: File,
}

impl OpenVault for Locked {
    fn read(&mut self) -> io::Result<Option<Credentials>> {
        Ok(read(&self.path)?.map(|kept| kept.credentials))
    }

    fn keep(&mut self, credentials: &Credentials) -> io::Result<()> {
        // Signed out meanwhile: the session is over, and there is nothing to renew.
        let Some(kept) = read(&self.path)? else {
            return Ok(());
        };
        write(
            &self.path,
            &Kept {
                server: kept.server,
                credentials: credentials.clone(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use client::User;
    use ids::UserId;

    use super::*;

    fn kept(token: &str) -> Kept {
        Kept {
            server: "http://localhost:8080".into(),
            credentials: Credentials {
                user: User {
                    user_id: UserId::from_bytes([1; 16]),
                    handle: "ada".into(),
                    display_name: "Ada".into(),
                    picture: String::new(),
                },
                access_token: token.into(),
                renew_at_unix_ms: 7,
                refresh_token: "refresh".into(),
            },
        }
    }

    #[test]
    fn credentials_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::in_folder(&folder.path().join("parlance"));
        assert!(keeper.read().unwrap().is_none());
        keeper.keep(&kept("one")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keeper.path()), 0o600);
        assert_eq!(mode(&keeper.folder), 0o700);
        keeper.forget().unwrap();
        keeper.forget().unwrap();
        assert!(keeper.read().unwrap().is_none());
    }

    #[test]
    fn a_renewal_keeps_others_out_and_is_seen_by_them() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::in_folder(folder.path());
        keeper.keep(&kept("one")).unwrap();
        let mut vault = keeper.open().unwrap();
        let other = {
            let keeper = keeper.clone();
            std::thread::spawn(move || {
                let mut vault = keeper.open().unwrap();
                vault.read().unwrap().unwrap().access_token
            })
        };
        assert_eq!(vault.read().unwrap().unwrap().access_token, "one");
        vault.keep(&kept("two").credentials).unwrap();
        drop(vault);
        assert_eq!(other.join().unwrap(), "two");
    }

    #[test]
    fn who_logged_out_is_not_signed_in_again_by_a_renewal() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::in_folder(folder.path());
        keeper.keep(&kept("one")).unwrap();
        keeper.forget().unwrap();
        keeper
            .open()
            .unwrap()
            .keep(&kept("two").credentials)
            .unwrap();
        assert!(keeper.read().unwrap().is_none());
    }
}

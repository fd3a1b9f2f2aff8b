//! Finds the programs that the local suite runs, and installs what is missing where it may.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// A program of the system that the suite or its tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Redis,
    Postgres,
    Java,
    Maven,
    Node,
    Npm,
    Chromium,
}

impl Program {
    /// What the servers need.
    pub const SERVERS: [Self; 4] = [Self::Redis, Self::Postgres, Self::Java, Self::Maven];
    /// What building the web client needs.
    pub const WEB: [Self; 2] = [Self::Node, Self::Npm];

    /// Where it is, if it is there.
    #[must_use]
    pub fn find(self) -> Option<PathBuf> {
        match self {
            Self::Redis => on_path("redis-server"),
            Self::Postgres => postgres_bin().map(|bin| bin.join("postgres")),
            Self::Java => on_path("java"),
            Self::Maven => on_path("mvn"),
            Self::Node => on_path("node"),
            Self::Npm => on_path("npm"),
            Self::Chromium => on_path("chromium").or_else(|| on_path("chromium-browser")),
        }
    }

    fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::Redis => &["redis-server"],
            Self::Postgres => &["postgresql"],
            Self::Java => &["openjdk-17-jre-headless"],
            Self::Maven => &["maven"],
            Self::Node => &["nodejs"],
            Self::Npm => &["npm"],
            Self::Chromium => &["chromium"],
        }
    }
}

/// Makes sure that the programs are there: installs their Debian packages when this is root.
///
/// # Errors
/// When something is missing and can't be installed; the error is the command to run.
pub fn ensure_installed(programs: &[Program]) -> anyhow::Result<()> {
    let missing: Vec<Program> = programs
        .iter()
        .copied()
        .filter(|program| program.find().is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|program| program.debian_packages())
        .copied()
        .collect();
    let packages = packages.join(" ");
    let by_hand = format!("apt-get install -y --no-install-recommends {packages}");
    if on_path("apt-get").is_none() {
        bail!(
            "missing: {missing:?}; install them with the system's package manager (on Debian: {by_hand})"
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {missing:?}; run: sudo {by_hand}");
    }
    tracing::info!("installing {packages}");
    let script =
        format!("export DEBIAN_FRONTEND=noninteractive; apt-get update -q && {by_hand} -q");
    crate::process::run(
        Path::new("sh"),
        &[OsStr::new("-c"), OsStr::new(&script)],
        None,
    )
    .with_context(|| format!("install what is missing; by hand: {by_hand}"))?;
    for program in missing {
        if program.find().is_none() {
            bail!("{program:?} is still missing after {by_hand}");
        }
    }
    Ok(())
}

/// The folder with Postgres' programs; Debian keeps them off the path.
#[must_use]
pub fn postgres_bin() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Some(bin);
    }
    let postgres = on_path("postgres")?;
    postgres.parent().map(Path::to_path_buf)
}

/// Where downloads and templates are kept between runs.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache_dir() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = base.join("parlance");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("create the folder {}", folder.display()))?;
    Ok(folder)
}

/// Makes `folder` once, also when several processes want it at the same time: `make` fills
/// a folder beside it, which is then renamed.
pub(crate) fn once_in_cache(
    folder: &Path,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let beside = |suffix: &str| {
        let mut name = folder.as_os_str().to_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let lock_path = beside(".lock");
    let lock =
        File::create(&lock_path).with_context(|| format!("create {}", lock_path.display()))?;
    lock.lock()
        .with_context(|| format!("lock {}", lock_path.display()))?;
    if folder.exists() {
        return Ok(());
    }
    let unfinished = beside(".unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)
            .with_context(|| format!("remove {}", unfinished.display()))?;
    }
    std::fs::create_dir_all(&unfinished)
        .with_context(|| format!("create the folder {}", unfinished.display()))?;
    make(&unfinished)?;
    std::fs::rename(&unfinished, folder)
        .with_context(|| format!("rename {} to {}", unfinished.display(), folder.display()))
}

/// Finds a program on `PATH`.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The folder in which cargo puts the workspace's programs, for the profile that we were
/// built with.
///
/// # Errors
/// When the path of this program can't be told.
pub fn programs_dir() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("find the path of this program")?;
    let folder = this.parent().context("this program has no folder")?;
    // Test binaries and examples are a level below.
    let inner = folder
        .file_name()
        .is_some_and(|name| name == "deps" || name == "examples");
    let folder = if inner { folder.parent() } else { Some(folder) };
    Ok(folder.context("this program has no folder")?.to_path_buf())
}

/// How a program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Dev,
    Release,
}

/// Builds programs of the workspace into the folder that this program is in, with its profile, unless
/// `PARLANCE_PROGRAMS_ARE_BUILT` is set.
///
/// # Errors
/// When cargo fails; what it says has gone to standard error.
pub fn build(programs: &[&str]) -> anyhow::Result<()> {
    let own = if programs_dir()?.ends_with("release") {
        Profile::Release
    } else {
        Profile::Dev
    };
    build_as(own, programs)
}

/// [`build`] as they are shipped, and the folder in which they are then.
///
/// # Errors
/// As for [`build`].
pub fn build_release(programs: &[&str]) -> anyhow::Result<PathBuf> {
    build_as(Profile::Release, programs)?;
    Ok(target_dir()?.join("release"))
}

fn target_dir() -> anyhow::Result<PathBuf> {
    let programs = programs_dir()?;
    let target = programs.parent().context("there is no target folder")?;
    Ok(target.to_path_buf())
}

fn build_as(profile: Profile, programs: &[&str]) -> anyhow::Result<()> {
    if std::env::var_os("PARLANCE_PROGRAMS_ARE_BUILT").is_some() {
        return Ok(());
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        // Features are those of the whole workspace, whatever is built: one build serves all.
        .args(["build", "--workspace"])
        .arg("--manifest-path")
        .arg(workspace_root().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir()?);
    if profile == Profile::Release {
        command.arg("--release");
    }
    for program in programs {
        command.args(["--bin", program]);
    }
    let status = command.status().context("run cargo")?;
    if !status.success() {
        bail!("cargo could not build {}", programs.join(", "));
    }
    Ok(())
}

/// The path of a program of the workspace, built if it isn't there.
///
/// # Errors
/// When it has to be built and that fails.
pub fn workspace_program(name: &str) -> anyhow::Result<PathBuf> {
    let path = programs_dir()?.join(name);
    if !path.exists() {
        build(&[name])?;
    }
    Ok(path)
}

/// The root of the repository.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    crate_dir
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .map_or(crate_dir.clone(), Path::to_path_buf)
}

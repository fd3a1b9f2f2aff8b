//! The web client: its packages and its build.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::Context;
use local_stack::install::{self, Program};

/// The oldest Node that the client's tools run on, and the one to get where it is older.
const NODE_MAJOR: u32 = 20;
const NODE_PACKAGE: &str = "22";

/// What the build is made from, below `frontend`.
const INPUTS: [&str; 9] = [
    "build",
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "tsconfig.json",
    "vite.config.ts",
    "../docs/openapi",
];

/// The folder of the web client.
pub fn folder() -> PathBuf {
    install::workspace_root().join("frontend")
}

/// Where its build is.
pub fn dist() -> PathBuf {
    folder().join("dist")
}

/// Where `node` and `npm` are. The system's Node may be older than the client's tools want; then
/// the npm package `node` brings a newer one, kept in the cache.
pub fn command(program: &str) -> anyhow::Result<Command> {
    install::ensure_installed(&Program::WEB)?;
    let mut command = Command::new(program);
    if major_version("node").is_none_or(|major| major < NODE_MAJOR) {
        let newer = install::cache_dir()?.join("node");
        let bin = newer.join("node_modules/.bin");
        if !bin.join("node").exists() {
            tracing::info!("installing Node {NODE_PACKAGE} beside the system's");
            let prefix = newer.display().to_string();
            let package = format!("node@{NODE_PACKAGE}");
            crate::run(
                &install::cache_dir()?,
                Command::new("npm").args(["install", "--silent", "--prefix", &prefix, &package]),
            )?;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(bin).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders)?);
    }
    Ok(command)
}

/// `v20.20.2` → 20
fn major_version(program: &str) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Checks types and style.
pub fn check() -> anyhow::Result<()> {
    ensure_packages()?;
    for script in ["typecheck", "lint"] {
        crate::run(&folder(), command("npm")?.args(["run", "--silent", script]))?;
    }
    Ok(())
}

/// Installs its packages, unless they are those of the lock file already.
pub fn ensure_packages() -> anyhow::Result<()> {
    let folder = folder();
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    let wanted = modified(&folder.join("package-lock.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    tracing::info!("installing the web client's packages (npm ci)");
    crate::run(
        &folder,
        command("npm")?.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
    )
}

/// Builds it, unless the build is newer than everything it is made from.
pub fn ensure_built() -> anyhow::Result<()> {
    ensure_packages()?;
    let folder = folder();
    let built = modified(&dist().join("index.html"));
    let newest = INPUTS
        .iter()
        .filter_map(|input| newest_below(&folder.join(input)))
        .max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    tracing::info!("building the web client (npm run build)");
    crate::run(&folder, command("npm")?.args(["run", "--silent", "build"]))
        .context("build the web client; its sources are in frontend/")
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn newest_below(path: &Path) -> Option<SystemTime> {
    let Ok(entries) = path.read_dir() else {
        return modified(path);
    };
    entries
        .flatten()
        .filter_map(|entry| newest_below(&entry.path()))
        .chain(modified(path))
        .max()
}

//! What is generated from other files and checked in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use local_stack::install;

use crate::web;

const SERVICES: [&str; 5] = [
    "account",
    "conversation",
    "message",
    "chat-gateway",
    "file-upload",
];

/// Compares each service's OpenAPI document with `docs/openapi/<service>.json`, or writes it; the
/// web client's types follow.
pub fn openapi(write: bool) -> anyhow::Result<()> {
    install::build(&SERVICES)?;
    let folder = install::workspace_root().join("docs/openapi");
    std::fs::create_dir_all(&folder)?;
    let mut stale = Vec::new();
    for service in SERVICES {
        let document = document_of(service)?;
        let path = folder.join(format!("{service}.json"));
        if std::fs::read_to_string(&path).ok().as_ref() == Some(&document) {
            continue;
        }
        if write {
            std::fs::write(&path, document).with_context(|| format!("write {}", path.display()))?;
            tracing::info!("wrote {}", path.display());
        } else {
            stale.push(format!("docs/openapi/{service}.json"));
        }
    }
    if stale.is_empty() {
        stale = web_client(write)?;
    }
    if !stale.is_empty() {
        bail!(
            "stale: {}; run `cargo xtask openapi --write`",
            stale.join(", ")
        );
    }
    Ok(())
}

fn document_of(service: &str) -> anyhow::Result<String> {
    let program = install::programs_dir()?.join(service);
    let output = Command::new(&program)
        .arg("openapi")
        .output()
        .with_context(|| format!("run {}", program.display()))?;
    if !output.status.success() {
        bail!(
            "`{service} openapi` failed ({}):\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("`{service} openapi` did not print UTF-8"))?;
    Ok(format!("{}\n", text.trim_end()))
}

/// Generates the web client's types. To check them they are generated too, and put back as they
/// were if they differ.
fn web_client(write: bool) -> anyhow::Result<Vec<String>> {
    web::ensure_packages()?;
    let generated = web::folder().join("src/api/generated");
    let before = files_below(&generated)?;
    crate::run(
        &web::folder(),
        web::command("npm")?.args(["run", "--silent", "generate"]),
    )?;
    let after = files_below(&generated)?;
    if write || before == after {
        return Ok(Vec::new());
    }
    for (path, content) in &before {
        std::fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(vec!["frontend/src/api/generated".to_owned()])
}

fn files_below(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    let Ok(entries) = folder.read_dir() else {
        return Ok(files);
    };
    for entry in entries {
        let path = entry
            .with_context(|| format!("read {}", folder.display()))?
            .path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            let content =
                std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            files.push((path, content));
        }
    }
    files.sort();
    Ok(files)
}

/// The proto crate's own test does both.
pub fn proto(write: bool) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "test",
            "--quiet",
            "--package",
            "proto",
            "--test",
            "bindings_are_fresh",
        ])
        .current_dir(install::workspace_root());
    if write {
        command.env("UPDATE_BINDINGS", "1");
    }
    let status = command.status().context("run cargo")?;
    if !status.success() {
        bail!("the bindings are stale; run `cargo xtask proto --write`");
    }
    Ok(())
}

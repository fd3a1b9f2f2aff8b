//! What is generated from other files and checked in.

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
    if !stale.is_empty() {
        bail!(
            "stale: {}; run `cargo xtask openapi --write`",
            stale.join(", ")
        );
    }
    let script = if write { "generate" } else { "generate:check" };
    web::ensure_packages()?;
    crate::run(
        &web::folder(),
        web::command("npm")?.args(["run", "--silent", script]),
    )
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

/// The proto crate's own test does both.
pub fn proto(write: bool) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        // Of the whole workspace, so that it shares the build with all other tests.
        .args([
            "test",
            "--quiet",
            "--workspace",
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

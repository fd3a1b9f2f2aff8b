//! The documents that writers of clients rely on say what the code does.

mod asyncapi;
mod errors;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("the document")
}

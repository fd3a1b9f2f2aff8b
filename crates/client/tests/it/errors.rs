use std::collections::BTreeSet;
use std::path::Path;

use super::{document, root};

/// How codes of errors end. A code that ends otherwise is found only if it is documented.
const ENDINGS: [&str; 26] = [
    "_ambiguous",
    "_common",
    "_conflict",
    "_empty",
    "_expired",
    "_expected",
    "_forbidden",
    "_fixed",
    "_full",
    "_future",
    "_incomplete",
    "_insufficient",
    "_invalid",
    "_large",
    "_malformed",
    "_mismatch",
    "_missing",
    "_not_allowed",
    "_not_ready",
    "_pending",
    "_required",
    "_taken",
    "_too_long",
    "_unknown",
    "_unreadable",
    "_unsupported",
];

/// Literals in a source that could be codes; comments, attributes and tests aside.
fn literals(source: &str, found: &mut BTreeSet<String>) {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    for line in code.lines().map(str::trim_start) {
        if line.starts_with("//") || line.starts_with("#[") {
            continue;
        }
        for literal in line.split('"').skip(1).step_by(2) {
            if !literal.is_empty()
                && literal
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            {
                found.insert(literal.to_owned());
            }
        }
    }
}

fn sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            // Names of metrics look like codes.
            && !path.ends_with("metrics.rs")
        {
            literals(&std::fs::read_to_string(&path).expect("a source"), found);
        }
    }
}

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let mut used = BTreeSet::new();
    for service in std::fs::read_dir(root().join("services")).unwrap() {
        let source = service.unwrap().path().join("src");
        if source.exists() {
            sources(&source, &mut used);
        }
    }
    for name in ["auth", "postgres", "problem", "serving"] {
        sources(&root().join("crates").join(name).join("src"), &mut used);
    }

    // The first column of a table.
    let documented: BTreeSet<_> = document("docs/errors.md")
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split(" | ")
                .next()
                .map(str::to_owned)
        })
        .flat_map(|cell| {
            cell.split('`')
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|code| !code.is_empty() && code != ", ")
        .collect();
    assert!(documented.len() > 50, "{documented:?}");

    let missing: Vec<_> = used
        .iter()
        .filter(|code| ENDINGS.iter().any(|ending| code.ends_with(ending)))
        .filter(|code| !documented.contains(*code))
        .collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
    let gone: Vec<_> = documented.difference(&used).collect();
    assert!(
        gone.is_empty(),
        "in docs/errors.md, but nowhere in the code: {gone:?}"
    );
}

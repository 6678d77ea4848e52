//! Promise: this project has one name. The one it had before is a product of Bifrost's vendor, and would mislead.

use std::{fs, path::Path, process::Command};

use crate::support::{in_time::Printed, tools::lacks};

/// Written in two parts, or this file would be found.
const FORMER: [&str; 2] = ["bifrost", "edge"];

#[test]
fn nothing_has_the_former_name() {
    if lacks(&["git"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).printed().unwrap();
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<_> = listed.split_terminator('\0').filter(|file| !file.ends_with("CHANGELOG.md")).collect();
    assert!(files.contains(&"Cargo.toml"), "these are not the project's files: {files:?}");

    let found: Vec<_> = files.into_iter().filter(|file| has_former_name(file, &root.join(file))).collect();
    assert!(found.is_empty(), "the former name is in {found:?}");
}

/// Whether a file, or its path, has the former name: as one word, in any case, or with a sign between its parts.
fn has_former_name(file: &str, path: &Path) -> bool {
    // A file that was deleted and not committed yet.
    let Ok(content) = fs::read(path) else { return false };
    let texts = [file.to_owned(), String::from_utf8_lossy(&content).into_owned()];
    let [first, second] = FORMER;
    let between = ["", " ", "-", "_", ".", "%20"];
    texts.iter().any(|text| {
        let text = text.to_lowercase();
        between.iter().any(|sign| text.contains(&format!("{first}{sign}{second}")))
    })
}

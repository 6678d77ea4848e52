//! Promise: a test that waits for what never comes fails and says where. One that hung would hold up all others, and
//! nobody would know which it was.

use std::{fs, path::PathBuf};

/// What waits without an end, and what does so for a while.
const ENDLESS: [(&str, &str); 3] =
    [(".recv().unwrap()", "heard()"), (".output()", "printed()"), (".wait_with_output()", "printed()")];

#[test]
fn no_test_waits_without_an_end() {
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // Neither what others wrote nor what was built.
                folders.extend(Some(path).filter(|path| !path.ends_with(".env") && !path.ends_with("target")));
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("endless_waits.rs") {
                let text = fs::read_to_string(&path).unwrap();
                for (endless, bounded) in ENDLESS {
                    assert!(!text.contains(endless), "{} has {endless}; use {bounded}", path.display());
                }
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 150, "these are not the tests");
}

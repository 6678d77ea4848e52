//! Where allocations are made, out of a profile of dhat.

use std::{collections::HashMap, fs};

use serde::Deserialize;
use tempfile::NamedTempFile;

/// The sites that are printed.
const MOST: usize = 40;
/// The callers that are printed of each.
const CALLERS: usize = 4;

/// Which allocations of a profile are asked for.
#[derive(Clone, Copy)]
pub enum Kind {
    /// All that were made.
    Made,
    /// Those that had not been given back in the end.
    Held,
}

/// The format of dhat, as far as it is read.
#[derive(Deserialize)]
struct Profile {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// All allocations with the same stack.
#[derive(Deserialize)]
struct Point {
    #[serde(rename = "tb")]
    total_bytes: u64,
    #[serde(rename = "tbk")]
    total_blocks: u64,
    #[serde(rename = "eb")]
    end_bytes: u64,
    #[serde(rename = "ebk")]
    end_blocks: u64,
    #[serde(rename = "fs")]
    frames: Vec<usize>,
}

/// Prints the sites with the most allocations, for each of so many requests or connections.
#[expect(clippy::cast_precision_loss, reason = "small numbers, printed")]
pub fn print(profile: &NamedTempFile, kind: Kind, each: usize) {
    let text = fs::read(profile.path()).expect("a profile");
    let profile: Profile = serde_json::from_slice(&text).expect("a profile of dhat");
    let mut sites: HashMap<String, (u64, u64)> = HashMap::new();
    for point in &profile.pps {
        let (blocks, bytes) = match kind {
            Kind::Made => (point.total_blocks, point.total_bytes),
            Kind::Held => (point.end_blocks, point.end_bytes),
        };
        let frames: Vec<_> = point.frames.iter().filter_map(|place| profile.ftbl.get(*place)).collect();
        let site = sites.entry(site(&frames)).or_default();
        *site = (site.0 + blocks, site.1 + bytes);
    }
    let mut sites: Vec<_> = sites.into_iter().collect();
    sites.sort_by_key(|(_, counts)| std::cmp::Reverse(*counts));
    for (site, (blocks, bytes)) in sites.iter().take(MOST) {
        let (blocks, bytes) = (*blocks as f64 / each as f64, *bytes as f64 / each as f64);
        if blocks >= 0.01 {
            println!("  {blocks:>6.2} {bytes:>9.1} B  {site}");
        }
    }
}

/// What of the standard library and of dhat itself stands between an allocation and who asked for it: the beginnings
/// of functions, and of files as dhat shortens them.
const BETWEEN: [&str; 7] = ["__rust", "alloc::", "<alloc::", "core::", "<core::", "std::", "<std::"];
const FILES_BETWEEN: [&str; 14] = [
    "dhat-",
    "benches/allocations/main.rs",
    "alloc/src/",
    "core/src/",
    "std/src/",
    "src/alloc/",
    "src/raw_vec/",
    "src/vec/",
    "src/boxed",
    "src/ops/",
    "src/slice/",
    "src/iter/",
    "src/fmt/",
    "src/future/",
];

/// Who asked for an allocation, and on whose behalf.
fn site(frames: &[&String]) -> String {
    let is_between = |frame: &&str| {
        let file = frame.rsplit_once(" (").map_or("", |(_, file)| file);
        BETWEEN.iter().any(|start| frame.starts_with(start))
            || FILES_BETWEEN.iter().any(|start| file.starts_with(start))
    };
    // Before the first colon is the address.
    let names = frames.iter().map(|frame| frame.split_once(": ").map_or(frame.as_str(), |(_, name)| name));
    let callers: Vec<_> = names.filter(|frame| !is_between(frame)).take(CALLERS).collect();
    callers.join("\n                        < ")
}

//! Runs a corpus through edges, on a few threads, and shows what went wrong.

use std::{collections::BTreeMap, env, fmt::Write, thread};

use super::corpus::SIZE;

/// An entry that went wrong.
pub struct Wrong {
    /// In few words, the same for all that went wrong in the same way.
    pub why: String,
    /// All that is known of it.
    pub report: String,
}

const WORKERS: usize = 4;
/// So many of those that went wrong in one way are shown.
const SHOWN: usize = 3;
/// Names the one entry that is to run alone.
const ALONE: &str = "DIFFERENTIAL_CASE";

/// Hands each worker the numbers of its entries, every so many of the corpus, and shows what is wrong.
pub fn run(every: usize, worker: impl Fn(&[u64]) -> Vec<Wrong> + Sync) {
    let alone: Option<u64> = env::var(ALONE).ok().and_then(|number| number.parse().ok());
    let numbers: Vec<u64> = alone.map_or_else(|| (0..SIZE).step_by(every).collect(), |number| vec![number]);
    let part = numbers.len().div_ceil(WORKERS);
    let wrong: Vec<Wrong> = thread::scope(|scope| {
        let workers: Vec<_> = numbers.chunks(part).map(|numbers| scope.spawn(|| worker(numbers))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_none(&wrong);
}

/// Shows those that went wrong, if any did.
pub fn assert_none(wrong: &[Wrong]) {
    let (count, summary) = (wrong.len(), summary(wrong));
    assert!(wrong.is_empty(), "{count} went wrong; {ALONE}=<number> runs one alone\n{summary}");
}

/// How many went wrong in which way, and some of each.
fn summary(wrong: &[Wrong]) -> String {
    let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for wrong in wrong {
        ways.entry(&wrong.why).or_default().push(&wrong.report);
    }
    let mut summary = String::new();
    for (why, reports) in &ways {
        let _ = writeln!(summary, "{} times {why}", reports.len());
    }
    for (why, reports) in &ways {
        let _ = writeln!(summary, "\n{why}:\n{}", reports[..reports.len().min(SHOWN)].join("\n"));
    }
    summary
}

/// Bytes as they can be read and pasted.
pub fn shown(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii())
}

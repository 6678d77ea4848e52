//! Runs a corpus through edges, on a few threads, and shows what went wrong.

use std::{env, thread};

use super::corpus::SIZE;

const WORKERS: u64 = 4;
/// So many failures are shown.
const SHOWN: usize = 20;
/// Names the one entry that is to run alone.
const ALONE: &str = "DIFFERENTIAL_CASE";

/// Hands each worker the numbers of its entries, every so many of the corpus, and collects what is wrong.
pub fn run(every: usize, worker: impl Fn(&[u64]) -> Vec<String> + Sync) {
    let alone: Option<u64> = env::var(ALONE).ok().and_then(|number| number.parse().ok());
    let numbers: Vec<u64> = alone.map_or_else(|| (0..SIZE).step_by(every).collect(), |number| vec![number]);
    let part = numbers.len().div_ceil(usize::try_from(WORKERS).unwrap());
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = numbers.chunks(part).map(|numbers| scope.spawn(|| worker(numbers))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    if let Ok(f) = env::var("TRIAGE") {
        std::fs::write(f, wrong.join("\n")).unwrap();
    }
    let shown = wrong.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {} went wrong; {ALONE}=<number> runs one alone\n{shown}",
        wrong.len(),
        numbers.len()
    );
}

/// Bytes as they can be read and pasted.
pub fn shown(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii())
}

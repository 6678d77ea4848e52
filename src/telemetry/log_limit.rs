//! How many lines of a kind the program's log takes.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Lets ten lines of each kind through in a second, so that nobody can flood the log.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<HashMap<&'static str, Logged>>);

#[derive(Debug)]
struct Logged {
    second: Instant,
    lines: u64,
}

impl LogLimit {
    const A_SECOND: u64 = 10;

    /// Counts a line: whether it may be logged, and how many were left out before it that nothing has been said of.
    pub fn pass(&self, kind: &'static str) -> (bool, u64) {
        let now = Instant::now();
        let mut logged = self.0.lock();
        let logged = logged.entry(kind).or_insert(Logged { second: now, lines: 0 });
        let mut left_out = 0;
        if now.duration_since(logged.second) >= Duration::from_secs(1) {
            left_out = logged.lines.saturating_sub(Self::A_SECOND);
            *logged = Logged { second: now, lines: 0 };
        }
        logged.lines += 1;
        (logged.lines <= Self::A_SECOND, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_of_a_kind_pass_in_a_second_and_the_others_are_told_of() {
        let limit = LogLimit::default();
        let passed = (0..150).filter(|_| limit.pass("libraries").0).count();
        assert_eq!(passed, 10);
        assert!(limit.pass("another").0);
        let a_second_ago = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        limit.0.lock().insert("libraries", Logged { second: a_second_ago, lines: 150 });
        assert_eq!(limit.pass("libraries"), (true, 140));
        assert_eq!(limit.pass("libraries"), (true, 0));
    }
}

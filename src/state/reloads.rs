//! How the reloads of the configuration went.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::{ArcSwap, ArcSwapOption};

/// The reloads of a running edge. Looks at a file that has not changed do not count.
#[derive(Debug)]
pub struct Reloads {
    /// When what is served was loaded.
    last_used: ArcSwap<SystemTime>,
    used: AtomicU64,
    refused: AtomicU64,
    last: ArcSwapOption<ReloadReport>,
}

/// How one reload went.
#[derive(Debug, Clone)]
pub struct ReloadReport {
    /// When it ended.
    pub at: SystemTime,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The file is what is served now, as this generation.
    Used(u64),
    /// Nothing has changed; every problem, a line each. They hold no secret of the file.
    Refused(Vec<String>),
}

impl Default for Reloads {
    fn default() -> Self {
        Reloads {
            last_used: ArcSwap::from_pointee(SystemTime::now()),
            used: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last: ArcSwapOption::empty(),
        }
    }
}

impl Reloads {
    pub(super) fn add(&self, outcome: Outcome) {
        if matches!(outcome, Outcome::Used(_)) {
            self.last_used.store(Arc::new(SystemTime::now()));
        }
        let count = if matches!(outcome, Outcome::Used(_)) { &self.used } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        self.set(outcome);
    }

    /// The file is again what is served as this generation.
    pub(super) fn restored(&self, generation: u64) {
        self.set(Outcome::Used(generation));
    }

    fn set(&self, outcome: Outcome) {
        self.last.store(Some(Arc::new(ReloadReport { at: SystemTime::now(), outcome })));
    }

    /// The last one, if there was one.
    pub fn last(&self) -> Option<Arc<ReloadReport>> {
        self.last.load_full()
    }

    /// When what is served was loaded: with the last reload that was not refused, or at the start.
    pub fn last_used(&self) -> SystemTime {
        **self.last_used.load()
    }

    /// How many changed what is served.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

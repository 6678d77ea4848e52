//! How the reloads of the configuration went.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwapOption;

/// The reloads of a running edge. Looks at a file that has not changed do not count.
#[derive(Debug, Default)]
pub struct Reloads {
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

impl Reloads {
    pub(super) fn add(&self, outcome: Outcome) {
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

    /// How many changed what is served.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

//! How many lines were written, and how many dropped.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has become of the lines.
#[derive(Debug, Default)]
pub struct LineCounts {
    written: AtomicU64,
    overflowed: AtomicU64,
    failed: AtomicU64,
}

/// What has become of the lines, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineReading {
    /// Those that were written.
    pub written: u64,
    /// Those that were dropped because too many waited to be written.
    pub overflowed: u64,
    /// Those that were dropped because they could not be written.
    pub failed: u64,
}

impl LineCounts {
    pub(super) fn wrote(&self, written: u64, failed: u64) {
        self.written.fetch_add(written, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    pub(in crate::telemetry) fn overflowed(&self) {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
    }

    /// What has become of the lines, so far.
    pub fn read(&self) -> LineReading {
        LineReading {
            written: self.written.load(Ordering::Relaxed),
            overflowed: self.overflowed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

impl LineReading {
    /// Those that were dropped, whatever for.
    pub fn dropped(self) -> u64 {
        self.overflowed + self.failed
    }
}

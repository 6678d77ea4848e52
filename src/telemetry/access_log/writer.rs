//! Where the lines go, and what is said when they cannot.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use log::{error, info, warn};
use parking_lot::Mutex;

use super::{Entry, line};
use crate::{
    config::{AccessLogTarget, LogFormat},
    telemetry::lines::{LineCounts, Scribe},
};

/// A log that cannot be written is said so no more often.
const COMPLAINTS: Duration = Duration::from_mins(1);
/// For who owns the process, and for its group: the lines hold addresses of clients.
const MODE: u32 = 0o640;

/// Where the lines go, opened.
pub(super) struct Target {
    file: File,
    /// `None` for standard output.
    path: Option<PathBuf>,
}

/// Makes the lines of requests.
pub(super) struct AccessScribe {
    pub target: Target,
    pub format: LogFormat,
    pub complaints: Arc<Complaints>,
}

/// Tells the program's log that lines were dropped, once a while. The thread that writes may be stuck, so whoever
/// drops a line says so.
#[derive(Debug)]
pub(super) struct Complaints {
    counts: Arc<LineCounts>,
    began: Instant,
    /// When it was said last, in milliseconds since it began, counted from 1; 0 for never.
    last: AtomicU64,
    /// Lines that were dropped, as far as the log has been told of them.
    told: AtomicU64,
    /// Why the last write failed; `None` when it did not.
    fault: Mutex<Option<String>>,
}

impl Target {
    pub fn open(to: &AccessLogTarget) -> io::Result<Self> {
        match to {
            // Past the buffer of the standard library, which would write line by line.
            AccessLogTarget::Stdout => {
                Ok(Target { file: io::stdout().as_fd().try_clone_to_owned()?.into(), path: None })
            }
            AccessLogTarget::File(path) => Ok(Target { file: append_to(path)?, path: Some(path.clone()) }),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

impl Scribe for AccessScribe {
    type Entry = Box<Entry>;

    /// The queue has room for those of a million requests a second.
    const GATHERING: Duration = Duration::from_millis(5);

    fn append(&mut self, entry: Box<Entry>, to: &mut Vec<u8>) {
        line::append(&entry, self.format, to);
    }

    fn file(&mut self) -> &mut File {
        &mut self.target.file
    }

    fn reopen(&mut self) -> bool {
        let Some(path) = &self.target.path else { return false };
        match append_to(path) {
            Ok(file) => {
                self.target.file = file;
                info!("the access log goes on in {}", path.display());
                true
            }
            Err(fault) => {
                error!("{} cannot be opened anew: {fault}; the old file is written on", path.display());
                false
            }
        }
    }

    fn has_written(&mut self, fault: Option<&io::Error>, is_last: bool, _: &mut Vec<u8>) {
        self.complaints.has_written(fault);
        self.complaints.complain(is_last);
    }
}

impl Complaints {
    pub fn new(counts: Arc<LineCounts>) -> Self {
        Complaints {
            counts,
            began: Instant::now(),
            last: AtomicU64::new(0),
            told: AtomicU64::new(0),
            fault: Mutex::new(None),
        }
    }

    /// Takes note of how the last write went: a queue that runs over behind one that failed is not too slow.
    fn has_written(&self, fault: Option<&io::Error>) {
        *self.fault.lock() = fault.map(ToString::to_string);
    }

    /// Says that lines were dropped, if that is news, and if it was not said just now, unless it is the last word.
    pub fn complain(&self, is_last_word: bool) {
        if let Some(news) = self.news(is_last_word) {
            warn!("{news}");
        }
    }

    fn news(&self, is_last_word: bool) -> Option<String> {
        let dropped = self.counts.read().dropped();
        if dropped == self.told.load(Ordering::Relaxed) {
            return None;
        }
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let last = self.last.load(Ordering::Relaxed);
        let is_early = last > 0 && u128::from(now.saturating_sub(last)) < COMPLAINTS.as_millis();
        // Of all that come at once, one says it.
        if is_early && !is_last_word
            || self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return None;
        }
        let lines = dropped.saturating_sub(self.told.fetch_max(dropped, Ordering::Relaxed));
        let fault = self.fault.lock().clone();
        let (how, why) = fault.map_or((" fast enough", String::new()), |fault| ("", format!(": {fault}")));
        Some(format!("the access log cannot be written{how}, lines dropped since this was said last: {lines}{why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_runs_over_behind_a_full_disk_is_not_called_too_slow() {
        let counts = Arc::new(LineCounts::default());
        counts.overflowed();
        let complaints = Complaints::new(Arc::clone(&counts));
        complaints.has_written(Some(&io::Error::from_raw_os_error(28)));
        let news = complaints.news(false).unwrap();
        assert!(news.ends_with(": No space left on device (os error 28)") && !news.contains("fast"), "{news}");
        counts.overflowed();
        complaints.has_written(None);
        let news = complaints.news(true).unwrap();
        assert!(news.contains("cannot be written fast enough"), "{news}");
    }
}

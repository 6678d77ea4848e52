//! The thread that writes the lines.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use log::{error, info, warn};

use super::{LineCounts, Message, line};
use crate::config::{AccessLogFormat, AccessLogTarget};

/// So much is written at once.
const BATCH: usize = 64 * 1024;
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

/// Takes entries and writes lines.
pub(super) struct Writer {
    target: Target,
    format: AccessLogFormat,
    counts: Arc<LineCounts>,
    /// Whole lines.
    batch: Vec<u8>,
    lines: u64,
    /// The last line was written in part.
    is_torn: bool,
    complained: Option<Instant>,
    /// Lines that were dropped, as far as the log has been told of them.
    told: u64,
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

impl Writer {
    pub fn new(target: Target, format: AccessLogFormat, counts: Arc<LineCounts>) -> Self {
        let batch = Vec::with_capacity(BATCH + 4096);
        Writer { target, format, counts, batch, lines: 0, is_torn: false, complained: None, told: 0 }
    }

    /// Writes until it is told that it is over.
    pub fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let mut next = Ok(first);
            loop {
                match next {
                    Ok(Message::Line(entry)) => {
                        line::append(&entry, self.format, &mut self.batch);
                        self.lines += 1;
                    }
                    Ok(Message::Reopen) => self.reopen(),
                    Ok(Message::Finish) => return self.flush(),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
                if self.batch.len() >= BATCH {
                    self.flush();
                }
                next = messages.try_recv();
            }
            self.flush();
        }
    }

    /// Writes what there is.
    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.is_torn {
            self.batch.insert(0, b'\n');
        }
        let (written, fault) = write_all(&mut self.target.file, &self.batch);
        if written > 0 {
            self.is_torn = self.batch[written - 1] != b'\n';
        }
        let lost = memchr::memchr_iter(b'\n', &self.batch[written..]).count() as u64;
        let lost = lost.min(self.lines);
        self.counts.written.fetch_add(self.lines - lost, Ordering::Relaxed);
        self.counts.failed.fetch_add(lost, Ordering::Relaxed);
        self.batch.clear();
        self.lines = 0;
        self.complain(fault.as_ref());
    }

    /// Says once a while that lines were dropped.
    fn complain(&mut self, fault: Option<&io::Error>) {
        let counts = self.counts.read();
        let dropped = counts.overflowed + counts.failed;
        if dropped == self.told || self.complained.is_some_and(|last| last.elapsed() < COMPLAINTS) {
            return;
        }
        let lines = dropped - self.told;
        match fault {
            Some(fault) => warn!("the access log cannot be written, {lines} lines were dropped: {fault}"),
            None => warn!("the access log cannot be written fast enough, {lines} lines were dropped"),
        }
        self.told = dropped;
        self.complained = Some(Instant::now());
    }

    /// Opens the file anew: it may have been renamed. What waits to be written goes to the old one.
    fn reopen(&mut self) {
        self.flush();
        let Some(path) = &self.target.path else { return };
        match append_to(path) {
            Ok(file) => {
                self.target.file = file;
                self.is_torn = false;
                info!("the access log goes on in {}", path.display());
            }
            Err(fault) => error!("{} cannot be opened anew: {fault}; the old file is written on", path.display()),
        }
    }
}

/// Writes as much as can be written: how many bytes that was, and why not all.
fn write_all(to: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A pipe that another program has made so. It is waited for as if it were none.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}
